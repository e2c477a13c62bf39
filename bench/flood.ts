/**
 * `npx tsx bench/flood.ts` (after `npm run build`): how fast callbacks are accepted, over 100 connections, by a webhook in
 * front of a real engine and by one without an engine; and the rate at which the same engine accepts signals directly. The
 * tasks are started on a task queue without a worker, so that only signals are measured.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client, Connection } from '@temporalio/client';
import pLimit from 'p-limit';
import { Pool } from 'undici';
import type { AnswerCallback } from '../src/shared/callback.ts';
import { CALLBACK_SIGNAL, TASK_WORKFLOW } from '../src/shared/names.ts';
import { DIST } from '../src/service/files.ts';
import { SIGNATURE_HEADER, sign } from '../src/webhook/signature.ts';
import type { StackState } from '../src/stack/state.ts';
import { percentile } from './stats.ts';

const CALLBACKS = 1_000;
const CONNECTIONS = 100;
const SECRET = 'a-secret-of-at-least-16-characters';

const home = await mkdtemp(join(tmpdir(), 'kimi-flood-'));
const cleanUps: (() => Promise<unknown> | void)[] = [async () => await rm(home, { recursive: true, force: true })];
const env = {
  PATH: process.env['PATH'] ?? '',
  HOME: home,
  ...(process.env['KIMI_CACHE'] && { KIMI_CACHE: process.env['KIMI_CACHE'] }),
  ...(process.env['TEMPORAL_CLI_PATH'] && { TEMPORAL_CLI_PATH: process.env['TEMPORAL_CLI_PATH'] }),
  WEBHOOK_SECRET: SECRET,
  WEBHOOK_PORT: '0',
  KIMI_WORKER_PORT: '0',
  KIMI_TEMPORAL_PORT: '0',
  KIMI_UI_PORT: '0',
};

function callbackFor(task_id: string): AnswerCallback {
  return {
    id: `cmpl-${task_id}`,
    model: 'moonshot-v1-128k',
    usage: { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 },
    choices: [{ message: { content: '答案'.repeat(500) } }],
    metadata: { task_id, task_name: 'flood' },
  };
}

/** Runs an action for every task with bounded concurrency. @returns the rate per second, and each duration in milliseconds. */
async function measure(tasks: string[], work: (task_id: string) => Promise<void>): Promise<[number, number[]]> {
  const started = performance.now();
  const times = await pLimit(CONNECTIONS).map(tasks, async (task) => {
    const asked = performance.now();
    await work(task);
    return performance.now() - asked;
  });
  return [(tasks.length / (performance.now() - started)) * 1_000, times];
}

function say(what: string, [rate, times]: [number, number[]], more = ''): void {
  const [median, p95, max] = [0.5, 0.95, 1].map((share) => percentile(times, share).toFixed(0));
  console.log(`${what}: ${rate.toFixed(0)}/s, median ${median} ms, p95 ${p95} ms, max ${max} ms${more}`);
}

async function flood(url: string, tasks: string[]): Promise<[number, number[], Map<number, number>]> {
  const pool = new Pool(url, { connections: CONNECTIONS, pipelining: 1 });
  const bodies = new Map(tasks.map((task_id) => [task_id, JSON.stringify(callbackFor(task_id))]));
  const signatures = new Map([...bodies].map(([task_id, body]) => [task_id, sign(body, SECRET)]));
  const statuses = new Map<number, number>();
  const [rate, times] = await measure(tasks, async (task_id) => {
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: `/kimi/webhook/${task_id}`,
      headers: { 'content-type': 'application/json', [SIGNATURE_HEADER]: signatures.get(task_id) as string },
      body: bodies.get(task_id),
    });
    await body.dump();
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
  });
  await pool.close();
  return [rate, times, statuses];
}

async function bench(): Promise<void> {
  const up = spawn(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), 'up', '--simulate'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUps.push(async () => {
    up.kill('SIGTERM');
    await once(up, 'exit');
  });
  await once(up.stdout, 'data');
  const state = JSON.parse(await readFile(join(home, '.local/share/kimi-dispatch/stack.json'), 'utf8')) as StackState;
  const client = new Client({ connection: await Connection.connect({ address: state.temporal_address }) });

  let number = 0;
  const startTasks = async (): Promise<string[]> => {
    const tasks = Array.from({ length: CALLBACKS }, () => `kimi-1-${(number += 1)}`);
    await measure(tasks, async (workflowId) => {
      await client.workflow.start(TASK_WORKFLOW, { workflowId, taskQueue: 'no-worker', args: [] });
    });
    return tasks;
  };
  say(
    'signals straight to the engine',
    await measure(await startTasks(), async (task_id) => {
      await client.workflow.getHandle(task_id).signal(CALLBACK_SIGNAL, callbackFor(task_id));
    }),
  );
  for (const round of [1, 2, 3]) {
    const tasks = await startTasks();
    const started = performance.now();
    const [rate, times, statuses] = await flood(state.webhook_url, tasks);
    for (let waiting = 1; waiting > 0;) {
      const ready = (await (await fetch(`${state.webhook_url}/readyz`)).json()) as { journal: { entries: number } };
      waiting = ready.journal.entries;
    }
    const all = ((performance.now() - started) / 1_000).toFixed(1);
    const answers = JSON.stringify(Object.fromEntries(statuses));
    say(`callbacks, engine up (${round})`, [rate, times], `, answers ${answers}, all delivered after ${all} s`);
  }
  await client.connection.close();

  const alone = spawn(process.execPath, [join(DIST, 'webhook.js')], {
    env: { ...env, KIMI_HOME: join(home, 'alone'), TEMPORAL_ADDRESS: '127.0.0.1:1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUps.push(() => void alone.kill('SIGKILL'));
  const lines = createInterface(alone.stdout);
  const [line] = (await once(lines, 'line')) as [string];
  const { port } = JSON.parse(line) as { port: number };
  const tasks = Array.from({ length: CALLBACKS }, (_, i) => `kimi-2-${i}`);
  // The first callbacks wait for the engine before the journal takes over.
  await flood(`http://127.0.0.1:${port}`, tasks.slice(0, 1));
  for (const round of [1, 2, 3]) {
    const [rate, times] = await flood(`http://127.0.0.1:${port}`, tasks);
    say(`callbacks, engine down (${round})`, [rate, times]);
  }
}

try {
  await bench();
} finally {
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
}
process.exit();
