/**
 * `npx tsx bench/api.ts [--tasks 1000] [--readers 1000] [--peers dbos,restate]` after `npm run build`: tasks that the API over TCP takes
 * from 100 connections, beside the command line and the peers' own doors, and what readers of one task's events cost. The simulated Kimi,
 * without limits, one stack at a time. Linux only: it reads /proc.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import pLimit from 'p-limit';
import { Pool } from 'undici';
import { DIST } from '../src/service/files.ts';
import { atTheEnd, cleanUp } from './clean-ups.ts';
import { describeMachine, machineLines } from './machine.ts';
import { planOf } from './plans.ts';
import { cpuOf, memoryOf, nameOf, until } from './processes.ts';
import { resultsIn, startStack } from './stack.ts';
import { summarise, table, type Figure } from './stats.ts';
import { System } from './systems.ts';

const CONNECTIONS = 100;

/** Times that the command is run. */
const COMMANDS = 10;

/** How long readers are watched, in seconds. */
const WATCHED_S = 15;

/** Tasks before those that are measured: the first ones include compilation. */
const WARM_UP = 100;

/** How long the API may wait for Kimi's acceptance, in milliseconds. */
const ACCEPTED_MS = 10_000;

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '1000' },
    readers: { type: 'string', default: '1000' },
    peers: { type: 'string', default: '' },
  },
});
const CLI = join(DIST, 'kimi-dispatch.cjs');

console.log(machineLines(await describeMachine()));
const stack = await startStack({ KIMI_API_PORT: '0', KIMI_API_REQUESTS_PER_MINUTE: '0' });
const { http_api_url: url = '' } = stack.state;
const run = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [CLI, ...args], { env: stack.env })).stdout;
const authorization = `Bearer ${(await run('token', 'create', 'bench')).trim()}`;
const services = stack.pids.filter((pid) => nameOf(pid).startsWith('services'));
const pool = new Pool(url, { connections: CONNECTIONS });

/** Answers that came before Kimi had accepted the task. */
let pending = 0;

/** Starts a task. @param wait_ms how long the API may wait for Kimi; 0: the answer says that the task is durable. @returns its id */
async function taken(prompt: string, wait_ms: number): Promise<string> {
  const headers = { authorization, 'content-type': 'application/json' };
  const body = JSON.stringify({ prompt, wait_ms });
  const answer = await pool.request({ path: '/v1/tasks', method: 'POST', headers, body });
  const { status, task_id } = (await answer.body.json()) as { status: string; task_id: string };
  if (status === 'pending') pending += 1;
  else if (status !== 'accepted') throw new Error(`${answer.statusCode} ${JSON.stringify(status)}`);
  return task_id;
}

/** @returns how long something took, in milliseconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

/** Starts tasks over 100 connections. @returns how long each took, and how many were taken a second */
async function crowd(start: () => Promise<unknown>): Promise<{ samples: number[]; perSecond: number }> {
  const few = pLimit(CONNECTIONS);
  await few.map(Array(WARM_UP).keys(), start);
  const from = performance.now();
  const samples = await few.map(Array(Number(values.tasks)).keys(), async () => await timed(start));
  return { samples, perSecond: samples.length / ((performance.now() - from) / 1_000) };
}

const figures: Figure[] = [];

function note(name: string, { samples, perSecond }: Awaited<ReturnType<typeof crowd>>, more: string): void {
  figures.push({ name: `${name}, ${CONNECTIONS} at once`, unit: 'ms', samples });
  console.log(`${name}: ${perSecond.toFixed(1)} a second over ${CONNECTIONS} connections; ${more}`);
}

/** @returns memory of processes, with shared pages divided among them. */
function memoryIn(pids: number[]): string {
  return `${memoryOf(pids).pss.toFixed(0)} MB`;
}

async function start(): Promise<void> {
  const one = 'x [[simulate: delay=0]]';
  for (const [name, wait_ms] of [['durable', 0] as const, ['accepted by Kimi', ACCEPTED_MS] as const]) {
    pending = 0;
    const from = performance.now();
    const done = (await resultsIn(stack.results)) + WARM_UP + Number(values.tasks);
    const figure = await crowd(async () => await taken(one, wait_ms));
    const ours = memoryIn(stack.pids);
    await until(async () => (await resultsIn(stack.results)) >= done);
    const all = ((performance.now() - from) / 1_000).toFixed(1);
    note(name, figure, `${pending} pending; ${ours}; all with their results after ${all} s`);
  }
  const alone: number[] = [];
  const commands: number[] = [];
  for (let n = 0; n < COMMANDS; n += 1) {
    alone.push(await timed(async () => await taken(one, ACCEPTED_MS)));
    commands.push(await timed(async () => await run('dispatch', '-p', one)));
  }
  figures.push({ name: 'accepted by Kimi, one at a time', unit: 'ms', samples: alone });
  figures.push({ name: 'dispatch', unit: 'ms', samples: commands });
}

/** The same of a peer: it answers once the task is durable. */
async function startOf(peer: string): Promise<void> {
  const own = await mkdtemp(join(tmpdir(), 'kimi-api-'));
  atTheEnd(async () => await rm(own, { recursive: true, force: true }));
  const system = await System.start(await planOf(peer, own), own);
  system.answersAtOnce = true;
  const figure = await crowd(async () => await system.dispatch());
  note(system.name, figure, memoryIn(system.ownPids));
  await system.stop();
}

const memory = (): string => memoryOf(services).rss.toFixed(0);

/** @returns how much of a core the services use, in percent. */
async function used(): Promise<string> {
  const before = cpuOf(services);
  await pause(WATCHED_S * 1_000);
  return ((cpuOf(services) - before) / WATCHED_S / 10).toFixed(1);
}

async function follow(): Promise<void> {
  const task_id = await taken('x [[simulate: delay=600000]]', ACCEPTED_MS);
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
if (Number(values.readers) > 0) await follow();
await pool.close();
await stack.stop();
for (const peer of values.peers.split(',').filter(Boolean)) await startOf(peer);
console.log(table(figures.map(summarise)));
await cleanUp();
process.exit();
