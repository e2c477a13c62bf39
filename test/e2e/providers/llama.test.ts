/**
 * The relay in front of llama.cpp's server, from `xllamacpp` on PyPI: a real model, although it is generated here
 * and can say only one text (llama-server.py). `npm run e2e:llama` installs it into the cache folder.
 */
import { connect, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import type { Task } from '../../../src/shared/task.ts';
import { replyText } from '../../../src/notify/message.ts';
import { textFor } from '../../../src/text/index.ts';
import { freePort } from '../../support/engine.ts';
import { openRelayedWorld } from '../../support/relay.ts';
import { temporaryFolder } from '../../support/resources.ts';
import { install, startServer } from './python-server.ts';

const PACKAGES = ['xllamacpp==2026.10.11549', 'gguf==0.19.0'];
const KEY = 'sk-llama';

/** Each piece is a token, with characters that are hard to parse. */
const PIECES = Array.from({ length: 150 }, (_, n) => `第 ${n} 行 😀 data: "quoted" \\n\n`);
const ANSWER = PIECES.join('');

let bin: string;
beforeAll(async () => {
  bin = await install('llama-2026.10.11549', PACKAGES);
}, 600_000);

async function startLlama(): Promise<number> {
  const port = await freePort();
  const script = join(import.meta.dirname, 'llama-server.py');
  const model = join(await temporaryFolder(), 'model.gguf');
  await startServer(join(bin, 'python'), [script, model, String(port), KEY], {
    input: JSON.stringify(PIECES),
    url: `http://127.0.0.1:${port}/health`,
  });
  return port;
}

/** Forwards connections to a port. The first one is cut after a number of bytes. */
async function cuttingAfter(bytes: number, port: number): Promise<string> {
  let hasCut = false;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let sent = 0;
    upstream.on('data', (data) => {
      sent += data.length;
      client.write(data);
      if (hasCut || sent < bytes) return;
      hasCut = true;
      client.destroy();
    });
    upstream.on('error', () => client.destroy()).on('close', () => client.end());
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    client.pipe(upstream);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** @returns the outcome of a task with a relay in this environment */
async function outcomes(env: Record<string, string>) {
  const world = await openRelayedWorld({ KIMI_API_KEY: KEY, ...env });
  return async (prompt: string, changes: Partial<Task> = {}) => {
    const started = await world.start(prompt, changes);
    await world.handle(started).result();
    return await world.results.read(started.task_id);
  };
}

it(
  'answers of llama.cpp arrive whole, or are reported as truncated, and its errors are quoted',
  { timeout: 180_000 },
  async () => {
    const port = await startLlama();
    const direct = `http://127.0.0.1:${port}/v1`;
    const outcome = await outcomes({ KIMI_API_URL: direct });

    const whole = await outcome('x');
    expect(whole).toMatchObject({ status: 'done', output: ANSWER, finish_reason: 'stop' });
    // The end is a token too.
    expect(whole?.tokens?.completion).toBe(PIECES.length + 1);
    expect(whole).not.toHaveProperty('interruptions');

    const cut = await outcome('x', { request: { max_tokens: 5 } });
    expect(cut).toMatchObject({ status: 'done', output: PIECES.slice(0, 5).join(''), finish_reason: 'length' });
    expect(cut && replyText(cut, 'x', textFor('en'))).toContain('The answer is cut off');

    expect(await outcome('x'.repeat(4_000))).toMatchObject({
      status: 'failed',
      error: { message: expect.stringMatching(/^Kimi answered 400: .*context size/) },
    });
    const stranger = await outcomes({ KIMI_API_URL: direct, KIMI_API_KEY: 'sk-other' });
    expect(await stranger('x')).toMatchObject({
      status: 'failed',
      error: { message: expect.stringMatching(/^Kimi answered 401: Invalid API Key/) },
    });

    // The received part is sent back to the model, which continues it.
    const interrupted = await outcomes({ KIMI_API_URL: `${await cuttingAfter(20_000, port)}/v1` });
    const resumed = await interrupted('x');
    expect(resumed).toMatchObject({ status: 'done', output: ANSWER, interruptions: 1 });
    expect(resumed?.tokens?.prompt).toBeGreaterThan((whole?.tokens?.prompt ?? Infinity) + 20);
  },
);
