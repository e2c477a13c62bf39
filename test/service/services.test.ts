/** Worker and webhook as separate processes, without `up`. */
import { expect, inject, it } from 'vitest';
import type { Client } from '@temporalio/client';
import { sharedLimiterId } from '../../src/shared/names.ts';
import { sign, SIGNATURE_HEADER } from '../../src/webhook/signature.ts';
import { callbackFor } from '../support/callback.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { workersOn } from '../../src/temporal/client.ts';
import { launch } from '../support/service.ts';
import { SECRET, until } from '../support/resources.ts';
import { engineClient, openWorld } from '../support/world.ts';

it.each([
  ['webhook', {}, 3, 'WEBHOOK_SECRET is not set'],
  ['simulator', {}, 3, 'WEBHOOK_SECRET is not set'],
  ['relay', {}, 3, 'WEBHOOK_SECRET is not set'],
  ['relay', { WEBHOOK_SECRET: SECRET }, 3, 'KIMI_RELAY_TOKEN is not set'],
  ['worker', {}, 3, 'WEBHOOK_SECRET is not set'],
  [
    'worker',
    { WEBHOOK_SECRET: SECRET, TEMPORAL_ADDRESS: '127.0.0.1:1' },
    5,
    'no Temporal server answers at 127.0.0.1:1',
  ],
  ['worker', { WEBHOOK_SECRET: SECRET, KIMI_RESULTS_DIR: '/dev/null/results' }, 3, 'KIMI_RESULTS_DIR'],
])('%s with %j exits with %i and one sentence', async (service, env, code, sentence) => {
  const { ended, says } = await launch(service, env);
  await says(sentence);
  expect(await ended).toBe(code);
});

