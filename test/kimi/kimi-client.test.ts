/** The dispatch call (docs/http-api.md) over real HTTP. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { MAX_CALLBACK_BYTES, type Dispatched } from '../../src/shared/callback.ts';
import type { Task, TaskRequest } from '../../src/shared/task.ts';
import { KimiClient } from '../../src/kimi/client.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { failureOf, UNREACHABLE, serveAnswer, serveCut } from '../support/answering.ts';
import { NO_FILES, serve } from '../support/resources.ts';
import { TASK as REQUEST } from '../support/world.ts';

const KEY = 'sk-very-secret-key';
const TASK: Task = { ...REQUEST, task_id: 'kimi-1707654321-12345' };
const HTML = '<html><h1>504 Gateway Time-out</h1></html>';

/** Sends the task to an API at an address. */
async function dispatch(
  apiUrl: string,
  task: Task = TASK,
  { apiKey = KEY, signal = new AbortController().signal, callbackBaseUrl = 'http://localhost:9001' } = {},
): Promise<Dispatched> {
  return await new KimiClient({ apiUrl, apiKey, callbackBaseUrl, contents: NO_FILES }).dispatch(task, signal);
}

async function refusal(...args: Parameters<typeof dispatch>): Promise<KimiError> {
  return await failureOf(dispatch(...args), KimiError);
}

describe('the request', () => {
  it('has the form of docs/http-api.md', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    await dispatch(`${url}/v1`);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      method: 'POST',
      path: '/v1/chat/completions',
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/json',
        'idempotency-key': TASK.task_id,
      },
    });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({
      model: 'moonshot-v1-128k',
      messages: [{ role: 'user', content: '寫一個 Python 計算器' }],
      temperature: 0.3,
      max_tokens: 8000,
      metadata: { task_id: TASK.task_id, task_name: 'calculator' },
      callback_url: `http://localhost:9001/kimi/webhook/${TASK.task_id}`,
    });
  });

  it.each([
    ['moonshot-v1-8k', { temperature: 0.3, max_tokens: 8000 }],
    ['moonshot-v1-32k', { temperature: 0.3, max_tokens: 8000 }],
    ['moonshot-v1-32k', { temperature: 0, max_tokens: 100 }, { temperature: 0, max_tokens: 100 }],
    ['moonshot-v2', {}],
    ['kimi-k2.5', {}],
    ['kimi-k3', {}],
    ['kimi-k3', { max_completion_tokens: 100, reasoning_effort: 'low' }, { max_tokens: 100, thinking: 'low' }],
    ['a-model-of-tomorrow', {}],
  ] as [string, object, TaskRequest?][])('for %s has the parameters %j', async (model, parameters, wanted) => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    await dispatch(url, { ...TASK, model, ...(wanted && { request: wanted }) });
    const { messages: _m, metadata: _d, callback_url: _c, ...rest } = JSON.parse(received[0]?.body ?? '');
    expect(rest).toEqual({ model, ...parameters });
  });

  it('carries the user’s system prompt, pictures and schema', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    const png = 'data:image/png;base64,iVBORw0KGgo=';
    const schema = { type: 'object' };
    await dispatch(url, { ...TASK, model: 'kimi-k3', request: { system: '簡答', images: [png], json_schema: schema } });
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      messages: [
        { role: 'system', content: '簡答' },
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: png } },
            { type: 'text', text: TASK.prompt },
          ],
        },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    });
  });

  it('has the same path when the addresses end in slashes', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    await dispatch(`${url}/v1//`, TASK, { callbackBaseUrl: 'https://me.example/kimi-dispatch//' });
    expect(received[0]?.path).toBe('/v1/chat/completions');
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      callback_url: `https://me.example/kimi-dispatch/kimi/webhook/${TASK.task_id}`,
    });
  });

  it('carries a long prompt unchanged', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    const prompt = '寫"\\\n\u0000😀'.repeat(50_000);
    await dispatch(url, { ...TASK, prompt });
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({ messages: [{ content: prompt }] });
  });

  it('uses a new connection each time', async () => {
    const sockets = new Set<Socket>();
    const url = await serve((request, response) => {
      sockets.add(request.socket);
      response.end('{"id":"cmpl-1"}');
    });
    const kimi = new KimiClient({ apiUrl: url, apiKey: KEY, callbackBaseUrl: 'http://x', contents: NO_FILES });
    for (let n = 0; n < 3; n += 1) await kimi.dispatch(TASK, new AbortController().signal);
    expect(sockets.size).toBe(3);
  });
});

