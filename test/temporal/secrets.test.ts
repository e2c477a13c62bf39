/** No file, history, output or argument list of a complete run contains a secret. */
import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { request } from 'undici';
import { expect, it } from 'vitest';
import { notifyWorkflowId } from '../../src/shared/names.ts';
import { sign, SIGNATURE_HEADER, standardHeaders } from '../../src/webhook/signature.ts';
import { callbackFor } from '../support/callback.ts';
import { cleanHome, cli, resultsOf, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { serve, until } from '../support/resources.ts';

/** In the address that events are sent to, where nothing listens. */
const PATH_SECRET = 'distinctive-notify-path-63e1ab';

const SECRETS = {
  KIMI_API_KEY: 'sk-distinctive-key-1f0c2b',
  WEBHOOK_SECRET: 'distinctive-webhook-secret-2a9d41',
  WEBHOOK_ADDITIONAL_SECRETS: 'distinctive-next-secret-77b3e0',
  OPENCLAW_WAKE_TOKEN: 'hook-distinctive-token-c41d9a',
  KIMI_RELAY_TOKEN: 'distinctive-relay-token-5e82f7',
  KIMI_NOTIFY_URL: `http://127.0.0.1:9/${PATH_SECRET}`,
  KIMI_NOTIFY_SECRET: `whsec_${Buffer.from('distinctive-notify-secret-bd07').toString('base64')}`,
  KIMI_DASHBOARD_TOKEN: 'distinctive-dashboard-token-31b6c8',
};
/** In the query of the wake address, as some gateways require. */
const QUERY_SECRET = 'distinctive-query-secret-90ce5f';

/** @returns the secrets contained in some text or bytes, unencoded or in base64 */
function secretsIn(content: string | Buffer): string[] {
  const bytes = Buffer.from(content);
  return [...Object.values(SECRETS), QUERY_SECRET, PATH_SECRET].filter(
    // Preceding bytes shift base64 by up to two; the result between the first and the last four characters stays the same.
    (secret) => bytes.includes(secret) || [0, 1, 2].some((shift) => bytes.includes(encoded(secret.slice(shift)))),
  );
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64').slice(0, -4);
}

/** Everything that a run has left behind, by its location. */
class Traces {
  readonly found = new Map<string, Buffer>();

  add(where: string, content: string | Buffer): void {
    this.found.set(where, Buffer.from(content));
  }

  /** Every file below a folder. */
  async addFiles(folder: string, when: string): Promise<void> {
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      const file = join(entry.parentPath, entry.name);
      // Some files are temporary: a lock, a journal of the database.
      const content = entry.isFile() ? await readFile(file).catch(() => undefined) : undefined;
      if (content) this.add(`${when}: ${file.slice(folder.length)}`, content);
    }
  }

  /** @returns the locations of secrets */
  leaks(): string[] {
    return [...this.found].flatMap(([where, content]) => secretsIn(content).map((secret) => `${secret} in ${where}`));
  }

  /** @returns the locations of a text */
  holding(words: string): string[] {
    return [...this.found].filter(([, content]) => content.includes(words)).map(([where]) => where);
  }
}

/** The behaviour of the stub for a task, by a word in its prompt. */
const PROMPTS = {
  answered: 'marker-answered',
  failed: 'marker-failed',
  unwoken: 'marker-unwoken',
  refused: 'marker-refused',
  page: 'marker-page',
} as const;

/** Kimi and the gateway: every response quotes the received credentials, as careless services do. */
async function serveCareless(): Promise<{ url: string; callbacks: number[]; wakes: string[] }> {
  const callbacks: number[] = [];
  const wakes: string[] = [];
  const url = await serve((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const quoted = `you sent ${incoming.headers.authorization} to ${incoming.url}`;
      const answer = (status: number, json: object): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
      };
      const refusal = { error: { type: 'invalid_authentication_error', message: quoted } };
      if (incoming.url?.startsWith('/hooks/wake')) {
        wakes.push(body);
        answer(body.includes('unwoken') ? 401 : 200, refusal);
      } else if (body.includes(PROMPTS.refused)) answer(401, refusal);
      else if (body.includes('"stream":true')) stream(response, quoted);
      else if (body.includes(PROMPTS.page)) response.writeHead(502).end(`<html>${quoted}</html>`);
      else if (incoming.method === 'GET') answer(200, { data: [{ id: quoted }] });
      else {
        answer(202, { id: 'cmpl-careless' });
        void callBack(JSON.parse(body) as Dispatched, callbacks);
      }
    });
  });
  return { url, callbacks, wakes };
}

