import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Dispatched } from '../src/contract.ts';
import { KimiClient, type KimiClientOptions } from '../src/kimi/client.ts';
import { KimiError } from '../src/kimi/errors.ts';
import { serve, TASK } from './support/world.ts';

const KEY = 'sk-a-very-secret-key';
const task = { ...TASK, task_id: 'kimi-1707654321-12345' };

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

/** An API that notes what it is sent and answers as it is told. */
async function api(answer: (response: ServerResponse, request: IncomingMessage) => void) {
  const seen: Seen[] = [];
  const url = await serve((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      answer(response, request);
    });
  });
  return { seen, url };
}

const json =
  (status: number, body: object, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };

async function dispatch(options: Partial<KimiClientOptions>, changes: Partial<typeof task> = {}): Promise<Dispatched> {
  const client = new KimiClient({
    apiUrl: 'http://127.0.0.1:1/v1',
    apiKey: KEY,
    callbackBaseUrl: 'http://localhost:9001',
    ...options,
  });
  return await client.dispatch({ ...task, ...changes }, new AbortController().signal);
}

async function failure(options: Partial<KimiClientOptions>): Promise<KimiError> {
  const error: unknown = await dispatch(options).catch((problem: unknown) => problem);
  expect(error).toBeInstanceOf(KimiError);
  expect((error as KimiError).message).not.toContain(KEY);
  return error as KimiError;
}

describe('the request', () => {
  it('is the contract’s', async () => {
    const { seen, url } = await api(json(202, { id: 'cmpl-1' }));
    expect(await dispatch({ apiUrl: `${url}/v1/`, callbackBaseUrl: 'https://me.example/base/' })).toEqual({
      api_id: 'cmpl-1',
    });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/v1/chat/completions',
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/json',
        'idempotency-key': task.task_id,
      },
    });
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      model: 'moonshot-v1-128k',
      messages: [{ role: 'user', content: task.prompt }],
      temperature: 0.3,
      max_tokens: 8000,
      metadata: { task_id: task.task_id, task_name: 'calculator' },
      callback_url: `https://me.example/base/kimi/webhook/${task.task_id}`,
    });
  });

  it.each(['kimi-k2.5', 'kimi-k3', 'somebody/else'])('invents no parameters for %s', async (model) => {
    const { seen, url } = await api(json(200, { id: 'cmpl-1' }));
    await dispatch({ apiUrl: url }, { model });
    expect(Object.keys(JSON.parse(seen[0]?.body ?? '') as object).toSorted()).toEqual([
      'callback_url',
      'messages',
      'metadata',
      'model',
    ]);
  });

  it('is not sent without a key', async () => {
    const { seen, url } = await api(json(202, { id: 'cmpl-1' }));
    expect(await failure({ apiUrl: url, apiKey: undefined })).toMatchObject({ kind: 'refused', type: 'no_api_key' });
    expect(seen).toEqual([]);
  });

  it.each(['https://api.moonshot.cn/v1', 'https://api.moonshot.ai/v1'])(
    'is not sent to %s, which never calls back',
    async (apiUrl) => {
      expect(await failure({ apiUrl })).toMatchObject({ kind: 'refused', type: 'no_callback_provider' });
    },
  );

  it('is not sent on to where a redirect points', async () => {
    const elsewhere = await api(json(202, { id: 'stolen' }));
    const { url } = await api(json(307, {}, { location: elsewhere.url }));
    expect(await failure({ apiUrl: url })).toMatchObject({ kind: 'refused', type: 'http_307' });
    expect(elsewhere.seen).toEqual([]);
  });
});

/** Kimi's error body (kimi-api.md). */
const error = (type: string) => ({ error: { type, message: 'why' } });

describe('an answer that says', () => {
  it.each([
    [400, error('content_filter'), 'refused', 'content_filter'],
    [400, error('invalid_request_error'), 'refused', 'invalid_request_error'],
    [401, error('invalid_authentication_error'), 'refused', 'invalid_authentication_error'],
    [403, error('permission_denied_error'), 'refused', 'permission_denied_error'],
    [404, error('resource_not_found_error'), 'refused', 'resource_not_found_error'],
    [404, {}, 'refused', 'http_404'],
    [429, error('exceeded_current_quota_error'), 'refused', 'exceeded_current_quota_error'],
    [429, error('engine_overloaded_error'), 'not_sent', 'engine_overloaded_error'],
    [429, error('rate_limit_reached_error'), 'not_sent', 'rate_limit_reached_error'],
    [500, error('server_error'), 'refused', 'server_error'],
    [500, {}, 'outcome_unknown', 'http_500'],
    [503, error('server_unavailable'), 'not_sent', 'server_unavailable'],
    [200, {}, 'outcome_unknown', 'outcome_unknown'],
  ] as const)('%i %j is %s', async (status, body, kind, type) => {
    const { seen, url } = await api(json(status, body));
    expect(await failure({ apiUrl: url })).toMatchObject({
      kind,
      type: kind === 'outcome_unknown' && status === 200 ? 'no_api_id' : type,
    });
    expect(seen).toHaveLength(1);
  });

  it('429 with Retry-After tells how long to wait', async () => {
    const { url } = await api(json(429, error('rate_limit_reached_error'), { 'retry-after': '7' }));
    expect((await failure({ apiUrl: url })).options).toEqual({ retryAfterMs: 7_000 });
  });

  it('504 in HTML leaves the outcome unknown', async () => {
    const { url } = await api((response) => void response.writeHead(504).end('<html>Gateway Time-out</html>'));
    expect(await failure({ apiUrl: url })).toMatchObject({ kind: 'outcome_unknown', type: 'http_504' });
  });

  it('the whole answer is kept', async () => {
    const whole = {
      id: 'cmpl-1',
      model: 'm',
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      choices: [{ message: { content: '答案' } }],
    };
    const { url } = await api(json(200, whole));
    expect(await dispatch({ apiUrl: url })).toEqual({
      api_id: 'cmpl-1',
      answer: { ...whole, metadata: { task_id: task.task_id } },
    });
  });
});

describe('a connection that', () => {
  it('is refused leaves nothing sent', async () => {
    expect(await failure({})).toMatchObject({
      kind: 'not_sent',
      type: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('cannot be looked up leaves nothing sent', async () => {
    expect(await failure({ apiUrl: 'http://nowhere.invalid/v1' })).toMatchObject({ kind: 'not_sent' });
  });

  it('is cut after the request leaves the outcome unknown', async () => {
    const { seen, url } = await api((_response, request) => request.socket.destroy());
    expect(await failure({ apiUrl: url })).toMatchObject({ kind: 'outcome_unknown' });
    expect(seen).toHaveLength(1);
  });

  it('is cut within the answer leaves the outcome unknown', async () => {
    const { url } = await api((response) => {
      response.writeHead(202, { 'content-length': '100' });
      response.write('{"id":', () => response.destroy());
    });
    expect(await failure({ apiUrl: url })).toMatchObject({ kind: 'outcome_unknown' });
  });

  it('is to an address with a secret in it does not tell it', async () => {
    const { message } = await failure({ apiUrl: 'http://user:hunter2@127.0.0.1:1/v1' });
    expect(message).toContain('http://127.0.0.1:1/v1');
    expect(message).not.toContain('hunter2');
  });
});