/** A client of a relay in front of an API that never calls back. */
function through(url: string, token = 'a-relay-token'): KimiClient {
  const apiUrl = 'https://api.moonshot.cn/v1';
  return new KimiClient({
    apiUrl,
    apiKey: KEY,
    relay: { url, token },
    callbackBaseUrl: 'http://x',
    contents: NO_FILES,
  });
}

describe('through a relay', () => {
  const K3: Task = { ...TASK, model: 'kimi-k3' };
  const refused = async (kimi: KimiClient): Promise<KimiError> =>
    await failureOf(kimi.dispatch(K3, new AbortController().signal), KimiError);

  it('an API that never calls back can be used, and the relay gets its token, not the key', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    expect(await through(`${url}/v1`).dispatch(K3, new AbortController().signal)).toEqual({ api_id: 'cmpl-1' });
    expect(received[0]).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: 'Bearer a-relay-token' },
    });
    expect(JSON.stringify(received)).not.toContain(KEY);
  });

  it('a request whose outcome is unknown is sent again: the relay accepts it once', async () => {
    for (const url of [await serveCut(), (await serveAnswer(502, HTML)).url, (await serveAnswer(202, {})).url]) {
      expect(await refused(through(url))).toMatchObject({ kind: 'not_sent', type: 'relay_unreachable' });
    }
  });

  it('nothing is sent without the token', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    const error = await refused(through(url, ''));
    expect(error).toMatchObject({ kind: 'refused', type: 'no_relay_token' });
    expect(received).toEqual([]);
  });
});

describe('nothing is sent', () => {
  it.each([undefined, ''])('without a key (%j)', async (apiKey) => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    // Not through dispatch(), whose default would replace `undefined`.
    const kimi = new KimiClient({ apiUrl: url, apiKey, callbackBaseUrl: 'http://x', contents: NO_FILES });
    const error = await failureOf(kimi.dispatch(TASK, new AbortController().signal), KimiError);
    expect(error).toMatchObject({
      kind: 'refused',
      type: 'no_api_key',
      message: expect.stringContaining('KIMI_API_KEY'),
    });
    expect(received).toEqual([]);
  });

  it.each([
    'https://api.moonshot.cn/v1',
    'https://api.moonshot.ai/v1/',
    'https://API.Moonshot.AI/v1',
    'https://api.moonshot.cn:8443/v1',
  ])('to %s, which never calls back', async (apiUrl) => {
    const error = await refusal(apiUrl, { ...TASK, model: 'kimi-k2.6' });
    expect(error).toMatchObject({ kind: 'refused', type: 'no_callback_provider' });
    expect(error.message).toContain('Set KIMI_CALLBACKS=relay');
  });

  it('to Moonshot for a model that is retired there', async () => {
    expect(await refusal('https://api.moonshot.cn/v1')).toMatchObject({
      kind: 'refused',
      type: 'retired_model',
      message: 'moonshot-v1-128k was retired at Moonshot on 2026-08-31; use kimi-k2.6',
    });
  });

  it('if the model would refuse a parameter', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    const task = { ...TASK, model: 'kimi-k3', request: { temperature: 0.5 } };
    expect(await refusal(url, task)).toMatchObject({ kind: 'refused', type: 'bad_parameter' });
    expect(received).toEqual([]);
  });

  it('when the task was cancelled before', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    expect(await refusal(url, TASK, { signal: AbortSignal.abort() })).toMatchObject({ kind: 'not_sent' });
    expect(received).toEqual([]);
  });

  it('when no server listens', async () => {
    expect(await refusal(`${UNREACHABLE}/v1`)).toMatchObject({
      kind: 'not_sent',
      type: 'unreachable',
      message: `cannot reach ${UNREACHABLE}/v1: ECONNREFUSED`,
    });
  });

  it('when the host name does not resolve', async () => {
    expect(await refusal('http://kimi.invalid/v1')).toMatchObject({ kind: 'not_sent', type: 'unreachable' });
  });

  it('when the server speaks no TLS', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    expect(await refusal(url.replace('http:', 'https:'))).toMatchObject({ kind: 'not_sent', type: 'unreachable' });
    expect(received).toEqual([]);
  });
});

