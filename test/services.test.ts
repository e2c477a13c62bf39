/** Worker and webhook as processes of their own, without `up`. */
import { expect, inject, it } from 'vitest';
import { launch } from './support/service.ts';
import { openWorld, SECRET } from './support/world.ts';

it.each([
  ['webhook', {}, 3, 'WEBHOOK_SECRET is not set'],
  ['simulator', {}, 3, 'WEBHOOK_SECRET is not set'],
  ['relay', {}, 3, 'WEBHOOK_SECRET is not set'],
  ['relay', { WEBHOOK_SECRET: SECRET }, 3, 'KIMI_RELAY_TOKEN is not set'],
  ['worker', { TEMPORAL_ADDRESS: '127.0.0.1:1' }, 5, 'no Temporal server answers at 127.0.0.1:1'],
  ['worker', { KIMI_RESULTS_DIR: '/dev/null/results' }, 3, 'KIMI_RESULTS_DIR'],
])('%s with %j ends with %i and a sentence', async (service, env, code, sentence) => {
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

it('work together on a task, are ready, and drain on SIGTERM', async () => {
  const world = await openWorld({ worker: false });
  const engine = { TEMPORAL_ADDRESS: inject('engine'), KIMI_TASK_QUEUE: world.taskQueue };
  const webhook = await launch('webhook', { ...engine, WEBHOOK_SECRET: SECRET });
  const webhookUrl = `http://127.0.0.1:${(await webhook.says('ready')).port}`;
  const worker = await launch('worker', {
    ...engine,
    KIMI_API_URL: `${world.simulatorUrl}/v1`,
    KIMI_API_KEY: 'sk-test',
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
