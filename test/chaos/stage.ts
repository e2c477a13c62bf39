/** The whole product as real processes on real disks; the simulated Kimi and gateway run in this process. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { pino } from 'pino';
import { readConfig } from '../../src/config/index.ts';
import type { Limits } from '../../src/shared/limits.ts';
import { NAMESPACE, TASK_QUEUE, limiterId } from '../../src/shared/names.ts';
import { deadLettersFolder } from '../../src/webhook/dead-letters.ts';
import { DIST } from '../../src/service/files.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { createSimulator } from '../../src/simulator/app.ts';
import type { Counts, SimulatorEvent } from '../../src/simulator/events.ts';
import { engineArgs, prepareNamespace } from '../../src/stack/engine-settings.ts';
import { findTemporalCli } from '../../src/stack/temporal-cli.ts';
import { connectClient, workersOn } from '../../src/temporal/client.ts';
import { Disk } from './disk.ts';
import { GatewayStub } from './gateway.ts';
import { processesOf, UP } from './embedded.ts';
import { moonshotOf } from '../support/moonshot.ts';
import type { Fault, Shape, Target } from './plan.ts';
import { RestartedProcess, type Breakable, type ProcessOptions } from './process.ts';

/** Signs callbacks. */
export const SECRET = 'the-secret-of-the-chaos';

/** Budget of a day at Moonshot's API, in CNY: as much as four tasks with documents may cost, so that some wait for others. */
const BUDGET = 10;

/** Timeout for all processes to become ready, in milliseconds. */
const START_MS = 60_000;

/** An event of the simulated Kimi and its time, in milliseconds. */
export type KimiEvent = SimulatorEvent & { at: number };

/** What simulated users work with, and where the outcome is observed. */
export interface Scene {
  client: Client;
  taskQueue: string;
  /** Workflow id of the limiter. */
  limiter: string;
  /** Whether tasks go through the relay, to Moonshot's API. */
  isRelayed: boolean;
  /** The results folder. */
  results: string;
  gateway: GatewayStub;
  /** Events of the simulated Kimi, in order. */
  events: KimiEvent[];
  /** Counters of the simulated Kimi. */
  counts: Counts;
  webhookUrls: string[];
  /** Folders of dead letters. */
  deadLetters: string[];
  /** Environment of the command line. */
  env: NodeJS.ProcessEnv;
  /** Unfinished actions of users with their last error: what a run that does not end waits for. */
  trying: Map<string, string>;
  /** Milliseconds since the start of the stage: the clock of all observations. */
  clock(): number;
}

/** A fault of the plan, and whether it could be applied. */
export type Applied = Fault & { applied: boolean };

export interface Stage extends Scene {
  /** Folder of the logs. */
  logs: string;
  /** The disk mounted at the results folder. */
  disk: Disk;
  /** Environment for calling the simulated Kimi at Moonshot's API. */
  moonshot: NodeJS.ProcessEnv;
  /** Every process, by name. */
  processes: ReadonlyMap<string, RestartedProcess>;
  /**
   * Starts another service.
   *
   * @param script file in dist/
   * @param more environment variables beyond `env`
   */
  serve(name: string, script: string, more: NodeJS.ProcessEnv): void;
  /**
   * Injects a fault and undoes it.
   *
   * @returns whether the fault could be injected
   */
  break(fault: Fault): Promise<boolean>;
  /** Kills every process and unmounts the disks; also called when this process exits. */
  close(): void;
}

/**
 * @param folder for database, logs and results
 * @param engineSettings additional `--dynamic-config-value` settings of a cluster's engine
 */
