import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { inject } from 'vitest';
import { createActivities, type Activities } from '../../src/activities/index.ts';
import { startTask, type Started } from '../../src/tasks/start.ts';
import { forgetWorker, noteWorker } from '../../src/tasks/worker-here.ts';
import { readConfig, type Config } from '../../src/config/index.ts';
import type { Limits } from '../../src/shared/limits.ts';
import { STATUS_QUERY, isSharedLimiter, limiterId, sharedLimiterId } from '../../src/shared/names.ts';
import type { Task, TaskSummary, TaskView } from '../../src/shared/task.ts';
import { Ingest } from '../../src/webhook/ingest.ts';
import { deadLettersFolder } from '../../src/webhook/dead-letters.ts';
import { Gateway } from '../../src/notify/gateway.ts';
import { Journal } from '../../src/webhook/journal.ts';
import { KimiClient } from '../../src/kimi/client.ts';
import { DIST } from '../../src/service/files.ts';
import { OwnThreadWorker } from '../../src/temporal/own-thread-worker.ts';
import { openPayloads, type Payloads } from '../../src/temporal/payloads/converter.ts';
import type { PluginWake } from '../../src/notify/protocol.ts';
import { ResultStore } from '../../src/results/store.ts';
import { createSimulator } from '../../src/simulator/app.ts';
import type { Counts } from '../../src/simulator/events.ts';
import { createWebhook } from '../../src/webhook/app.ts';
import { createWebhookServer } from '../../src/webhook/server.ts';
import { SECRET, NEXT_SECRET, RELAY_TOKEN, lifetime, silent, serve, temporaryFolder } from './resources.ts';

let client: Client | undefined;

/** A client of the Temporal server of this run. */
export async function engineClient(): Promise<Client> {
  client ??= new Client({ connection: await Connection.connect({ address: inject('engine') }) });
  return client;
}

export interface WorldOptions {
  /** How long the simulated Kimi takes, in milliseconds. */
  delayMs?: number;
  apiKey?: string | undefined;
  /** In place of the simulated Kimi and gateway. */
  apiUrl?: string;
  wakeUrl?: string;
  /** How the gateway's plugin notifies the user. */
  reply?: PluginWake['reply'];
  token?: string;
  /** Changes what the worker does. */
  wrap?: (activities: Activities) => Activities;
  /** Limits; default: none. */
  limits?: Partial<Limits>;
  /** Name of a limiter that is shared with other worlds. */
  sharedLimiter?: string;
  /** False if the test runs its own worker, or starts one later. */
  worker?: boolean;
  /** Whether tasks are started over the worker's connection, as by the API of a stack. */
  startsHere?: boolean;
  /** Starts a relay in front of the simulated Kimi. @returns its address. */
  relay?: (place: { taskQueue: string; simulatorUrl: string; webhookUrl: string }) => Promise<string>;
  /** `KIMI_FALLBACK`. */
  fallback?: string;
  /** `KIMI_PAYLOAD_KEYS`: encrypts payloads. */
  payloadKeys?: string;
  /** `KIMI_PAYLOAD_DIR`: shared with a process. */
  payloadDir?: string;
  /** Further variables, for what starts tasks and for the worker. */
  env?: Record<string, string>;
}

