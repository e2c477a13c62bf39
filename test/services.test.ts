/** Worker and webhook as processes of their own, without `up`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, inject, it, onTestFinished } from 'vitest';
import { DIST } from '../src/paths.ts';
import { openWorld, SECRET, temporaryFolder } from './support/world.ts';

interface LogLine {
  msg: string;
  port?: number;
}

async function launch(service: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [join(DIST, `${service}.js`)], {
    env: { PATH: process.env['PATH'], HOME: await temporaryFolder(), WEBHOOK_PORT: '0', KIMI_WORKER_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const lines = createInterface(child.stdout);
  const says = async (words: string): Promise<LogLine> => {
    for await (const line of lines) {
      const said = JSON.parse(line) as LogLine;
      if (said.msg.includes(words)) return said;
    }
    throw new Error(`${service} never said ${words}`);
  };
  return { child, ended, says };
}

it.each([
  ['webhook', {}, 3, 'WEBHOOK_SECRET is not set'],
  ['simulator', {}, 3, 'WEBHOOK_SECRET is not set'],
  [
    'webhook',
    { WEBHOOK_SECRET: SECRET, TEMPORAL_ADDRESS: '127.0.0.1:1' },
    5,
    'no Temporal server answers at 127.0.0.1:1',
  ],
  ['worker', { TEMPORAL_ADDRESS: '127.0.0.1:1' }, 5, 'no Temporal server answers at 127.0.0.1:1'],
  ['worker', { KIMI_RESULTS_DIR: '/dev/null/results' }, 3, 'KIMI_RESULTS_DIR'],
])('%s with %j ends with %i and a sentence', async (service, env, code, sentence) => {
  const { ended, says } = await launch(service, env);
  await says(sentence);
  expect(await ended).toBe(code);
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