it('the webhook starts without the engine, is ready to accept, and stops on SIGTERM', async () => {
  const { child, ended, says } = await launch('webhook', { WEBHOOK_SECRET: SECRET, TEMPORAL_ADDRESS: '127.0.0.1:1' });
  const url = `http://127.0.0.1:${(await says('ready')).port}`;
  const ready = await fetch(`${url}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ status: 'ok', engine: false, journal: { entries: 0 } });
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

it('a worker is online if it polled within two minutes', async () => {
  const now = Math.floor(Date.now() / 1_000);
  const pollers = [now - 1, now - 100, now - 140, 0].map((seconds) => ({ lastAccessTime: { seconds } }));
  const client = {
    options: { namespace: 'default' },
    workflowService: { describeTaskQueue: async () => await Promise.resolve({ pollers }) },
  } as unknown as Client;
  expect(await workersOn(client, 'queue')).toBe(2);
});

it('work together on a task, are ready, and drain on SIGTERM', async () => {
  const world = await openWorld({ worker: false });
  const engine = { TEMPORAL_ADDRESS: inject('engine'), KIMI_TASK_QUEUE: world.taskQueue };
  const webhook = await launch('webhook', { ...engine, WEBHOOK_SECRET: SECRET });
  const webhookUrl = `http://127.0.0.1:${(await webhook.says('ready')).port}`;
  const worker = await launch('worker', {
    ...engine,
    KIMI_API_URL: `${world.simulatorUrl}/v1`,
    KIMI_API_KEY: 'sk-test',
    WEBHOOK_SECRET: SECRET,
    KIMI_CALLBACK_BASE_URL: webhookUrl,
    OPENCLAW_WAKE_URL: `${world.simulatorUrl}/hooks/wake`,
    KIMI_RESULTS_DIR: world.results.folder,
  });
  const workerUrl = `http://127.0.0.1:${(await worker.says('ready')).port}`;
  for (const url of [webhookUrl, workerUrl]) {
    for (const path of ['/healthz', '/readyz']) expect((await fetch(url + path)).status).toBe(200);
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
  }
  const started = await world.start('x');
  expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
  for (const { child, ended } of [webhook, worker]) {
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }
});

it('a limiter shared by agents continues while the worker of one of them is down', async () => {
  const worlds = [await openWorld({ worker: false }), await openWorld({ worker: false })] as const;
  const limiter = crypto.randomUUID();
  const launched = [];
  for (const { taskQueue, simulatorUrl, webhookUrl, results } of worlds) {
    const worker = await launch('worker', {
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: taskQueue,
      KIMI_LIMITER: limiter,
      KIMI_MAX_CONCURRENT_TASKS: '1',
      KIMI_API_URL: `${simulatorUrl}/v1`,
      KIMI_API_KEY: 'sk-test',
      WEBHOOK_SECRET: SECRET,
      KIMI_CALLBACK_BASE_URL: webhookUrl,
      OPENCLAW_WAKE_URL: `${simulatorUrl}/hooks/wake`,
      KIMI_RESULTS_DIR: results.folder,
    });
    await worker.says('ready');
    launched.push(worker);
  }
  const [first, other] = worlds;
  const shared = { limiter: sharedLimiterId(limiter) };
  const holds = await first.start('x [[simulate: drop=1]]', { ...shared, timeout_ms: 3_600_000 });
  expect(holds).toMatchObject({ status: 'accepted' });
  const waits = await other.start('x', shared);
  expect(waits).toMatchObject({ status: 'queued' });
  for (const { taskQueue } of worlds) {
    const env = { TEMPORAL_ADDRESS: inject('engine'), KIMI_TASK_QUEUE: taskQueue, KIMI_LIMITER: limiter };
    const { stdout } = await inProcess(['limits'], await cleanHome(env));
    expect(stdout).toMatch(new RegExp(`${first.taskQueue}\\s+進行中 1，排隊中 0（上限 1000）\n`));
    expect(stdout).toMatch(new RegExp(`${other.taskQueue}\\s+進行中 0，排隊中 1（上限 1000）\n`));
    // Each agent sees only its own tasks.
    expect(stdout.includes(waits.task_id)).toBe(taskQueue === other.taskQueue);
  }
  launched[0]?.child.kill('SIGKILL');
  await launched[0]?.ended;
  // The only worker left must release the slot.
  await first.handle(holds).terminate();
  expect(await other.handle(waits).result()).toMatchObject({ status: 'done' });
});

it('agents with separate namespaces cannot see or answer each other’s tasks, even on queues of the same name', async () => {
  const { workflowService } = await engineClient();
  const namespaces = [crypto.randomUUID(), crypto.randomUUID()];
  const agents = await Promise.all(
    namespaces.map(async (namespace) => {
      const workflowExecutionRetentionPeriod = { seconds: 86_400 as never };
      await workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod });
      // A new namespace is visible to all parts of the engine after a delay.
      const taskQueue = { name: 'agent' };
      await until(async () => await workflowService.describeTaskQueue({ namespace, taskQueue }));
      const { simulatorUrl, results } = await openWorld({ worker: false });
      const engine = {
        TEMPORAL_ADDRESS: inject('engine'),
        TEMPORAL_NAMESPACE: namespace,
        KIMI_TASK_QUEUE: taskQueue.name,
        KIMI_RESULTS_DIR: results.folder,
      };
      const webhook = await launch('webhook', { ...engine, WEBHOOK_SECRET: SECRET });
      const webhookUrl = `http://127.0.0.1:${(await webhook.says('ready')).port}`;
      const worker = await launch('worker', {
        ...engine,
        KIMI_API_URL: `${simulatorUrl}/v1`,
        KIMI_API_KEY: 'sk-test',
        WEBHOOK_SECRET: SECRET,
        KIMI_CALLBACK_BASE_URL: webhookUrl,
        OPENCLAW_WAKE_URL: `${simulatorUrl}/hooks/wake`,
      });
      await worker.says('ready');
      const env = await cleanHome(engine);
      const { stdout } = await inProcess(
        ['dispatch', '-p', 'x [[simulate: drop=1]]', '--timeout', '1h', '--json'],
        env,
      );
      const { task_id } = JSON.parse(stdout) as { task_id: string };
      return { env, webhookUrl, results, task_id };
    }),
  );
  const [mine, other] = agents as [(typeof agents)[0], (typeof agents)[0]];
  for (const { env, task_id } of agents) {
    // The engine lists a task shortly after it has started.
    const listed = await until(async () => {
      const found = JSON.parse((await inProcess(['list', '--json'], env)).stdout) as { task_id: string }[];
      return found.length > 0 && found;
    });
    expect(listed.map((task) => task.task_id)).toEqual([task_id]);
  }
  expect(await inProcess(['status', other.task_id], mine.env)).toMatchObject({ code: 4, stdout: '' });
  const body = JSON.stringify(callbackFor(other.task_id));
  const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, SECRET) };
  const answer = async (url: string) =>
    (await fetch(`${url}/kimi/webhook/${other.task_id}`, { method: 'POST', headers, body })).status;
  expect(await answer(mine.webhookUrl)).toBe(404);
  expect(await answer(other.webhookUrl)).toBe(200);
  await until(async () => await other.results.read(other.task_id));
  expect(await mine.results.read(other.task_id)).toBeUndefined();
});