/** The whole product on real HTTP and the real engine, with the simulated Kimi; closed at the end of its `lifetime`. */
export interface World {
  client: Client;
  taskQueue: string;
  results: ResultStore;
  payloads: Payloads;
  counts: Counts;
  simulatorUrl: string;
  webhookUrl: string;
  env: Record<string, string>;
  /** Starts a worker in this process. */
  startWorker(): Promise<void>;
  /** Starts a task. */
  start(prompt: string, changes?: Partial<Task>, waitMs?: number): Promise<Started>;
  handle(started: { task_id: string }): WorkflowHandle<(task: Task) => Promise<TaskSummary>>;
  view(started: { task_id: string }): Promise<TaskView>;
  /** Enables time skipping for the task: its timers fire as soon as it is idle. */
  skipTime(started: { task_id: string }): Promise<void>;
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const home = await temporaryFolder();
  const { payloadKeys: KIMI_PAYLOAD_KEYS, payloadDir: KIMI_PAYLOAD_DIR } = options;
  const config = readConfig({ KIMI_HOME: home, KIMI_PAYLOAD_KEYS, KIMI_PAYLOAD_DIR });
  const results = new ResultStore(join(home, 'results'), config.KIMI_PAYLOAD_KEYS);
  const payloads = openPayloads(config);
  const { dataConverter } = payloads;
  const engine = new Client({ connection: (await engineClient()).connection, dataConverter });
  const simulator = createSimulator({ secret: SECRET, delayMs: options.delayMs ?? 50, log: silent });
  lifetime()(() => simulator.stop());
  const simulatorUrl = await serve(simulator.app);
  const ingest = await openIngest(engine);
  const webhook = createWebhook({ ingest, secrets: [SECRET, NEXT_SECRET], log: silent });
  const webhookUrl = await serve(createWebhookServer(webhook, webhook.classes));
  const taskQueue = `test-${crypto.randomUUID()}`;
  const limits = { ...UNLIMITED, ...options.limits };
  const limiter = options.sharedLimiter === undefined ? limiterId(taskQueue) : sharedLimiterId(options.sharedLimiter);

  const relayUrl = await options.relay?.({ taskQueue, simulatorUrl, webhookUrl });
  const startWorker = async (): Promise<void> => {
    const urls = { simulatorUrl, webhookUrl, relayUrl };
    const activities = activitiesOf(options, urls, {
      home,
      results,
      contents: payloads.contents,
      limiter: { id: limiter, taskQueue, limits },
    });
    const client = await runWorker(taskQueue, options.wrap?.(activities) ?? activities, dataConverter);
    if (options.startsHere) {
      noteWorker(taskQueue, client);
      lifetime()(() => forgetWorker(taskQueue));
    }
    // The SDK refuses a second worker of the same task queue on one connection: other worlds have one too.
    if (isSharedLimiter(limiter)) await runWorker(limiter, activities, dataConverter, await openNative());
  };
  if (options.worker !== false) await startWorker();

  const handle: World['handle'] = ({ task_id }) => engine.workflow.getHandle(task_id);
  return {
    client: engine,
    taskQueue,
    results,
    payloads,
    counts: simulator.counts,
    simulatorUrl,
    webhookUrl,
    env: options.env ?? {},
    handle,
    startWorker,
    start: async (prompt, changes = {}, waitMs = 150_000) => {
      const request = {
        ...TASK,
        prompt,
        ...(options.limits && { limiter }),
        ...(relayUrl !== undefined && { relay: true as const, model: 'kimi-k2.6' }),
        ...changes,
      };
      return await startTask(engine, taskQueue, request, waitMs);
    },
    view: async (started) => await handle(started).query<TaskView>(STATUS_QUERY),
    skipTime: async ({ task_id }) => {
      await engine.workflowService.updateWorkflowExecutionOptions({
        namespace: 'default',
        workflowExecution: { workflowId: task_id },
        workflowExecutionOptions: { timeSkippingConfig: { enabled: true } },
        updateMask: { paths: ['time_skipping_config'] },
      });
    },
  };
}