/** An answer that quotes the request. */
function stream(response: ServerResponse, quoted: string): void {
  const choices = [{ index: 0, delta: { content: quoted }, finish_reason: 'stop' }];
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(`data: ${JSON.stringify({ id: 'x', choices })}\n\ndata: [DONE]\n\n`);
}

interface Dispatched {
  messages: { content: string }[];
  metadata: { task_id: string };
  callback_url: string;
}

/** Sends callbacks with invalid signatures, then a valid one: signed with either secret. */
async function callBack({ messages, metadata, callback_url }: Dispatched, statuses: number[]): Promise<void> {
  const fails = messages[0]?.content.includes(PROMPTS.failed);
  const error = { type: 'server_error', message: 'Kimi failed' };
  const body = JSON.stringify(fails ? { error, metadata } : callbackFor(metadata.task_id));
  const { WEBHOOK_SECRET, WEBHOOK_ADDITIONAL_SECRETS } = SECRETS;
  const attempts: Record<string, string>[] = [
    {},
    { [SIGNATURE_HEADER]: sign(`${body} `, WEBHOOK_SECRET) },
    standardHeaders(`${body} `, WEBHOOK_ADDITIONAL_SECRETS, metadata.task_id),
    fails
      ? { [SIGNATURE_HEADER]: sign(body, WEBHOOK_SECRET) }
      : standardHeaders(body, WEBHOOK_ADDITIONAL_SECRETS, metadata.task_id),
  ];
  for (const headers of attempts) {
    const sent = { 'content-type': 'application/json', ...headers };
    const { statusCode, body: answer } = await request(callback_url, { method: 'POST', headers: sent, body });
    await answer.dump();
    statuses.push(statusCode);
  }
}

it('no trace of a run contains a secret, whatever fails', { timeout: 180_000 }, async () => {
  const { url, callbacks, wakes } = await serveCareless();
  const env = await cleanHome({
    ...SECRETS,
    KIMI_API_URL: `${url}/v1`,
    OPENCLAW_WAKE_URL: `${url}/hooks/wake?token=${QUERY_SECRET}`,
    KIMI_NOTIFY_ALLOW: '127.0.0.1',
    KIMI_LOG_LEVEL: 'trace',
    KIMI_TASK_TIMEOUT_MS: '2000',
  });
  const home = env['HOME'] ?? '';
  const traces = new Traces();
  const run = async (...args: string[]): Promise<string> => {
    // The arguments of a dispatch are seen from outside.
    const { stdout, stderr } = await (args[0] === 'dispatch' ? cli : inProcess)(args, env);
    traces.add(`output of ${args.join(' ')}`, stdout + stderr);
    return stdout + stderr;
  };
  const look = async (when: string): Promise<void> => {
    traces.add(`ps ${when}`, (await promisify(execFile)('ps', ['-eo', 'args'], { maxBuffer: 1e8 })).stdout);
  };

  // A malformed value is named, not repeated.
  for (const [name, value] of Object.entries(SECRETS)) {
    const wrong = {
      WEBHOOK_SECRET: value.slice(-9),
      WEBHOOK_ADDITIONAL_SECRETS: `${value} ${value.slice(-9)}`,
      KIMI_NOTIFY_SECRET: `${value} ${value.slice(-9)}`,
      KIMI_NOTIFY_URL: `x${value}`,
    }[name];
    const { stdout, stderr } = await inProcess(['up'], { ...env, [name]: wrong ?? `${value}\n${value}` });
    traces.add(`up with a malformed ${name}`, stdout + stderr);
    expect(stderr).toContain(name);
  }

  const stack = await up(env);
  const ids: string[] = [];
  for (const [name, prompt] of Object.entries(PROMPTS)) {
    const [said] = await Promise.all([
      run('dispatch', '-p', prompt, '-n', name),
      look(`during the dispatch of ${name}`),
    ]);
    ids.push(/kimi-\d+-\d+/.exec(said)?.[0] ?? `none in: ${said}`);
  }
  const client = new Client({ connection: await Connection.connect({ address: stack.state.temporal_address }) });
  for (const id of ids) {
    // Tasks without a callback have timed out by now; the others are done.
    await until(async () => (await readdir(resultsOf(env))).includes(`${id}.json`));
    await run('status', id);
    await run('status', id, '--json');
    await run('result', id);
  }
  const answered = (status: number): number => callbacks.filter((each) => each === status).length;
  await until(() => callbacks.length === 12);
  expect([answered(200), answered(401)]).toEqual([3, 9]);
  await until(() => wakes.length >= ids.length);
  for (const command of ['list', 'doctor', 'models', 'result', 'logs']) await run(command);
  for (const name of ['worker', 'webhook', 'temporal']) await run('logs', name);
  await look('while it runs');
  for (const id of [...ids, ...ids.map(notifyWorkflowId)]) {
    const history = await client.workflow.getHandle(id).fetchHistory();
    // It contains payloads as base64.
    const json = historyToJSON(history).replaceAll(/"data": *"([A-Za-z0-9+/=]+)"/g, (_whole, data: string) =>
      Buffer.from(data, 'base64').toString(),
    );
    traces.add(`history of ${id}`, json);
  }
  await client.connection.close();
  await traces.addFiles(home, 'running');
  const { stdout, stderr } = await stack.stop();
  traces.add('output of up', stdout + stderr);
  await traces.addFiles(home, 'stopped');

  expect(traces.leaks()).toEqual([]);
  // The check has found the files and would have detected a leak.
  const where = traces.holding(PROMPTS.answered).join('\n');
  for (const place of ['running: /.local/share/kimi-dispatch/temporal.db', `history of ${ids[0]}`, 'ps during']) {
    expect(where).toContain(place);
  }
  expect(traces.holding(ids[0] ?? '').join('\n')).toContain('stopped: /.local/share/kimi-dispatch/logs/webhook.log');
  expect(traces.holding('[KIMI_API_KEY]').join('\n')).toContain(`results/${ids[3]}.json`);
  traces.add('a leak', `x${Buffer.from(`xy${SECRETS.KIMI_API_KEY}`).toString('base64')}`);
  expect(traces.leaks()).toEqual([`${SECRETS.KIMI_API_KEY} in a leak`]);
});