/** Counts tokens with the given handler, and accepts tasks. */
async function counting(answer: (response: ServerResponse) => void): Promise<{ url: string; paths: string[] }> {
  const paths: string[] = [];
  const url = await serve((request, response) => {
    paths.push(String(request.url));
    if (request.url === '/v1/tokenizers/estimate-token-count') answer(response);
    else response.end('{"id":"cmpl-1"}');
  });
  return { url: `${url}/v1`, paths };
}
const COUNT = '/v1/tokenizers/estimate-token-count';
const SEND = '/v1/chat/completions';
const tokens = (total_tokens: number) => (response: ServerResponse) =>
  void response.end(JSON.stringify({ data: { total_tokens } }));

describe('a prompt that may be too long', () => {
  /** More bytes than kimi-k2.6 has room for. */
  const LONG: Task = { ...TASK, model: 'kimi-k2.6', prompt: 'word '.repeat(60_000) };

  it('is counted by Kimi, and refused before it is paid for', async () => {
    const { url, paths } = await counting(tokens(262_145));
    expect(await refusal(url, LONG)).toMatchObject({
      kind: 'refused',
      type: 'prompt_too_long',
      message: 'the prompt has 262145 tokens, and kimi-k2.6 has room for 262143; shorten it, or use kimi-k3',
    });
    expect(paths).toEqual([COUNT]);
  });

  it('leaves room for the tokens that the answer may have', async () => {
    const { url, paths } = await counting(tokens(60_001));
    const task = { ...LONG, request: { max_tokens: 262_144 - 60_000 } };
    expect(await refusal(url, task)).toMatchObject({ type: 'prompt_too_long' });
    expect(paths).toEqual([COUNT]);
  });

  it('is sent if Kimi’s count fits', async () => {
    const { url, paths } = await counting(tokens(60_001));
    expect(await dispatch(url, LONG)).toEqual({ api_id: 'cmpl-1' });
    expect(paths).toEqual([COUNT, SEND]);
  });

  it.each([
    ['it has no such endpoint', (response: ServerResponse) => void response.writeHead(404).end('{}')],
    ['its response is invalid', (response: ServerResponse) => void response.end('{"data":{"total_tokens":"many"}}')],
    ['it does not answer', () => {}],
  ])('is sent if Kimi gives no count: %s', async (_what, answer) => {
    const { url, paths } = await counting(answer);
    expect(await dispatch(url, LONG)).toEqual({ api_id: 'cmpl-1' });
    expect(paths).toEqual([COUNT, SEND]);
  });

  it.each([
    ['a short prompt', TASK.prompt, 'kimi-k2.6'],
    ['an unknown model', LONG.prompt, 'a-model-of-tomorrow'],
    ['a model with a larger context', LONG.prompt, 'kimi-k3'],
  ])('is not counted for %s', async (_what, prompt, model) => {
    const { url, paths } = await counting(tokens(1));
    await dispatch(url, { ...TASK, prompt, model });
    expect(paths).toEqual([SEND]);
  });
});