function activitiesOf(
  options: WorldOptions,
  { simulatorUrl, webhookUrl, relayUrl }: { simulatorUrl: string; webhookUrl: string; relayUrl: string | undefined },
  {
    home,
    results,
    contents,
    limiter,
  }: {
    home: string;
    results: ResultStore;
    contents: Payloads['contents'];
    limiter: { id: string; taskQueue: string; limits: Limits };
  },
): Activities {
  const apiUrl = options.apiUrl ?? `${simulatorUrl}/v1`;
  const kimi = new KimiClient({
    apiUrl,
    apiKey: 'apiKey' in options ? options.apiKey : 'sk-test',
    relay: relayUrl === undefined ? undefined : { url: `${relayUrl}/v1`, token: RELAY_TOKEN },
    callbackBaseUrl: webhookUrl,
    fallback: readConfig({ KIMI_FALLBACK: options.fallback }).KIMI_FALLBACK,
    contents,
  });
  const gateway = new Gateway({ wakeUrl: options.wakeUrl ?? `${simulatorUrl}/hooks/wake`, token: options.token });
  return createActivities({
    kimi,
    apiUrl,
    results,
    contents,
    gateway,
    reply: options.reply,
    balance: async () => await kimi.balance(),
    callbacks: { secrets: [SECRET, NEXT_SECRET], deadLetters: deadLettersFolder(home) },
    limiter: { ...limiter, lang: 'zh-TW' },
    config: worldConfig({ home, results, taskQueue: limiter.taskQueue, apiUrl, env: options.env }),
  });
}

/** The configuration that operations on tasks of a world have: without limits. */
export function worldConfig({
  home,
  results,
  taskQueue,
  apiUrl,
  env,
}: {
  home: string;
  results: ResultStore;
  taskQueue: string;
  apiUrl: string;
  env?: Record<string, string> | undefined;
}): Config {
  return readConfig({
    KIMI_HOME: home,
    KIMI_TASK_QUEUE: taskQueue,
    KIMI_API_URL: apiUrl,
    KIMI_RESULTS_DIR: results.folder,
    KIMI_MAX_TASKS_PER_MINUTE: String(UNLIMITED.per_minute),
    KIMI_MAX_CONCURRENT_TASKS: String(UNLIMITED.concurrent),
    KIMI_MAX_TASKS_PER_CHAT_HOUR: '2',
    ...env,
  });
}

export const UNLIMITED: Limits = { per_minute: 0, concurrent: 0, queued: 0 };

/** An ingest with its own journal; it stops when the test has finished. */
export async function openIngest(
  engine: Client,
  { folder, maxBytes = 2 ** 30, paceMs }: IngestOptions = {},
): Promise<Ingest> {
  const home = folder ?? (await temporaryFolder());
  const journal = new Journal(join(home, 'journal'), maxBytes);
  const deadLetters = deadLettersFolder(home);
  const ingest = new Ingest({ client: engine, journal, deadLetters, secret: SECRET, log: silent, paceMs });
  lifetime()(async () => await ingest.stop());
  return ingest;
}

interface IngestOptions {
  folder?: string;
  maxBytes?: number;
  paceMs?: number;
}

/** Default task of tests. */
export const TASK: Omit<Task, 'task_id'> = {
  task_name: 'calculator',
  prompt: '寫一個 Python 計算器',
  model: 'moonshot-v1-128k',
  timeout_ms: 120_000,
  grace_ms: 86_400_000,
  lang: 'zh-TW',
};

/** @returns the worker's client. */
async function runWorker(
  taskQueue: string,
  activities: Activities,
  dataConverter: DataConverter,
  own?: NativeConnection,
): Promise<Client> {
  const worker = await OwnThreadWorker.create({
    connection: own ?? (await nativeConnection()),
    taskQueue,
    activities,
    dataConverter,
    workflowBundle: {
      codePath: join(DIST, dataConverter.failureConverterPath ? 'workflows-encrypted.cjs' : 'workflows.cjs'),
    },
  });
  const running = worker.run();
  lifetime()(async () => {
    worker.shutdown();
    await running;
    await own?.close();
  });
  return worker.client as Client;
}

let native: Promise<NativeConnection> | undefined;

/** A connection for the workers of this process. It stays open: the SDK ends its native runtime with the last connection. */
export async function nativeConnection(): Promise<NativeConnection> {
  native ??= openNative();
  return await native;
}

/** @returns a connection for a worker of its own. */
export async function openNative(): Promise<NativeConnection> {
  installRuntime();
  return await NativeConnection.connect({ address: inject('engine') });
}

let installed = false;

/** Installs the SDK's runtime, once in a process. It logs errors only. */
export function installRuntime(): void {
  if (installed) return;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
    shutdownSignals: [],
  });
  installed = true;
}
