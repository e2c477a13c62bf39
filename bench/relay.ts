/**
 * `npm run bench -- relay`: the latency that the relay adds, alone and with 100 concurrent streams, on a real engine. The
 * bench acts as Kimi and the webhook.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { request } from 'undici';
import { progressOf } from '../src/tasks/look-up.ts';
import { readConfig } from '../src/config/index.ts';
import type { AnswerCallback } from '../src/shared/callback.ts';
import { DIST } from '../src/service/files.ts';
import { openPayloads } from '../src/temporal/payloads/converter.ts';
import { engineArgs, prepareNamespace } from '../src/stack/engine-settings.ts';
import { findTemporalCli } from '../src/stack/temporal-cli.ts';
import { connectClient } from '../src/temporal/client.ts';
import { freePort } from '../test/support/engine.ts';
import { Moments } from './moments.ts';
import { cpuOfOne } from './processes.ts';
import { summarise, table, type Figure } from './stats.ts';

const TOKEN = 'the-token-of-the-bench';
const ALONE = { rounds: 30, warmUps: 3, chunks: 100, everyMs: 10 };
const TOGETHER = { streams: 100, chunks: 500, everyMs: 40 };

/** Interval of progress queries, in milliseconds. */
const LOOK_MS = 50;

/** Prompt of a stream. */
interface Wanted {
  chunks: number;
  everyMs: number;
}