it('nor with the relay', { timeout: 120_000 }, async () => {
  const { url } = await serveCareless();
  const env = await cleanHome({
    ...SECRETS,
    KIMI_NOTIFY_ALLOW: '127.0.0.1',
    KIMI_CALLBACKS: 'relay',
    KIMI_API_URL: `${url}/v1`,
    KIMI_LOG_LEVEL: 'trace',
  });
  const traces = new Traces();
  const stack = await up(env);
  for (const prompt of [PROMPTS.answered, PROMPTS.refused]) {
    const { stdout, stderr } = await inProcess(['run', prompt], env);
    traces.add(`output of ${prompt}`, stdout + stderr);
  }
  traces.add('ps', (await promisify(execFile)('ps', ['-eo', 'args'], { maxBuffer: 1e8 })).stdout);
  await traces.addFiles(env['HOME'] ?? '', 'running');
  const { stdout, stderr } = await stack.stop();
  traces.add('output of up', stdout + stderr);
  await traces.addFiles(env['HOME'] ?? '', 'stopped');
  expect(traces.leaks()).toEqual([]);
  const quoting = traces.holding('[KIMI_API_KEY]').join('\n');
  for (const place of ['output of marker-answered', 'output of marker-refused', 'latest.json']) {
    expect(quoting).toContain(place);
  }
});

it(
  'the only file that contains a secret is the one that `up` creates, readable by this user only',
  { timeout: 120_000 },
  async () => {
    const env = await cleanHome();
    const stack = await up(env, '--simulate');
    const run = await inProcess(['run', 'x'], env);
    expect(run.code, run.stderr).toBe(0);
    const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
    const secret = (await readFile(join(home, 'webhook-secret'), 'utf8')).trim();
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect((await stat(join(home, 'webhook-secret'))).mode & 0o777).toBe(0o600);
    const traces = new Traces();
    traces.add('ps', (await promisify(execFile)('ps', ['-eo', 'args'], { maxBuffer: 1e8 })).stdout);
    await traces.addFiles(env['HOME'] ?? '', 'running');
    const { stdout, stderr } = await stack.stop();
    traces.add('output', stdout + stderr + run.stdout + run.stderr);
    await traces.addFiles(env['HOME'] ?? '', 'stopped');
    expect(traces.holding(secret)).toEqual([
      'running: /.local/share/kimi-dispatch/webhook-secret',
      'stopped: /.local/share/kimi-dispatch/webhook-secret',
    ]);
  },
);
