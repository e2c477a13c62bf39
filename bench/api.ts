/**
 * `npx tsx bench/api.ts [--tasks 1000] [--readers 1000]` after `npm run build`: tasks that the API over TCP accepts from 100 connections,
 * beside the command line, and what readers of one task's events cost. The simulated Kimi, without limits, one stack. Linux only: it
 * reads /proc.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import pLimit from 'p-limit';
import { Pool } from 'undici';
import { DIST } from '../src/service/files.ts';
import type { StackState } from '../src/stack/state.ts';
import { describeMachine, machineLines } from './machine.ts';
import { cpuOf, memoryOf, nameOf, processesWith } from './processes.ts';
import { summarise, table } from './stats.ts';

const CONNECTIONS = 100;

/** Times that the command is run. */
const COMMANDS = 10;

/** How long readers are watched, in seconds. */
const WATCHED_S = 15;

const { values } = parseArgs({
  options: { tasks: { type: 'string', default: '1000' }, readers: { type: 'string', default: '1000' } },
});
const CLI = join(DIST, 'kimi-dispatch.js');
const home = await mkdtemp(join(tmpdir(), 'kimi-api-'));
const ports = ['WEBHOOK', 'KIMI_WORKER', 'KIMI_TEMPORAL', 'KIMI_UI', 'KIMI_API'].map((name) => [`${name}_PORT`, '0']);
const unlimited = ['KIMI_MAX_TASKS_PER_MINUTE', 'KIMI_MAX_CONCURRENT_TASKS', 'KIMI_API_REQUESTS_PER_MINUTE'];
const env = {
  ...process.env,
  ...Object.fromEntries([...ports, ...unlimited.map((name) => [name, '0'])]),
  KIMI_HOME: home,
  KIMI_RESULTS_DIR: join(home, 'results'),
};
const run = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [CLI, ...args], { env })).stdout;

console.log(machineLines(await describeMachine()));
const up = spawn(process.execPath, [CLI, 'up', '--simulate'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
await once(up.stdout, 'data');
up.stdout.resume();
const { http_api_url: url = '' } = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8')) as StackState;
const authorization = `Bearer ${(await run('token', 'create', 'bench')).trim()}`;
const services = processesWith(`KIMI_HOME=${home}`).filter((pid) => nameOf(pid).startsWith('services'));
const pool = new Pool(url, { connections: CONNECTIONS });

/** Tasks that are saved, and that Kimi had not accepted within ten seconds. */
let pending = 0;

/** Starts a task. @returns its id, and how long it took until Kimi had accepted it, in milliseconds */
async function accepted(prompt: string): Promise<{ task_id: string; ms: number }> {
  const from = performance.now();
  const headers = { authorization, 'content-type': 'application/json' };
  const body = JSON.stringify({ prompt, wait_ms: 10_000 });
  const answer = await pool.request({ path: '/v1/tasks', method: 'POST', headers, body });
  const { status, task_id } = (await answer.body.json()) as { status: string; task_id: string };
  if (status === 'pending') pending += 1;
  else if (status !== 'accepted') throw new Error(`${answer.statusCode} ${status}`);
  return { task_id, ms: performance.now() - from };
}

async function start(): Promise<void> {
  const few = pLimit(CONNECTIONS);
  // The first tasks of a worker include compilation.
  await few.map(Array(100).keys(), async () => await accepted('x [[simulate: delay=0]]'));
  const from = performance.now();
  const samples = await few.map(
    Array(Number(values.tasks)).keys(),
    async () => (await accepted('x [[simulate: delay=0]]')).ms,
  );
  const perSecond = samples.length / ((performance.now() - from) / 1_000);
  const alone: number[] = [];
  const commands: number[] = [];
  for (let n = 0; n < COMMANDS; n += 1) {
    alone.push((await accepted('x [[simulate: delay=0]]')).ms);
    const before = performance.now();
    await run('dispatch', '-p', 'x [[simulate: delay=0]]');
    commands.push(performance.now() - before);
  }
  console.log(`${perSecond.toFixed(1)} accepted a second over ${CONNECTIONS} connections; ${pending} pending in all`);
  const figures = {
    [`accepted, ${CONNECTIONS} at once`]: samples,
    'accepted, one at a time': alone,
    dispatch: commands,
  };
  console.log(table(Object.entries(figures).map(([name, each]) => summarise({ name, unit: 'ms', samples: each }))));
}

const memory = (): string => memoryOf(services).rss.toFixed(0);

/** @returns how much of a core the services use, in percent. */
async function used(): Promise<string> {
  const before = cpuOf(services);
  await pause(WATCHED_S * 1_000);
  return ((cpuOf(services) - before) / WATCHED_S / 10).toFixed(1);
}

async function follow(): Promise<void> {
  const { task_id } = await accepted('x [[simulate: delay=600000]]');
  const idle = [memory(), await used()];
  let events = 0;
  const sockets = await pLimit(50).map(Array(Number(values.readers)).keys(), async () => {
    const request = httpRequest(`${url}/v1/tasks/${task_id}/events`, {
      headers: { authorization },
      agent: false,
    }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response
      .on('data', (chunk: Buffer) => (events += chunk.toString().includes('event:') ? 1 : 0))
      .on('error', () => {});
    return request;
  });
  const open = [memory(), await used()];
  const from = performance.now();
  events = 0;
  await run('cancel', task_id);
  while (events < sockets.length) await pause(10);
  console.log(
    `services, MB and % of a core: ${idle.join(', ')} without a reader; ${open.join(', ')} with ${sockets.length}`,
  );
  console.log(`cancel, process start → the last reader has the end: ${(performance.now() - from).toFixed(0)} ms`);
}

await start();
await follow();
await pool.close();
up.kill('SIGTERM');
await once(up, 'exit');
await rm(home, { recursive: true, force: true });
process.exit();
