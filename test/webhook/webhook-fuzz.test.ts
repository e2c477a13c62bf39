/**
 * The webhook under noise: whatever is sent, it gives well-formed responses and keeps its state. A few thousand requests
 * on every run; `npm run fuzz` sends 100,000, opens 10,000
 * connections, and prints their cost.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { array, asyncProperty, check, type IAsyncProperty } from 'fast-check';
import { expect, inject, it, onTestFinished } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { callbackFor } from '../support/callback.ts';
import { openEdge, PATH, PLAUSIBLE, RIGHT, signedHeaders } from '../support/edge.ts';
import { bodies, noise, type Noise } from '../support/noise.ts';
import { dial, requestBytes, send, type Answer } from '../support/wire.ts';
import { SECRET, temporaryFolder } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] || 2_000);

/** Connections that do nothing. Each needs a file descriptor on both sides: mind `ulimit -n`. */
const IDLE = Number(process.env['IDLE_CONNECTIONS'] || 1_000);

/** Concurrent requests. */
const AT_ONCE = 50;

/** Timeout that detects a hang; 100,000 requests take minutes. Milliseconds. */
const TIMEOUT_MS = 60_000 + RUNS * 20;

/** @returns what is wrong with a response; `undefined` if it is well-formed */
function flawOf({ needsAnswer }: Noise, answer: Answer | undefined): string | undefined {
  if (!answer) return needsAnswer ? 'no answer' : undefined;
  if (answer.status >= 500) return `status ${answer.status}`;
  if (answer.headers['content-type'] !== 'application/json; charset=utf-8')
    return `type ${answer.headers['content-type']}`;
  const body = JSON.parse(answer.body) as { error?: { code?: unknown; message?: unknown }; status?: unknown };
  const isOurs =
    answer.status === 200
      ? body.status === 'ok'
      : typeof body.error?.code === 'string' && typeof body.error.message === 'string';
  return isOurs ? undefined : answer.body;
}

const inMegabytes = ({ held, resident }: { held: number; resident: number }): string => `${held} (${resident}) MB`;

/** A counterexample of fifty requests is not worth printing: the error names the request, and the seed reproduces it. */
async function expectProperty<T>(property: IAsyncProperty<T>, numRuns: number): Promise<void> {
  const { seed, errorInstance } = await check(property, { numRuns, endOnFailure: true });
  expect(errorInstance, `fast-check's seed is ${seed}`).toBeNull();
}

/** Sends noise, and expects every response to be well-formed. */
async function expectAnswers(url: string, runs: number, between: () => Promise<void> = async () => {}): Promise<void> {
  const batch = array(noise, { minLength: AT_ONCE, maxLength: AT_ONCE, size: 'max' });
  const property = asyncProperty(batch, async (requests) => {
    const [flaws] = await Promise.all([
      Promise.all(
        requests.map(async (sent) => {
          const flaw = flawOf(sent, await send(url, sent.bytes, !sent.needsAnswer));
          return flaw === undefined ? [] : [[flaw, sent.bytes.toString('latin1', 0, 1000)]];
        }),
      ),
      between(),
    ]);
    expect(flaws.flat()).toEqual([]);
  });
  await expectProperty(property, Math.ceil(runs / AT_ONCE));
}

it('unsigned requests get well-formed responses and never reach the engine', { timeout: TIMEOUT_MS }, async () => {
  const { url, counts } = await openEdge();
  // The process below gets more of them.
  await expectAnswers(url, RUNS / 4);
  expect(counts.calls).toBe(0);
  expect(await send(url, requestBytes({ target: PATH, headers: signedHeaders(RIGHT), body: RIGHT }))).toMatchObject({
    status: 200,
  });
  expect(counts).toEqual({ calls: 1, signals: 1 });
});

it('signed bodies may contain anything, and are accepted or refused', { timeout: TIMEOUT_MS }, async () => {
  const { url } = await openEdge();
  const property = asyncProperty(bodies, async (body) => {
    const answer = await send(url, requestBytes({ target: PATH, headers: signedHeaders(body), body }));
    expect([200, 400]).toContain(answer?.status);
  });
  await expectProperty(property, RUNS / 4);
});