export async function setStage(
  folder: string,
  limits: Limits,
  shape: Shape,
  engineSettings: string[] = [],
): Promise<Stage> {
  const started = performance.now();
  const clock = (): number => Math.round(performance.now() - started);
  const [home, logs] = [join(folder, 'home'), join(folder, 'logs')];
  await Promise.all([mkdir(home), mkdir(logs)]);
  const disk = await Disk.mount(join(folder, 'results'));
  const journalDisk = await Disk.mount(join(folder, 'journal'));
  const gateway = new GatewayStub(clock);
  await gateway.start();

  const events: KimiEvent[] = [];
  const simulator = createSimulator({
    secret: SECRET,
    delayMs: 1_000,
    log: pino(pino.destination(join(logs, 'simulator.log'))),
    onEvent: (event) => events.push({ ...event, at: clock() }),
  });
  const kimiPort = await listenAnywhere(createServer(simulator.app));

  const [enginePort, uiPort, metricsPort, webhookPort, relayPort] = await freePorts(5);
  const webhookUrl = `http://127.0.0.1:${webhookPort}`;
  const kimi = {
    KIMI_API_URL: `http://127.0.0.1:${kimiPort}/v1`,
    KIMI_API_KEY: 'sk-chaos',
    KIMI_CALLBACK_BASE_URL: webhookUrl,
  };
  const moonshot = await moonshotOf(simulator.app, folder, listenAnywhere);
  const address = { TEMPORAL_ADDRESS: `127.0.0.1:${enginePort}` };
  const services = { ...kimi, WEBHOOK_SECRET: SECRET, OPENCLAW_WAKE_URL: gateway.url, KIMI_WORKER_PORT: '0' };
  const env = commandLineEnvironment({
    ...(shape === 'cluster'
      ? address
      : {
          ...services,
          ...(shape === 'relay' && { ...moonshot, KIMI_BUDGET_PER_DAY: String(BUDGET) }),
          KIMI_CALLBACKS: shape === 'relay' ? 'relay' : 'native',
          KIMI_ON_INTERRUPT: 'retry',
          KIMI_RELAY_PORT: String(relayPort),
          KIMI_TEMPORAL_PORT: String(enginePort),
          KIMI_UI_PORT: String(uiPort),
          WEBHOOK_PORT: String(webhookPort),
        }),
    KIMI_HOME: home,
    KIMI_RESULTS_DIR: disk.folder,
    KIMI_JOURNAL_DIR: join(journalDisk.folder, 'journal'),
    KIMI_MAX_TASKS_PER_MINUTE: String(limits.per_minute),
    KIMI_MAX_CONCURRENT_TASKS: String(limits.concurrent),
    KIMI_MAX_QUEUED_TASKS: String(limits.queued),
  });
  const processes = new Processes(logs, env);
  const close = (): void => {
    process.removeListener('exit', close);
    processes.kill();
    simulator.stop();
    disk.unmount();
    journalDisk.unmount();
  };
  process.once('exit', close);

  if (shape !== 'cluster') processes.launch({ name: 'up', command: process.execPath, args: UP, env });
  else {
    const database = join(home, 'temporal.db');
    const engine = engineArgs({ port: enginePort, uiPort, metricsPort, database });
    const settings = engineSettings.flatMap((setting) => ['--dynamic-config-value', setting]);
    await startCluster(processes, [...engine, ...settings], services, webhookPort);
  }
  const client = await whenReady({ ...env, ...address }, webhookUrl, shape === 'cluster' ? 2 : 1);
  const up = processes.byName.get('up');

  return {
    client,
    taskQueue: TASK_QUEUE,
    limiter: limiterId(TASK_QUEUE),
    isRelayed: shape === 'relay',
    results: disk.folder,
    disk,
    logs,
    moonshot: { ...kimi, ...moonshot },
    counts: simulator.counts,
    processes: processes.byName,
    serve: (name, script, more) => processes.serve(name, script, more),
    gateway,
    events,
    webhookUrls: [webhookUrl],
    deadLetters: [deadLettersFolder(home)],
    env,
    trying: new Map(),
    clock,
    break: faultInjector({
      gateway,
      disk,
      journalDisk,
      processes: up ? processesOf(home, up) : processes.byName,
    }),
    close,
  };
}

function commandLineEnvironment(own: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    // Settings of the user's own stack must not apply.
    ...Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(?:KIMI|OPENCLAW|WEBHOOK|TEMPORAL)_/.test(name)),
    ),
    TEMPORAL_NAMESPACE: NAMESPACE,
    KIMI_TASK_QUEUE: TASK_QUEUE,
    KIMI_LANG: 'en',
    ...own,
  };
}

/** The processes of a stage, by name. */
class Processes {
  readonly byName = new Map<string, RestartedProcess>();

  constructor(
    private readonly logs: string,
    readonly env: NodeJS.ProcessEnv,
  ) {}

