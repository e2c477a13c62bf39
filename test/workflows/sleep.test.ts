/** A laptop that sleeps: every process of ours is stopped for longer than any heartbeat, while the outside world goes on. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { SIGNATURE_HEADER, sign } from '../../src/webhook/signature.ts';
import type { StackState } from '../../src/stack/state.ts';
import { callbackFor } from '../support/callback.ts';
import { cleanHome, resultsOf, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { freePort } from '../support/engine.ts';
import { SECRET, serve, until } from '../support/resources.ts';

/** Longer than every heartbeat timeout. `SLEEP_S=300` for a long one. */
const SLEEP_MS = Number(process.env['SLEEP_S'] ?? 13) * 1_000;

/** How long the engine runs before the other processes after waking, in milliseconds: otherwise the order is random. */
const ENGINE_FIRST_MS = 1_000;

/** Delay of outside events after waking, in milliseconds: by then the engine has timed out the attempts without a heartbeat. */
const LATE_MS = 3_000;

/**
 * Tasks by the step that is in progress when the machine falls asleep, and whether the awaited event comes during the sleep or after
 * it. The prompt of each contains its name.
 */
const RELAYED = ['wake', 'delivery', 'first-byte', 'first-byte-late', 'streaming', 'streaming-late', 'queued'];
const NATIVE = ['dispatch', 'dispatch-late', 'waiting'];

it('every task in every step is done, with one request to Kimi and one notification', async () => {
  const world = outside();
  const webhookPort = await freePort();
  const common = {
    KIMI_API_URL: `${await serve(world.kimi)}/v1`,
    KIMI_API_KEY: 'sk-test',
    KIMI_MODEL: 'kimi-k2.6',
    OPENCLAW_WAKE_URL: `${await serve(world.gateway)}/hooks/wake`,
    WEBHOOK_SECRET: SECRET,
  };
  const relayed = await cleanHome({
    ...common,
    KIMI_CALLBACKS: 'relay',
    KIMI_MAX_CONCURRENT_TASKS: '5',
    WEBHOOK_PORT: String(webhookPort),
    KIMI_CALLBACK_BASE_URL: await serve(world.inFrontOf(`http://127.0.0.1:${webhookPort}`)),
  });
  const native = await cleanHome({ ...common, KIMI_CALLBACKS: 'native' });
  const stacks = [(await up(relayed)).state, (await up(native)).state];

  const tasks: { env: Record<string, string>; name: string; task_id: string }[] = [];
  const dispatch = async (env: Record<string, string>, name: string): Promise<void> => {
    const { stderr } = await inProcess(['dispatch', '-n', name, '-p', name], env);
    const task_id = /kimi-\d+-\d+/.exec(stderr)?.[0] ?? stderr;
    tasks.push({ env, name, task_id });
    if (name !== 'queued') await until(() => world.isHeld(name));
    if (name.startsWith('streaming')) {
      await until(async () => (await inProcess(['status', task_id, '--json'], env)).stdout.includes('"answering"'));
    }
  };
  for (const name of RELAYED) await dispatch(relayed, name);
  for (const name of NATIVE) await dispatch(native, name);
  expect(world.requests('queued')).toBe(0);

  for (const stack of stacks) signalAll(stack, 'SIGSTOP');
  await pause(SLEEP_MS);
  // Events during the sleep wait in the sockets.
  world.release('soon');
  // The engine wakes slightly before the others, and times out all attempts without a heartbeat.
  for (const { children } of stacks) process.kill(-(children[0]?.pid ?? 0), 'SIGCONT');
  await pause(ENGINE_FIRST_MS);
  for (const stack of stacks) signalAll(stack, 'SIGCONT');
  await pause(LATE_MS);
  world.release('late');

  for (const { env, name, task_id } of tasks) {
    const result = await until(async () => await resultOf(env, task_id, () => true));
    expect({ name, status: result.status, output: result.output, error: result.error }).toEqual({
      name,
      status: 'done',
      output: `the answer to ${name}`,
    });
    await until(async () => await resultOf(env, task_id, ({ acknowledged }) => acknowledged));
    expect({ name, requests: world.requests(name), shown: world.shown(name) }).toEqual({ name, requests: 1, shown: 1 });
  }
}, 600_000);