export async function benchRelay(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kimi-bench-relay-'));
  const children: ChildProcess[] = [];
  const servers: Server[] = [];
  try {
    await measure(folder, children, servers);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    for (const server of servers) server.close().closeAllConnections();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measure(folder: string, children: ChildProcess[], servers: Server[]): Promise<void> {
  const peers = new Peers(servers);
  const [kimi, webhook] = [await peers.serveKimi(), await peers.serveWebhook()];
  const address = await startEngine(folder, children);
  const { url, child } = await startRelay({ address, kimi, webhook, folder, children });
  const { dataConverter } = openPayloads(readConfig({ KIMI_HOME: folder }));
  const client = await connectClient(dataConverter, { TEMPORAL_ADDRESS: address });
  const dispatch = dispatcherTo(url, webhook);

  const alone = await measureAlone(client, dispatch, peers);
  const together = await measureTogether(child, dispatch, peers);
  await client.connection.close();

  const figures: Figure[] = [
    { name: 'dispatch to the relay → API id', unit: 'ms', samples: alone.accepted, target: 1000 },
    { name: 'first token → visible progress', unit: 'ms', samples: alone.visible, target: 1500 },
    { name: 'last byte → callback received', unit: 'ms', samples: alone.after },
    { name: `the same, ${TOGETHER.streams} concurrent streams`, unit: 'ms', samples: together.after },
  ];
  const summaries = figures.map(summarise);
  console.log(table(summaries));
  const chunks = TOGETHER.streams * TOGETHER.chunks;
  const { cpu, seconds, memory, idleMemory } = together;
  console.log(`
${TOGETHER.streams} concurrent streams, a chunk each ${TOGETHER.everyMs} ms, ${chunks} chunks in ${seconds.toFixed(1)} s: ${((100 * cpu) / seconds / 1000).toFixed(0)} % of one core,
${(cpu / chunks).toFixed(3)} ms of CPU a chunk, ${memory.toFixed(0)} MB at most (${idleMemory.toFixed(0)} MB before), ${peers.lost} answers not whole.`);
  if (peers.lost > 0 || summaries.some(({ met }) => met === false)) process.exitCode = 1;
}

/** Kimi and the webhook. */
class Peers {
  /** Answers that arrived incomplete. */
  lost = 0;
  private readonly moments = new Moments();

  constructor(private readonly servers: Server[]) {}

  async serveKimi(): Promise<string> {
    return await this.listen(async (body, response) => {
      const { messages } = JSON.parse(body) as { messages: { content: string }[] };
      const { task_id, chunks, everyMs } = JSON.parse(messages[0]?.content ?? '') as Wanted & { task_id: string };
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const start = performance.now();
      for (let n = 0; n < chunks; n += 1) {
        const early = start + n * everyMs - performance.now();
        if (early > 0) await pause(early);
        const choices = [{ index: 0, delta: { content: word(n) }, finish_reason: null }];
        response.write(`data: ${JSON.stringify({ id: 'chatcmpl-bench', model: 'kimi-k3', choices })}\n\n`);
        if (n === 0) this.moments.note(`first byte of ${task_id}`);
      }
      const usage = { prompt_tokens: 1, completion_tokens: chunks, total_tokens: chunks + 1 };
      const end = { choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage }] };
      response.end(`data: ${JSON.stringify(end)}\n\ndata: [DONE]\n\n`);
      this.moments.note(`last byte of ${task_id}`);
    });
  }

  async serveWebhook(): Promise<string> {
    return await this.listen((body, response) => {
      const { metadata, usage, choices } = JSON.parse(body) as AnswerCallback;
      this.moments.note(`callback of ${metadata.task_id}`);
      const whole = Array.from({ length: usage.completion_tokens }, (_, n) => word(n)).join('');
      if (choices[0]?.message.content !== whole) this.lost += 1;
      response.end('{}');
    });
  }

  async firstByteOf(task_id: string): Promise<number> {
    return await this.moments.of(`first byte of ${task_id}`);
  }

  /** @returns milliseconds from the last byte of an answer to its callback */
  async relayDelay(task_id: string): Promise<number> {
    return (await this.moments.of(`callback of ${task_id}`)) - (await this.moments.of(`last byte of ${task_id}`));
  }

  private async listen(answer: (body: string, response: ServerResponse) => unknown): Promise<string> {
    const server = createServer((incoming, response) => {
      void textOf(incoming).then((body) => answer(body, response));
    }).listen(0, '127.0.0.1');
    this.servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
}

/** Starts a stream. @returns its task id, and the milliseconds until it was accepted. */
type Dispatch = (wanted: Wanted) => Promise<{ task_id: string; accepted: number }>;

function dispatcherTo(relay: string, webhook: string): Dispatch {
  let count = 0;
  return async (wanted) => {
    count += 1;
    const task_id = `kimi-${count}-1`;
    const before = performance.now();
    const { statusCode, body } = await request(`${relay}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'kimi-k3',
        messages: [{ role: 'user', content: JSON.stringify({ task_id, ...wanted }) }],
        metadata: { task_id },
        callback_url: `${webhook}/kimi/webhook/${task_id}`,
      }),
    });
    if (statusCode !== 202) throw new Error(`the relay answered ${statusCode}: ${await body.text()}`);
    await body.dump();
    return { task_id, accepted: performance.now() - before };
  };
}

async function measureAlone(client: Client, dispatch: Dispatch, peers: Peers) {
  const samples = { accepted: [] as number[], visible: [] as number[], after: [] as number[] };
  for (let round = 0; round < ALONE.warmUps + ALONE.rounds; round += 1) {
    const { task_id, accepted } = await dispatch({ ...ALONE, chunks: 2 * ALONE.chunks });
    const first = await peers.firstByteOf(task_id);
    while ((await progressOf(client, task_id)).progress?.phase !== 'answering') await pause(LOOK_MS);
    const visible = performance.now() - first;
    const after = await peers.relayDelay(task_id);
    if (round < ALONE.warmUps) continue;
    samples.accepted.push(accepted);
    samples.visible.push(visible);
    samples.after.push(after);
  }
  return samples;
}

/** CPU time in milliseconds, memory in MB. */
async function measureTogether(relay: ChildProcess, dispatch: Dispatch, peers: Peers) {
  const idle = await usageOf(relay);
  const started = performance.now();
  const streams = await Promise.all(Array.from({ length: TOGETHER.streams }, async () => await dispatch(TOGETHER)));
  let memory = 0;
  const watching = setInterval(() => {
    void usageOf(relay).then((now) => (memory = Math.max(memory, now.memory)));
  }, 500);
  const after = await Promise.all(streams.map(async ({ task_id }) => await peers.relayDelay(task_id)));
  clearInterval(watching);
  const cpu = (await usageOf(relay)).cpu - idle.cpu;
  return { after, cpu, seconds: (performance.now() - started) / 1000, memory, idleMemory: idle.memory };
}

/** Every chunk is different, so that a lost or reordered one is noticed. */
function word(n: number): string {
  return `第${n}個 word. `;
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function startEngine(folder: string, children: ChildProcess[]): Promise<string> {
  const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
  const command = await findTemporalCli({ path, cache, onStep: () => {} });
  const [port, uiPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const args = engineArgs({ port, uiPort, metricsPort, database: join(folder, 'temporal.db') });
  children.push(spawn(command, args, { stdio: 'ignore' }));
  const address = `127.0.0.1:${port}`;
  while (!(await prepareNamespace(address))) await pause(50);
  return address;
}

interface RelayPlace {
  address: string;
  kimi: string;
  webhook: string;
  folder: string;
  children: ChildProcess[];
}

async function startRelay(place: RelayPlace): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [join(DIST, 'relay.js')], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      HOME: place.folder,
      TEMPORAL_ADDRESS: place.address,
      KIMI_HOME: place.folder,
      KIMI_API_URL: `${place.kimi}/v1`,
      KIMI_API_KEY: 'sk-bench',
      KIMI_RELAY_TOKEN: TOKEN,
      KIMI_RELAY_PORT: '0',
      KIMI_CALLBACK_BASE_URL: place.webhook,
      WEBHOOK_SECRET: 'the-secret-of-the-bench',
    },
  });
  place.children.push(child);
  const [said] = (await once(child, 'message')) as [{ port: number }];
  return { url: `http://127.0.0.1:${said.port}`, child };
}

/** @returns CPU time in milliseconds, and resident memory in MB. */
async function usageOf({ pid }: ChildProcess): Promise<{ cpu: number; memory: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kb = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
  return { cpu: cpuOfOne(pid as number), memory: kb / 1024 };
}
