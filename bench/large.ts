/**
 * `npm run bench -- large [--answers 12] [--relay]`: concurrent answers of 16 MB, with small tasks beside them, on the stack
 * of `up --simulate`, with a gateway that accepts each notification. Measures the memory of each process.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { readConfig } from '../src/config/index.ts';
import { DIST } from '../src/service/files.ts';
import { atTheEnd } from './clean-ups.ts';
import { describeMachine, machineLines } from './machine.ts';
import { nameOf, start, treeOf, until } from './processes.ts';
import { aligned } from './stats.ts';

const run = promisify(execFile);

/** Characters of three bytes each: just below the size limit of a callback. */
const CHARACTERS = 5_500_000;

/** Time in which all tasks are dispatched, in milliseconds: the large answers arrive together after it. */
const DISPATCHING_MS = 20_000;

/** Timeout until the last notification, in milliseconds. */
const PATIENCE_MS = 600_000;

const SMALL = 10;

export async function benchLarge(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { answers: { type: 'string', default: '12' }, relay: { type: 'boolean', default: false } },
  });
  const machine = await describeMachine();
  const home = await mkdtemp(join(tmpdir(), 'kimi-bench-'));
  atTheEnd(async () => await rm(home, { recursive: true, force: true }));
  const delivered = new Map<string, number[]>();
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    KIMI_HOME: home,
    KIMI_CACHE: readConfig().KIMI_CACHE,
    KIMI_LANG: 'en',
    KIMI_REPLY: 'deliver',
    OPENCLAW_WAKE_URL: await serveGateway((name) => delivered.set(name, [...(delivered.get(name) ?? []), Date.now()])),
    KIMI_MAX_CONCURRENT_TASKS: '0',
    KIMI_MAX_TASKS_PER_MINUTE: '0',
    ...(values.relay && { KIMI_CALLBACKS: 'relay' }),
  };
  const cli = async (...words: string[]): Promise<string> =>
    (await run(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), ...words], { env })).stdout;
  const stack = start(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), 'up', '--simulate'], { env });
  await until(async () => (await cli('list').catch(() => undefined)) !== undefined);

  const answerAt = Date.now() + DISPATCHING_MS;
  const dispatch = async (name: string, directives: () => string): Promise<number> => {
    await cli('dispatch', '-n', name, '-p', `[[simulate: ${directives()}]]`);
    return Date.now();
  };
  const large = Array.from({ length: Number(values.answers) }, (_, n) => `large-${n}`);
  for (const name of large) {
    await dispatch(name, () => `size=${CHARACTERS} delay=${Math.max(0, answerAt - Date.now())}`);
  }
  const idle = peaks(stack.pid as number);
  const small = new Map<string, number>();
  while (Date.now() < answerAt) await new Promise((resolve) => setTimeout(resolve, 100));
  for (let n = 0; n < SMALL; n += 1) small.set(`small-${n}`, await dispatch(`small-${n}`, () => 'delay=0'));

  const giveUpAt = Date.now() + PATIENCE_MS;
  while (delivered.size < large.length + SMALL) {
    if (Date.now() > giveUpAt) throw new Error(`delivered in 10 minutes: ${[...delivered.keys()].join(' ')}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const since = (names: Iterable<string>, from: (name: string) => number): string =>
    [...names].map((name) => (((delivered.get(name)?.[0] ?? NaN) - from(name)) / 1_000).toFixed(1)).join(' ');
  console.log(machineLines(machine));
  console.log(`large, s after all were due: ${since(large, () => answerAt)}`);
  console.log(`small, s after dispatch: ${since(small.keys(), (name) => small.get(name) as number)}`);
  console.log(`delivered more than once: ${[...delivered].filter(([, times]) => times.length > 1).length}`);
  const most = peaks(stack.pid as number);
  const rows = [...most].map(([name, mb]) => [name, (idle.get(name) ?? NaN).toFixed(0), mb.toFixed(0)]);
  console.log(aligned([['peak resident memory (MB)', 'before', 'after'], ...rows]));
}

/** @returns the peak resident memory of each process of the stack, in MB (`VmHWM`). */
function peaks(root: number): Map<string, number> {
  const most = new Map<string, number>();
  for (const pid of treeOf(root)) {
    const [, kilobytes = 0] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    const name = nameOf(pid);
    most.set(name, Math.max(most.get(name) ?? 0, Number(kilobytes) / 1_024));
  }
  return most;
}

/** A gateway whose plugin accepts every notification. */
async function serveGateway(onDelivered: (name: string) => void): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { task } = JSON.parse(Buffer.concat(chunks).toString()) as { task: { task_name: string } };
      onDelivered(task.task_name);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"outcome":"sent"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atTheEnd(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/wake`;
}