  launch(options: Omit<ProcessOptions, 'logFile'>): void {
    const { name } = options;
    const launched = new RestartedProcess({ ...options, logFile: join(this.logs, `${name}.log`) });
    this.byName.set(name, launched);
    launched.start();
  }

  serve(name: string, script: string, more: NodeJS.ProcessEnv): void {
    const args = ['--enable-source-maps', join(DIST, script)];
    this.launch({ name, command: process.execPath, args, env: { ...this.env, ...more } });
  }

  kill(): void {
    for (const each of this.byName.values()) each.kill();
  }
}

/** Starts engine, webhook and two workers. */
async function startCluster(
  processes: Processes,
  engine: string[],
  worker: NodeJS.ProcessEnv,
  webhookPort: number,
): Promise<void> {
  const { env } = processes;
  const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
  const command = await findTemporalCli({ path, cache, onStep: () => {} });
  processes.launch({ name: 'engine', command, args: engine, env });
  await until(async () => await prepareNamespace(env['TEMPORAL_ADDRESS'] ?? ''));
  processes.serve('webhook', 'webhook.js', { WEBHOOK_SECRET: SECRET, WEBHOOK_PORT: String(webhookPort) });
  for (const name of ['worker-1', 'worker-2']) processes.serve(name, 'worker.js', worker);
}

/** @returns a client, once all are ready. */
async function whenReady(env: NodeJS.ProcessEnv, webhookUrl: string, workers: number): Promise<Client> {
  await until(async () => (await fetch(`${webhookUrl}/readyz`)).ok);
  const client = await connectClient(openPayloads(readConfig(env)).dataConverter, env);
  await until(async () => (await workersOn(client, TASK_QUEUE)) >= workers);
  return client;
}

interface Targets {
  gateway: GatewayStub;
  disk: Disk;
  journalDisk: Disk;
  processes: ReadonlyMap<string, Breakable>;
}

/** @returns a function that injects a fault and undoes it; faults of one target are serialized, as they may take longer than planned */
function faultInjector(targets: Targets): Stage['break'] {
  const last = new Map<Target, Promise<unknown>>();
  return async (fault) => {
    const turn = (last.get(fault.target) ?? Promise.resolve()).then(async () => await inject(fault, targets));
    last.set(fault.target, turn);
    return await turn;
  };
}

async function inject({ target, how, for_ms }: Fault, { gateway, ...targets }: Targets): Promise<boolean> {
  switch (how) {
    case '503':
    case 'hanging':
    case 'refusing':
      await gateway.behave(how);
      await pause(for_ms);
      await gateway.behave('up');
      return true;
    case 'full':
    case 'read-only': {
      const broken = target === 'disk' ? targets.disk : targets.journalDisk;
      if (!(await broken.break(how))) return false;
      await pause(for_ms);
      await broken.heal();
      return true;
    }
    default:
      return (await targets.processes.get(target)?.break(how, for_ms)) ?? false;
  }
}

/** Injects each fault at its time of the plan. All are undone when it returns. */
export async function breakInTurn(
  stage: Stage,
  faults: Fault[],
  at: (time: number) => Promise<void>,
): Promise<Applied[]> {
  const breaking = faults.map(async (fault): Promise<Applied> => {
    await at(fault.at);
    progress(stage, `${fault.target} ${fault.how}`);
    return { ...fault, applied: await stage.break(fault) };
  });
  const applied = await Promise.all(breaking);
  progress(stage, 'all faults undone');
  return applied;
}

/** Shows progress on a terminal. */
export function progress(scene: Scene, line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${Math.round(scene.clock() / 1000)} s  ${line}`);
}

/** Waits until a condition holds; an error counts as not yet. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + START_MS;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > giveUpAt) throw new Error(`not ready after ${START_MS / 1000} s; the logs say why`);
    await pause(50);
  }
}

async function listenAnywhere(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** @returns different ports that were free a moment ago. */
export async function freePorts(count: number): Promise<[number, number, number, number, number]> {
  const probes = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(probes.map(listenAnywhere));
  await Promise.all(probes.map(async (probe) => await new Promise((resolve) => probe.close(resolve))));
  return ports as [number, number, number, number, number];
}