/** Stops or continues every process of a stack; each except the first has a process group of its own. */
function signalAll({ pid, children }: StackState, signal: NodeJS.Signals): void {
  process.kill(pid, signal);
  for (const child of children) process.kill(-child.pid, signal);
}

async function resultOf(
  env: Record<string, string>,
  task_id: string,
  isReady: (result: ResultFile) => boolean | undefined,
): Promise<ResultFile | undefined> {
  try {
    const result = JSON.parse(await readFile(join(resultsOf(env), `${task_id}.json`), 'utf8')) as ResultFile;
    return isReady(result) ? result : undefined;
  } catch {
    return undefined;
  }
}

/** Kimi, the gateway and a proxy in front of the webhook: each holds the task that should be in that step until the release. */
function outside() {
  const releases = { soon: new AbortController(), late: new AbortController() };
  const held = new Set<string>();
  const asked: string[] = [];
  const wakes = new Map<string, string>();
  const hold = async (name: string): Promise<void> => {
    held.add(name);
    const { signal } = releases[name.endsWith('-late') ? 'late' : 'soon'];
    if (!signal.aborted) await once(signal, 'abort');
  };

  async function kimi(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { messages, callback_url, metadata } = JSON.parse(await text(request)) as Asked;
    const name = messages.at(-1)?.content ?? '';
    asked.push(name);
    if (callback_url !== undefined) {
      if (name.startsWith('dispatch')) await hold(name);
      response.writeHead(202, { 'content-type': 'application/json' }).end('{"id":"cmpl-1"}');
      await hold(name);
      await callBack(callback_url, metadata.task_id, name);
      return;
    }
    if (name.startsWith('first-byte')) await hold(name);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event({ delta: { content: 'the answer ' } }));
    if (name.startsWith('streaming')) await hold(name);
    response.end(`${event({ delta: { content: `to ${name}` }, finish_reason: 'stop' })}data: [DONE]\n\n`);
  }

  async function gateway(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { text: line } = JSON.parse(await text(request)) as { text: string };
    const name = /：(?<name>[\w-]+)/.exec(line)?.groups?.['name'] ?? '';
    wakes.set(String(request.headers['idempotency-key']), name);
    if (name === 'wake') await hold(name);
    response.writeHead(200).end('{}');
  }

  const inFrontOf = (url: string) => async (request: IncomingMessage, response: ServerResponse) => {
    const body = await text(request);
    if (body.includes('"task_name":"delivery"')) await hold('delivery');
    const names = ['content-type', SIGNATURE_HEADER, 'webhook-id', 'webhook-timestamp', 'webhook-signature'];
    const headers = Object.fromEntries(names.map((name) => [name, String(request.headers[name])]));
    const answer = await fetch(`${url}${request.url}`, { method: 'POST', headers, body });
    response.writeHead(answer.status).end(await answer.text());
  };

  return {
    kimi: (request: IncomingMessage, response: ServerResponse) => void kimi(request, response),
    gateway: (request: IncomingMessage, response: ServerResponse) => void gateway(request, response),
    inFrontOf: (url: string) => {
      const forward = inFrontOf(url);
      return (request: IncomingMessage, response: ServerResponse) => void forward(request, response);
    },
    release: (when: keyof typeof releases) => releases[when].abort(),
    isHeld: (name: string) => held.has(name),
    requests: (name: string) => asked.filter((one) => one === name).length,
    /** How often a gateway that honours `Idempotency-Key` showed it. */
    shown: (name: string) => [...wakes.values()].filter((one) => one === name).length,
  };
}

interface Asked {
  messages: { content: string }[];
  callback_url?: string;
  metadata: { task_id: string };
}

function event(choice: object): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', model: 'kimi-k2.6', choices: [choice] })}\n\n`;
}

async function callBack(url: string, task_id: string, name: string): Promise<void> {
  const body = JSON.stringify({
    ...callbackFor(task_id),
    choices: [{ message: { content: `the answer to ${name}` } }],
  });
  const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, SECRET) };
  const answer = await fetch(url, { method: 'POST', headers, body });
  if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`);
}