it('the process does not leak memory, and real callbacks are served', { timeout: TIMEOUT_MS }, async () => {
  const world = await openWorld();
  const { url, restingMemory } = await launchWebhook();
  const tasks: string[] = [];
  for (let index = 0; index < 10; index += 1) tasks.push((await world.start('x [[simulate: drop=1]]')).task_id);

  // Code compiled and caches filled by the first requests are not a leak.
  await expectAnswers(url, 2_000);
  const before = await restingMemory();
  const latencies: number[] = [];
  const started = performance.now();
  let batches = 0;
  await expectAnswers(url, RUNS, async () => {
    batches += 1;
    const task_id = batches % Math.ceil(RUNS / AT_ONCE / tasks.length) === 0 ? tasks.at(latencies.length) : undefined;
    if (task_id === undefined) return;
    const body = JSON.stringify(callbackFor(task_id));
    const sent = performance.now();
    const bytes = requestBytes({ target: `/kimi/webhook/${task_id}`, headers: signedHeaders(body), body });
    // A busy engine may take longer than the webhook's timeout: then the journal stores it first.
    const { status, body: said = '' } = (await send(url, bytes)) ?? {};
    expect([200, 202]).toContain(status);
    expect(JSON.parse(said)).toMatchObject({ task_id });
    latencies.push(performance.now() - sent);
  });
  const seconds = (performance.now() - started) / 1000;
  const after = await restingMemory();
  const inMilliseconds = latencies.map(Math.round).join(', ');
  console.log(
    `${RUNS} requests in ${seconds.toFixed(1)} s; ${inMegabytes(before)} → ${inMegabytes(after)}; callbacks ${inMilliseconds} ms`,
  );
  expect(latencies).toHaveLength(tasks.length);
  expect(after.held - before.held).toBeLessThan(16);
  // Memory that the allocator keeps for the next large bodies; Node 26 keeps more than Node 20, and releases it late.
  expect(after.resident - before.resident).toBeLessThan(256);
});

it('a body sent byte by byte takes no more memory than a whole one', async () => {
  const { url, restingMemory } = await launchWebhook();
  const before = await restingMemory();
  const { socket } = await dial(url);
  const head = requestBytes({ target: PATH, headers: { ...PLAUSIBLE, 'transfer-encoding': 'chunked' } }).toString();
  socket.write(head.replace('content-length: 0\r\n', ''));
  // Each is an object in a list of chunks: 858 MB for 2 MB.
  await new Promise((resolve) => socket.write('1\r\nx\r\n'.repeat(1_999_999), resolve));
  expect((await restingMemory()).held - before.held).toBeLessThan(16);
  socket.destroy();
});

it('idle connections are closed after ten seconds, and real callbacks are served', { timeout: 120_000 }, async () => {
  const world = await openWorld();
  const { url, restingMemory } = await launchWebhook();
  const { task_id } = await world.start('x [[simulate: drop=1]]');
  const body = JSON.stringify(callbackFor(task_id));
  const callback = requestBytes({ target: `/kimi/webhook/${task_id}`, headers: signedHeaders(body), body });

  const before = await restingMemory();
  const open = new Set<Socket>();
  for (let dialled = 0; dialled < IDLE; dialled += AT_ONCE) {
    for (const { socket, closed } of await Promise.all(Array.from({ length: AT_ONCE }, async () => await dial(url)))) {
      open.add(socket);
      void closed.then(() => open.delete(socket));
      // Half send nothing, half never end their headers.
      if (open.size % 2 === 0) socket.write('POST /kimi/webhook/kimi-1-1 HTTP/1.1\r\n');
    }
  }
  const most = open.size;
  const latencies: number[] = [];
  while (open.size > 0) {
    const sent = performance.now();
    // Queued if the engine takes over two seconds.
    expect([200, 202]).toContain((await send(url, callback))?.status);
    latencies.push(performance.now() - sent);
  }
  const after = await restingMemory();
  latencies.sort((a, b) => a - b);
  const [median = NaN, p99] = [0.5, 0.99].map((share) => latencies[Math.floor(latencies.length * share)]);
  console.log(
    `${most} idle connections; ${inMegabytes(before)} → ${inMegabytes(after)}; ${latencies.length} callbacks, median ${median.toFixed(1)}, p99 ${p99?.toFixed(1)} ms`,
  );
  expect(median).toBeLessThan(1000);
});

interface LogLine {
  msg: string;
  port?: number;
  heapUsed?: number;
  external?: number;
}

/** The webhook as a process. */
async function launchWebhook() {
  // Collects garbage on request, so that only retained memory is measured.
  const collect =
    'data:text/javascript,process.on("SIGUSR2",()=>{gc();gc();console.log(JSON.stringify({msg:"collected",...process.memoryUsage()}))})';
  const args = ['--expose-gc', '--import', collect, join(DIST, 'webhook.js')];
  const env = {
    PATH: process.env['PATH'],
    HOME: await temporaryFolder(),
    WEBHOOK_PORT: '0',
    WEBHOOK_SECRET: SECRET,
    TEMPORAL_ADDRESS: inject('engine'),
  };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const says = async (words: string): Promise<LogLine> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the webhook never said ${words}`);
      const line = JSON.parse(value) as LogLine;
      if (line.msg === words) return line;
    }
  };
  const { port } = await says('ready');
  /** Memory after a garbage collection, in MB: the heap, and the resident memory with what the allocator keeps. */
  const restingMemory = async (): Promise<{ held: number; resident: number }> => {
    child.kill('SIGUSR2');
    const { heapUsed = NaN, external = NaN } = await says('collected');
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    return {
      held: Math.round((heapUsed + external) / 2 ** 20),
      resident: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024),
    };
  };
  return { url: `http://127.0.0.1:${port}`, restingMemory };
}