describe('an acceptance', () => {
  it.each([200, 202])('with %d has the API id', async (status) => {
    const { url } = await serveAnswer(status, { id: 'cmpl-1707654360-abc123' });
    expect(await dispatch(url)).toEqual({ api_id: 'cmpl-1707654360-abc123' });
  });

  it('may contain the whole answer', async () => {
    const { url } = await serveAnswer(200, {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_788_306_762,
      model: 'kimi-k3',
      choices: [
        { index: 0, message: { role: 'assistant', content: '你好', reasoning_content: '…' }, finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 93, completion_tokens: 54, total_tokens: 147, cached_tokens: 93 },
    });
    expect(await dispatch(url)).toEqual({
      api_id: 'chatcmpl-1',
      answer: {
        id: 'chatcmpl-1',
        model: 'kimi-k3',
        choices: [{ message: { content: '你好', reasoning_content: '…' }, finish_reason: 'stop' }],
        usage: {
          prompt_tokens: 93,
          completion_tokens: 54,
          total_tokens: 147,
          prompt_tokens_details: { cached_tokens: 93 },
        },
        metadata: { task_id: TASK.task_id },
      },
    });
  });

  it.each([
    ['no id', '{}'],
    ['an empty id', '{"id":""}'],
    ['a number as id', '{"id":1}'],
    ['null', 'null'],
    ['nothing', ''],
    ['half a body', '{"id":"cmpl-1'],
    ['a page', '<html></html>'],
    ['an error', '{"error":{"type":"server_error","message":"no"}}'],
  ])('with %s means an unknown outcome', async (_what, body) => {
    const { url, received } = await serveAnswer(200, body);
    expect(await refusal(url)).toMatchObject({ kind: 'outcome_unknown', type: 'no_api_id' });
    expect(received).toHaveLength(1);
  });
});

describe('Kimi’s response', () => {
  const busy = 'The engine is currently overloaded, please try again later';
  const rate = 'Your account org<ak> request reached organization max RPM: 3, please try again after 1 seconds';
  it.each([
    [400, 'content_filter', 'The request was rejected because it was considered high risk', 'refused'],
    [400, 'invalid_request_error', 'Invalid request: Your request exceeded model token limit : 8192', 'refused'],
    [401, 'invalid_authentication_error', 'Invalid Authentication', 'refused'],
    [401, 'incorrect_api_key_error', 'Incorrect API key provided', 'refused'],
    [403, 'permission_denied_error', 'The API you are accessing is not open', 'refused'],
    [404, 'resource_not_found_error', 'Not found the model moonshot-v1-128k or Permission denied', 'refused'],
    [429, 'engine_overloaded_error', busy, 'turned_away'],
    [429, 'rate_limit_reached_error', rate, 'turned_away', 1_000],
    [429, 'exceeded_current_quota_error', 'You exceeded your current token quota', 'refused'],
    [499, 'client_closed_request', 'left', 'refused'],
    [
      429,
      'rate_limit_exceeded',
      'Quota exceeded: 3 requests per minute, please retry in 1m2.5s',
      'turned_away',
      62_500,
    ],
    [429, 'too_many', 'Please try again in 4.2s.', 'turned_away', 4_200],
    [429, 'insufficient_quota', 'You exceeded your current quota, check your plan and billing details', 'refused'],
    [429, 'http_429', '账户余额不足，请充值', 'refused'],
    [500, 'server_error', 'Failed to extract file', 'outcome_unknown'],
    [500, 'unexpected_output', 'invalid state transition', 'outcome_unknown'],
    [500, 'server_error', 'No available channel for this model', 'turned_away'],
    [502, 'bad_gateway', 'upstream connect error or disconnect/reset before headers', 'turned_away'],
    [529, 'overloaded_error', 'Overloaded', 'turned_away'],
    [503, 'server_unavailable', 'unavailable', 'turned_away'],
  ] as [number, string, string, string, number?][])('%d %s (%s) is %s', async (status, type, message, kind, ms) => {
    const { url, received } = await serveAnswer(status, { error: { message, type } });
    const error = await refusal(url);
    expect(error).toMatchObject({ kind, type, message: `Kimi answered ${status}: ${message}` });
    expect(error.options.retryAfterMs).toBe(ms);
    expect(received).toHaveLength(1);
  });

  it.each([
    [429, '1', 1_000],
    [429, '60', 60_000],
    [503, ' 5 ', 5_000],
    [429, '86400', 3_600_000],
    [429, '0', undefined],
    [429, '-1', undefined],
    [429, 'soon', undefined],
  ])('%d with Retry-After %s asks to wait %s ms', async (status, header, retryAfterMs) => {
    const body = { error: { type: 'rate_limit_reached_error', message: 'slow down' } };
    const { url } = await serveAnswer(status, body, { 'retry-after': header });
    const { kind, options } = await refusal(url);
    expect({ kind, ...options }).toEqual({ kind: 'turned_away', ...(retryAfterMs && { retryAfterMs }) });
  });

  it('a date in Retry-After is a wait until then', async () => {
    const date = new Date(Date.now() + 30_000).toUTCString();
    const { url } = await serveAnswer(429, '', { 'retry-after': date });
    const { retryAfterMs } = (await refusal(url)).options;
    expect(retryAfterMs).toBeGreaterThan(25_000);
    expect(retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it('exhausted quota is final, whatever Retry-After says', async () => {
    const body = { error: { type: 'exceeded_current_quota_error', message: 'suspended' } };
    const { url } = await serveAnswer(429, body, { 'retry-after': '1' });
    const error = await refusal(url);
    expect(error).toMatchObject({ kind: 'refused', type: 'exceeded_current_quota_error' });
    expect(error.options.retryAfterMs).toBeUndefined();
  });

  it.each([
    [504, 'outcome_unknown', HTML],
    [502, 'outcome_unknown', HTML],
    [500, 'outcome_unknown', ''],
    [503, 'turned_away', HTML],
    [429, 'turned_away', ''],
    [400, 'refused', HTML],
    [404, 'refused', ''],
    [413, 'refused', ''],
  ])('%d without an error of Kimi’s is %s: %j', async (status, kind, body) => {
    const { url } = await serveAnswer(status, body, { 'content-type': 'text/html' });
    // Without Kimi's error format, the address may be wrong.
    const hint = status === 404 ? '; is KIMI_API_URL right?' : '';
    const message = `Kimi answered ${status}${hint}`;
    expect(await refusal(url)).toMatchObject({ kind, type: `http_${status}`, message });
  });
});

describe('the outcome is unknown', () => {
  it('when the connection is cut after the request was read', async () => {
    const url = await serveCut();
    expect(await refusal(url)).toMatchObject({ kind: 'outcome_unknown', type: 'outcome_unknown' });
  });

  it('when the connection is cut in the response', async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { 'content-length': 1_000 }).write('{"id":', () => request.socket.destroy());
    });
    expect(await refusal(url)).toMatchObject({ kind: 'outcome_unknown', type: 'outcome_unknown' });
  });

  it('when the response is too large', async () => {
    const { url } = await serveAnswer(200, { id: 'cmpl-1', padding: 'x'.repeat(MAX_CALLBACK_BYTES) });
    const error = await refusal(url);
    expect(error).toMatchObject({ kind: 'outcome_unknown', type: 'outcome_unknown' });
    expect(error.message).toContain(`over ${MAX_CALLBACK_BYTES} bytes`);
  });

  it('when the task is cancelled while Kimi reads the request', async () => {
    const controller = new AbortController();
    const url = await serve(() => controller.abort());
    const error = await refusal(url, TASK, { signal: controller.signal });
    expect(error).toMatchObject({ kind: 'outcome_unknown', cause: { name: 'AbortError' } });
  });
});

