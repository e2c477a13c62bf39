/**
 * A second agent on the stage, whose tasks go through a relay to Moonshot's API, within a budget: it has its own webhook, relay and
 * worker, and a namespace with a short retention.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayStub } from '../chaos/gateway.ts';
import { freePorts, SECRET, until, type Scene, type Stage } from '../chaos/stage.ts';
import { readConfig } from '../../src/config/index.ts';
import { limiterId } from '../../src/shared/names.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { connectClient, workersOn } from '../../src/temporal/client.ts';
import { deadLettersFolder } from '../../src/webhook/dead-letters.ts';

/** Name of its namespace and task queue. */
const NAME = 'relayed';

/** Retention of closed workflows, in seconds: short, so that their removal is observed. */
const RETENTION_S = 120;

/** Engine settings that allow so short a retention. */
export const SHORT_RETENTION = ['system.namespaceMinRetentionLocal="1s"', 'history.retentionTimerJitterDuration="1s"'];

/** Budget of a day, in CNY: more than all tasks of a soak may cost, but what each may cost is reserved of it. */
const BUDGET = 1_000;

const TOKEN = 'the-token-of-the-soak';

export async function addRelayedAgent(stage: Stage, folder: string): Promise<Scene> {
  const { workflowService } = stage.client;
  await workflowService.registerNamespace({
    namespace: NAME,
    workflowExecutionRetentionPeriod: { seconds: RETENTION_S as never },
  });
  const gateway = new GatewayStub(() => stage.clock());
  await gateway.start();
  const [home, results] = [join(folder, 'relayed-home'), join(folder, 'relayed-results')];
  await Promise.all([mkdir(home), mkdir(results)]);
  const [webhookPort, relayPort] = await freePorts(2);
  const webhookUrl = `http://127.0.0.1:${webhookPort}`;
  const relayUrl = `http://127.0.0.1:${relayPort}`;
  const own = {
    TEMPORAL_NAMESPACE: NAME,
    KIMI_TASK_QUEUE: NAME,
    KIMI_HOME: home,
    KIMI_RESULTS_DIR: results,
    KIMI_JOURNAL_DIR: '',
    KIMI_MAX_TASKS_PER_MINUTE: '0',
    KIMI_MAX_CONCURRENT_TASKS: '0',
    KIMI_BUDGET_PER_DAY: String(BUDGET),
  };
  const calling = { ...stage.moonshot, KIMI_CALLBACK_BASE_URL: webhookUrl, KIMI_RELAY_TOKEN: TOKEN };
  // A new namespace is visible to all parts of the engine after a delay.
  await until(
    async () => (await workflowService.describeTaskQueue({ namespace: NAME, taskQueue: { name: NAME } })) && true,
  );
  stage.serve('relayed-webhook', 'webhook.js', { ...own, WEBHOOK_SECRET: SECRET, WEBHOOK_PORT: String(webhookPort) });
  stage.serve('relay', 'relay.js', {
    ...own,
    ...calling,
    WEBHOOK_SECRET: SECRET,
    KIMI_RELAY_PORT: String(relayPort),
    KIMI_ON_INTERRUPT: 'retry',
  });
  stage.serve('relayed-worker', 'worker.js', {
    ...own,
    ...calling,
    WEBHOOK_SECRET: SECRET,
    KIMI_API_KEY: '',
    KIMI_CALLBACKS: 'relay',
    KIMI_RELAY_URL: relayUrl,
    OPENCLAW_WAKE_URL: gateway.url,
    KIMI_WORKER_PORT: '0',
  });
  await until(async () => (await fetch(`${webhookUrl}/readyz`)).ok && (await fetch(`${relayUrl}/readyz`)).ok);
  const env = { ...stage.env, ...own, ...calling };
  const client = await connectClient(openPayloads(readConfig(env)).dataConverter, env);
  await until(async () => (await workersOn(client, NAME)) > 0);
  return {
    ...stage,
    client,
    taskQueue: NAME,
    limiter: limiterId(NAME),
    isRelayed: true,
    results,
    gateway,
    webhookUrls: [webhookUrl],
    deadLetters: [deadLettersFolder(home)],
    env,
  };
}