it.each([301, 302, 303, 307, 308])('a redirect (%d) is not followed: the key is not sent elsewhere', async (status) => {
  const other = await serveAnswer(202, { id: 'cmpl-1' });
  const { url, received } = await serveAnswer(status, '', { location: `${other.url}/v1/chat/completions` });
  expect(await refusal(url)).toMatchObject({ kind: 'refused', type: `http_${status}` });
  expect(received).toHaveLength(1);
  expect(other.received).toEqual([]);
});

const secretly = (url: string): string => `${url.replace('://', '://user:pass-word@')}/v1?token=query-secret`;

describe('no message contains the key, or the user info and the query of the address,', () => {
  it.each([
    ['when no server listens', async () => UNREACHABLE],
    ['when the connection is cut', serveCut],
    ['when the server speaks no TLS', async () => (await serveAnswer(202)).url.replace('http:', 'https:')],
    ['when there is no API id', async () => (await serveAnswer(200, {})).url],
    ['when Kimi refuses', async () => (await serveAnswer(401, { error: { type: 'x', message: 'no' } })).url],
    ['when Kimi is busy', async () => (await serveAnswer(429)).url],
    ['when a gateway answers', async () => (await serveAnswer(504, HTML)).url],
    ['when there is a redirect', async () => (await serveAnswer(302, '', { location: 'http://x' })).url],
    ['when the model is retired', async () => 'https://api.moonshot.cn'],
  ])('%s', async (_when, address) => {
    const { message, type } = await refusal(secretly(await address()));
    expect(message).not.toBe('');
    for (const secret of [KEY, 'pass-word', 'user', 'query-secret']) expect(`${type} ${message}`).not.toContain(secret);
  });

  it('when Kimi’s error quotes the key', async () => {
    const body = { error: { type: 'incorrect_api_key_error', message: `Incorrect API key provided: ${KEY}` } };
    const { url } = await serveAnswer(401, body);
    const { message } = await refusal(url);
    expect(message).toContain('Incorrect API key provided');
    expect(message).not.toContain(KEY);
  });
});

it('a key that is invalid in a header is refused, and not retried forever', async () => {
  const { url } = await serveAnswer(202, { id: 'cmpl-1' });
  expect(await refusal(url, TASK, { apiKey: `${KEY}\n` })).toMatchObject({ kind: 'refused' });
});
