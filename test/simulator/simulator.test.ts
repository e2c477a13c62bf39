/** The simulated Kimi behaves like the real API, over real HTTP; OpenAI's own client can read it. */
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import OpenAI, {
  APIConnectionError,
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai';
import { Client, type Dispatcher } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { requestEveryByte } from '../../src/kimi/http.ts';
import { createSimulator, type SimulatorOptions } from '../../src/simulator/app.ts';
import { pieces } from '../../src/simulator/answers.ts';
import type { Completion, Counts } from '../../src/simulator/events.ts';
import type { REFUSALS } from '../../src/simulator/errors.ts';
import { failureOf } from '../support/answering.ts';
import { SECRET, serve, silent, temporaryFolder, until } from '../support/resources.ts';

const KEY = 'sk-simulated';

interface Kimi {
  url: string;
  counts: Counts;
  openai: OpenAI;
  /** Sends a request. */
  send(path: string, body?: object | string, headers?: Record<string, string>): Promise<Dispatcher.ResponseData>;
  /** Requests a completion of K3, or as `body` says. */
  ask(prompt: string, body?: object): Promise<Dispatcher.ResponseData>;
  /** Requests it as a stream, and reads that to its end. */
  stream(prompt: string, body?: object): Promise<Streamed>;
  /** The last counted completion, once it has ended. */
  last(): Promise<Completion>;
}

async function openKimi(options: Partial<SimulatorOptions> = {}): Promise<Kimi> {
  const simulator = createSimulator({ secret: SECRET, delayMs: 0, log: silent, ...options });
  onTestFinished(() => simulator.stop());
  const url = await serve(simulator.app);
  const client = new Client(url);
  onTestFinished(async () => await client.destroy());
  const send: Kimi['send'] = async (path, body, headers = {}) =>
    await client.request({
      path,
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
  return {
    url,
    counts: simulator.counts,
    openai: new OpenAI({ apiKey: KEY, baseURL: `${url}/v1`, maxRetries: 0 }),
    send,
    ask: async (prompt, body = {}) => await send('/v1/chat/completions', question(prompt, body)),
    stream: async (prompt, body = {}) =>
      await received(
        await requestEveryByte(`${url}/v1/chat/completions`, {
          method: 'POST',
          dispatcher: client,
          headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
          body: JSON.stringify({ ...STREAM, ...question(prompt, body) }),
        }),
      ),
    last: async () =>
      await until(() => (simulator.counts.completions.at(-1)?.ended ? simulator.counts.completions.at(-1) : false)),
  };
}

/** Serves what is called back. */
async function receiver(): Promise<{ url: string; paths: string[] }> {
  const paths: string[] = [];
  const url = await serve((request, response) => {
    paths.push(String(request.url));
    request.resume().on('end', () => response.end());
  });
  return { url, paths };
}

function question(prompt: string, body: object): object {
  return { model: 'kimi-k3', messages: [{ role: 'user', content: prompt }], ...body };
}

const promptWith = (directives: string): string => `寫一個 Python 計算器 [[simulate: ${directives}]]`;

interface Streamed {
  text: string;
  /** The error after which the connection closed. */
  error?: Error;
}

async function received({ body }: { body: AsyncIterable<Buffer> }): Promise<Streamed> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const bytes of body) text += decoder.decode(bytes, { stream: true });
    return { text };
  } catch (error) {
    return { text, error: error as Error };
  }
}

const STREAM = { stream: true, stream_options: { include_usage: true } };

/** The events of a stream, without comments. */
function eventsIn(text: string): string[] {
  return text.split('\n\n').filter((event) => event.startsWith('data: '));
}

/** The answer in a stream. */
function contentIn(text: string, member: 'content' | 'reasoning_content' = 'content'): string {
  return eventsIn(text)
    .filter((event) => event !== 'data: [DONE]')
    .map((event) => JSON.parse(event.slice('data: '.length)).choices?.[0]?.delta[member] ?? '')
    .join('');
}

/** `[status, type, message]`, verbatim from Kimi; a pattern for parts that it omits. */
const ERRORS: Record<keyof typeof REFUSALS, [number, string, RegExp | string, Record<string, string>?]> = {
  'invalid-request': [400, 'invalid_request_error', /^Invalid request: /],
  'content-filter': [400, 'content_filter', 'The request was rejected because it was considered high risk'],
  'input-too-long': [400, 'invalid_request_error', 'Input token length too long'],
  'over-context': [400, 'invalid_request_error', /Your request exceeded model token limit: \d+/],
  'bad-key': [401, 'invalid_authentication_error', 'Invalid Authentication'],
  'no-key': [401, 'incorrect_api_key_error', 'Incorrect API key provided'],
  'not-open': [403, 'permission_denied_error', 'The API you are accessing is not open'],
  'other-user': [403, 'permission_denied_error', /other user info$/],
  ip: [403, 'permission_denied_error', /^Your IP is not allowed/],
  'no-model': [404, 'resource_not_found_error', /^Not found the model \S+ or Permission denied$/],
  'rate-limit': [
    429,
    'rate_limit_reached_error',
    'Organization Rate limit exceeded, please try again after 1 seconds',
    { 'retry-after': '1', 'x-retry-after': '1' },
  ],
  concurrency: [
    429,
    'rate_limit_reached_error',
    /^Your account org-\w+<ak-\w+> request reached organization max concurrency: 1, please try again after 1 seconds$/,
    { 'retry-after': '1', 'x-retry-after': '1' },
  ],
  rpm: [429, 'rate_limit_reached_error', /max RPM: 3, please try again after 1 seconds$/],
  tpm: [429, 'rate_limit_reached_error', /TPM rate limit, current: ?\d+, limit: ?\d+$/],
  tpd: [429, 'rate_limit_reached_error', /TPD rate limit, current: ?\d+, limit: ?\d+$/],
  overloaded: [429, 'engine_overloaded_error', 'The engine is currently overloaded, please try again later'],
  suspended: [429, 'exceeded_current_quota_error', /is suspended/],
  quota: [429, 'exceeded_current_quota_error', /^You exceeded your current token quota/],
  'client-closed': [499, 'client_closed_request', /client/],
  'server-error': [500, 'server_error', 'invalid state transition'],
  'unexpected-output': [500, 'unexpected_output', 'invalid state transition'],
  unavailable: [503, 'server_unavailable', /./],
  'gateway-timeout': [504, '', /./],
};
const ROWS = Object.entries(ERRORS).filter(([name]) => name !== 'gateway-timeout');

describe('the errors table', () => {
  it.each(ROWS)('%s', async (name, [status, type, message, headers = {}]) => {
    const kimi = await openKimi();
    const response = await kimi.ask(promptWith(`error=${name}`));
    expect(response.statusCode).toBe(status);
    expect(response.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'msh-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'x-msh-trace-id': expect.stringMatching(/^[0-9a-f]{32}$/),
      'x-simulated': 'true',
      ...headers,
    });
    expect(response.headers['retry-after']).toBe(headers['retry-after']);
    // No `code`: recorded bodies have none.
    expect(await response.body.json()).toEqual({ error: { message: expect.stringMatching(message), type } });
    expect(await kimi.last()).toMatchObject({
      status,
      ended: 'refused',
      billed: { prompt_tokens: 0, completion_tokens: 0 },
    });
    expect(kimi.counts.billed).toBe(0);
  });

  it('gateway-timeout is an HTML page', async () => {
    const kimi = await openKimi();
    const response = await kimi.ask(promptWith('error=gateway-timeout'));
    expect(response.statusCode).toBe(504);
    expect(response.headers['content-type']).toContain('text/html');
    expect(await response.body.text()).toContain('504 Gateway Time-out');
  });

  it.each([
    ['status=429', 429, 'rate_limit_reached_error'],
    ['status=429 type=engine_overloaded_error', 429, 'engine_overloaded_error'],
    ['status=403', 403, 'permission_denied_error'],
    ['status=418 type=teapot_error', 418, 'teapot_error'],
  ])('the directive %s gives its error', async (directives, status, type) => {
    const kimi = await openKimi();
    const response = await kimi.ask(promptWith(directives), STREAM);
    expect(response.statusCode).toBe(status);
    expect(await response.body.json()).toMatchObject({ error: { type } });
  });

  it('a body that is not JSON gives Kimi’s error', async () => {
    const kimi = await openKimi();
    const response = await kimi.send('/v1/chat/completions', '{"model":');
    expect(response.statusCode).toBe(400);
    expect(await response.body.json()).toEqual({
      error: { message: expect.stringMatching(/^Invalid request: /), type: 'invalid_request_error' },
    });
  });
});

describe('a key', () => {
  it('is required; one of the other host is invalid', async () => {
    const kimi = await openKimi({ keys: [KEY] });
    for (const path of ['/v1/models', '/v1/users/me/balance']) {
      expect((await kimi.send(path)).statusCode).toBe(200);
      const missing = await kimi.send(path, undefined, { authorization: '' });
      expect(missing.statusCode).toBe(401);
      expect(await missing.body.json()).toMatchObject({ error: { type: 'incorrect_api_key_error' } });
      const wrong = await kimi.send(path, undefined, { authorization: 'Bearer sk-of-the-other-host' });
      expect(wrong.statusCode).toBe(401);
      expect(await wrong.body.json()).toMatchObject({ error: { type: 'invalid_authentication_error' } });
    }
  });
});

describe('the rules of a model', () => {
  const message = { role: 'user', content: 'Say ok.' };
  const k26 = { model: 'kimi-k2.6' };
  const off = { thinking: { type: 'disabled' } };

  it.each<[string, object, number, string]>([
    [
      'an unknown model',
      { model: 'kimi-nonexistent' },
      404,
      'Not found the model kimi-nonexistent or Permission denied',
    ],
    [
      'a retired model',
      { model: 'moonshot-v1-128k' },
      404,
      'Not found the model moonshot-v1-128k or Permission denied',
    ],
    ['a retired K2.5', { model: 'kimi-k2.5' }, 404, 'Not found the model kimi-k2.5 or Permission denied'],
    ['a name of Object’s', { model: 'toString' }, 404, 'Not found the model toString or Permission denied'],
    ['a temperature', { temperature: 0.3 }, 400, 'invalid temperature: only 1 is allowed for this model'],
    [
      'K2.6 not thinking',
      { ...k26, ...off, temperature: 1 },
      400,
      'invalid temperature: only 0.6 is allowed for this model',
    ],
    ['top_p', { top_p: 1 }, 400, 'invalid top_p: only 0.95 is allowed for this model'],
    ['n', { n: 2 }, 400, 'invalid n: only 1 is allowed for this model'],
    ['a penalty', { presence_penalty: 1 }, 400, 'invalid presence_penalty: only 0 is allowed for this model'],
    [
      'K2.7 not thinking',
      { model: 'kimi-k2.7-code', ...off },
      400,
      'invalid thinking: only type=enabled is allowed for this model',
    ],
    [
      'a named tool',
      { tool_choice: { type: 'function', function: { name: 'x' } } },
      400,
      "tool_choice 'specified' is incompatible with thinking enabled",
    ],
    [
      'a tool required of K2',
      { ...k26, tool_choice: 'required' },
      400,
      "tool_choice 'required' is incompatible with thinking enabled",
    ],
    [
      'an empty message',
      { messages: [message, { role: 'assistant', content: '' }] },
      400,
      "Invalid request: the message at position 1 with role 'assistant' must not be empty",
    ],
    ['no message', { messages: [] }, 400, 'Invalid request: messages: '],
    ['a role', { messages: [{ role: 'developer', content: 'x' }] }, 400, 'Invalid request: messages.0.role: '],
    ['a cap', { max_completion_tokens: 0 }, 400, 'Invalid request: max_completion_tokens: '],
    [
      'input and cap over the context',
      { ...k26, max_tokens: 262_144 },
      400,
      'Invalid request: Your request exceeded model token limit: 262144 (requested: 262148)',
    ],
    [
      'input over the context',
      { ...k26, messages: [{ role: 'user', content: 'x'.repeat(600_000) }] },
      400,
      'Input token length too long',
    ],
    [
      'partial mode with json_object',
      {
        messages: [message, { role: 'assistant', content: '{', partial: true }],
        response_format: { type: 'json_object' },
      },
      400,
      'Invalid request: partial mode',
    ],
  ])('%s is refused', async (_what, body, status, text) => {
    const kimi = await openKimi();
    const response = await kimi.ask('Say ok.', body);
    expect(response.statusCode).toBe(status);
    const { error } = (await response.body.json()) as { error: { message: string } };
    expect(error.message.slice(0, text.length)).toBe(text);
    expect(kimi.counts.billed).toBe(0);
  });

  it.each<[string, object]>([
    ['fixed parameters with their value', { temperature: 1, top_p: 0.95, n: 1, frequency_penalty: 0 }],
    ['K2.6 not thinking at 0.6', { ...k26, ...off, temperature: 0.6 }],
    ['K3 not thinking, against its documents', off],
    ['an unknown effort', { reasoning_effort: 'bogus' }],
    ['a tool required of K3', { tool_choice: 'required' }],
    ['an unknown member', { repetition_penalty: 2 }],
    [
      'parts',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'x' },
              { type: 'image_url', image_url: 'ms://1' },
            ],
          },
        ],
      },
    ],
    ['tools loaded without content', { messages: [message, { role: 'system', tools: [] }] }],
  ])('%s: accepted', async (_what, body) => {
    const kimi = await openKimi();
    expect((await kimi.ask('Say ok.', body)).statusCode).toBe(200);
  });

  it('a token limit applies to the reasoning first, and may leave no answer', async () => {
    const kimi = await openKimi();
    const capped = async (cap: object): Promise<unknown> =>
      await (await kimi.ask(promptWith('reasoning=20 size=20'), cap)).body.json();
    expect(await capped({ max_completion_tokens: 5 })).toMatchObject({
      choices: [
        { message: { content: '', reasoning_content: expect.stringMatching(/^.{10}$/) }, finish_reason: 'length' },
      ],
      usage: { completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 5 } },
    });
    expect(await capped({ max_tokens: 15 })).toMatchObject({
      choices: [{ message: { content: expect.stringMatching(/^.{10}$/) }, finish_reason: 'length' }],
      usage: { completion_tokens: 15 },
    });
    expect(await capped({ max_completion_tokens: 20 })).toMatchObject({ choices: [{ finish_reason: 'stop' }] });
  });

  it('an answer ends at a stop word', async () => {
    const kimi = await openKimi();
    const response = await kimi.ask('x', { stop: ['def ', '```'] });
    const { choices } = (await response.body.json()) as { choices: [{ message: { content: string } }] };
    expect(choices[0].message.content).not.toContain('```');
    expect(choices[0].message.content).toContain('> x');
  });
});

describe('an answer in one piece', () => {
  it('has the recorded form, and is marked as simulated', async () => {
    const kimi = await openKimi();
    const response = await kimi.ask('Say ok.');
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'x-simulated': 'true',
    });
    expect(response.headers).not.toHaveProperty('msh-context-cache-token-saved');
    const body = (await response.body.json()) as {
      choices: [{ message: { content: string; reasoning_content: string } }];
    };
    const { content, reasoning_content } = body.choices[0].message;
    expect(content).toContain('This answer is simulated');
    expect(reasoning_content).toContain('simulated');
    const reasoning_tokens = Math.ceil(reasoning_content.length / 2);
    const completion_tokens = reasoning_tokens + Math.ceil(content.length / 2);
    expect(body).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'kimi-k3',
      choices: [{ index: 0, message: { role: 'assistant', content, reasoning_content }, finish_reason: 'stop' }],
      usage: {
        prompt_tokens: 4,
        completion_tokens,
        total_tokens: 4 + completion_tokens,
        completion_tokens_details: { reasoning_tokens },
      },
    });
  });

  it('has no reasoning if the model does not think', async () => {
    const kimi = await openKimi();
    const response = await kimi.ask('Say ok.', { thinking: { type: 'disabled' } });
    const body = (await response.body.json()) as { choices: [{ message: object }]; usage: object };
    expect(body.choices[0].message).not.toHaveProperty('reasoning_content');
    expect(body.usage).not.toHaveProperty('completion_tokens_details');
  });

  it('uses the cache the second time', async () => {
    const kimi = await openKimi();
    await (await kimi.ask('Say ok.')).body.dump();
    const again = await kimi.ask('Say ok.');
    expect(again.headers['msh-context-cache-token-saved']).toBe('4');
    expect(await again.body.json()).toMatchObject({
      usage: { prompt_tokens: 4, cached_tokens: 4, prompt_tokens_details: { cached_tokens: 4 } },
    });
    expect((await kimi.ask('Say ok.', { model: 'kimi-k2.6' })).headers).not.toHaveProperty(
      'msh-context-cache-token-saved',
    );
  });

  it('sends no header before it is complete', async () => {
    const kimi = await openKimi();
    const start = performance.now();
    const response = await kimi.ask(promptWith('delay=300'));
    expect(performance.now() - start).toBeGreaterThan(290);
    await response.body.dump();
  });
});

describe('a stream', () => {
  it('is identical to the recording, byte by byte', async () => {
    const kimi = await openKimi();
    const response = await kimi.ask(promptWith('reasoning=6 size=6 chunks=2'), STREAM);
    expect(response.headers['content-type']).toBe('text/event-stream');
    const { text } = await received(response);
    const { id, created } = JSON.parse(text.slice('data: '.length, text.indexOf('\n')));
    expect(id).toMatch(/^chatcmpl-[0-9a-f]{24}$/);
    const head = `{"id":"${id}","object":"chat.completion.chunk","created":${created},"model":"kimi-k3"`;
    const event = (delta: string, end = '"finish_reason":null'): string =>
      `data: ${head},"choices":[{"index":0,"delta":${delta},${end}}],"system_fingerprint":"fpv0_simulated"}\n\n`;
    const usage =
      '"usage":{"prompt_tokens":28,"completion_tokens":6,"total_tokens":34,"completion_tokens_details":{"reasoning_tokens":3}}';
    expect(text).toBe(
      [
        event('{"role":"assistant","content":""}'),
        event('{"reasoning_content":"（模擬"}'),
        event('{"reasoning_content":"的推理"}'),
        event('{"reasoning_content":""}'),
        event('{"content":"（這是"}'),
        event('{"content":"模擬的"}'),
        event('{}', `"finish_reason":"stop",${usage}`),
        `data: ${head},"choices":[],${usage}}\n\n`,
        'data: [DONE]\n\n',
      ].join(''),
    );
  });

  it('has its usage in the last choice even if not requested, and in no other chunk', async () => {
    const kimi = await openKimi();
    const { text } = await received(await kimi.ask('Say ok.', { stream: true }));
    const chunks = eventsIn(text)
      .slice(0, -1)
      .map((event) => JSON.parse(event.slice('data: '.length)));
    expect(chunks.every((chunk) => !('usage' in chunk) && chunk.choices.length === 1)).toBe(true);
    expect(chunks.filter((chunk) => 'usage' in chunk.choices[0])).toEqual([chunks.at(-1)]);
  });

  it('has the same content as an answer in one piece', async () => {
    const kimi = await openKimi();
    const whole = await (await kimi.ask('寫😀一個')).body.json();
    const { text } = await kimi.stream('寫😀一個');
    expect(whole).toMatchObject({
      choices: [{ message: { content: contentIn(text), reasoning_content: contentIn(text, 'reasoning_content') } }],
    });
    expect(contentIn(text)).toContain('寫😀一個');
  });

  it('splits no character', () => {
    expect(pieces('寫😀一個', 4)).toEqual(['寫', '😀', '一', '個']);
    expect(pieces('', 4)).toEqual([]);
  });

  it('has a delay before the first byte, and between two chunks', async () => {
    const kimi = await openKimi();
    const start = performance.now();
    const response = await kimi.ask(promptWith('delay=200 chunk-delay=50 size=8 chunks=8 reasoning=0'), STREAM);
    const first = performance.now() - start;
    const { text } = await received(response);
    expect(first).toBeGreaterThan(190);
    // Role, the empty end of the reasoning, 8 pieces, finish and usage: 12 chunks.
    expect(eventsIn(text)).toHaveLength(13);
    expect(performance.now() - start - first).toBeGreaterThan(11 * 50 - 20);
  });

  it('may carry comments', async () => {
    const kimi = await openKimi();
    const { text } = await kimi.stream(promptWith('comments=1 size=8 chunks=2 reasoning=0'));
    expect(text.match(/^: simulated$/gm)).toHaveLength(6);
    expect(contentIn(text)).toHaveLength(8);
  });
});

describe('an interrupted stream', () => {
  const broken = 'size=40 chunks=20 reasoning=0 after=7';

  it('cut: what was sent arrives, then the connection is closed', async () => {
    const kimi = await openKimi();
    const { text, error } = await kimi.stream(promptWith(`break=cut ${broken}`));
    expect(error).toBeDefined();
    expect(eventsIn(text)).toHaveLength(7);
    // Role, the end of the reasoning, 5 pieces of 2 characters.
    expect(await kimi.last()).toMatchObject({
      ended: 'cut',
      generated: { content_tokens: 5 },
      billed: { completion_tokens: 20 },
    });
  });

  it('eof: ends normally, without [DONE]', async () => {
    const kimi = await openKimi();
    const { text, error } = await kimi.stream(promptWith('break=eof'));
    expect(error).toBeUndefined();
    expect(text).toContain('"finish_reason":"stop"');
    expect(text).not.toContain('[DONE]');
    expect(await kimi.last()).toMatchObject({ ended: 'eof' });
  });

  it('error: contains the error, and ends; the generated part is billed', async () => {
    const kimi = await openKimi();
    const { text, error } = await kimi.stream(promptWith(`break=error ${broken}`));
    expect(error).toBeUndefined();
    expect(eventsIn(text).at(-1)).toBe(
      'data: {"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}}',
    );
    expect(eventsIn(text)).toHaveLength(8);
    expect(await kimi.last()).toMatchObject({ ended: 'error', billed: { completion_tokens: 5 } });
    const filtered = await kimi.stream(promptWith(`break=error error=content-filter ${broken}`));
    expect(eventsIn(filtered.text).at(-1)).toContain('"type":"content_filter"');
  });

  it('stall: nothing more is sent, until the client disconnects', async () => {
    const kimi = await openKimi();
    const response = await kimi.ask(promptWith(`break=stall ${broken}`), STREAM);
    let text = '';
    response.body.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const failed = new Promise((resolve) => response.body.once('error', resolve));
    await until(() => eventsIn(text).length === 7);
    const silence = await Promise.race([
      pause(200, 'silent'),
      new Promise((resolve) => response.body.once('data', resolve)),
    ]);
    expect(silence).toBe('silent');
    response.body.destroy(new Error('enough'));
    await failed;
    expect(await kimi.last()).toMatchObject({ ended: 'stall', billed: { completion_tokens: 20 } });
  });

  it.each(['cut', 'stall', 'eof'])('%s: an answer in one piece never arrives', async (how) => {
    const kimi = await openKimi();
    const asked = kimi.openai.chat.completions.create(
      { model: 'kimi-k3', messages: [{ role: 'user', content: promptWith(`break=${how}`) }] },
      { timeout: 300 },
    );
    await failureOf(asked, APIConnectionError);
    expect((await kimi.last()).ended).toBe(how);
  });

  it('is interrupted or refused only as often as requested', async () => {
    const kimi = await openKimi();
    const prompt = promptWith('status=503 refusals=1 break=eof breaks=2');
    const ends: unknown[] = [];
    for (let n = 0; n < 4; n += 1) {
      const { text } = await kimi.stream(prompt);
      ends.push(text.includes('[DONE]') ? 'whole' : text.includes('server_unavailable') ? 'refused' : 'broken');
    }
    expect(ends).toEqual(['refused', 'broken', 'broken', 'whole']);
  });

  it('reports an invalid directive', async () => {
    const kimi = await openKimi();
    expect((await kimi.ask(promptWith('break=dance'))).statusCode).toBe(400);
  });
});

describe('partial mode', () => {
  it('continues from a prefix, does not repeat it, and counts it as prompt', async () => {
    const kimi = await openKimi();
    const prompt = promptWith('size=100 reasoning=10');
    const user = { role: 'user', content: prompt };
    const whole = contentIn((await kimi.stream(prompt)).text);
    const prefix = whole.slice(0, 40);
    const messages = [user, { role: 'assistant', content: prefix, partial: true }];
    const rest = await kimi.stream('', { messages });
    expect(prefix + contentIn(rest.text)).toBe(whole);
    // It was given no reasoning, so it reasons again.
    expect(contentIn(rest.text, 'reasoning_content')).toHaveLength(10);
    const alone = Math.ceil(prompt.length / 2);
    expect(await kimi.last()).toMatchObject({
      mark: kimi.counts.completions[0]?.mark,
      prompt_tokens: alone + 20,
      cached_tokens: alone,
      generated: { reasoning_tokens: 5, content_tokens: 30 },
      billed: { prompt_tokens: alone + 20, completion_tokens: 35 },
    });

    const given = [user, { role: 'assistant', content: prefix, partial: true, reasoning_content: '0123456789' }];
    const straight = await kimi.stream('', { messages: given });
    expect(contentIn(straight.text, 'reasoning_content')).toBe('');
    expect(prefix + contentIn(straight.text)).toBe(whole);
    expect(await kimi.last()).toMatchObject({ prompt_tokens: alone + 20 + 5, billed: { completion_tokens: 30 } });
  });

  it('a message of the assistant that is not marked, or not last, is no prefix', async () => {
    const kimi = await openKimi();
    const user = { role: 'user', content: 'x' };
    const assistant = { role: 'assistant', content: '（這是', reasoning_content: ' ' };
    for (const messages of [
      [user, assistant],
      [user, { ...assistant, partial: true }, user],
    ]) {
      const response = await kimi.ask('', { messages });
      const body = (await response.body.json()) as never as OpenAI.ChatCompletion;
      expect(body.choices[0]?.message.content).toMatch(/^（這是模擬/);
    }
  });

  it.each([
    ['kimi-k3', undefined, 'reasoning_content is missing in assistant message at index 1'],
    ['kimi-k3', '', 'reasoning_content is missing in assistant message at index 1'],
    ['kimi-k3', ' ', '> z'],
    ['kimi-k2.7-code', undefined, 'reasoning_content is missing in assistant message at index 1'],
    ['kimi-k2.6', undefined, '> z'],
  ])('an earlier answer at %s with reasoning %j: %s', async (model, reasoning_content, words) => {
    const kimi = await openKimi();
    const [asked, answer] = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: 'y', reasoning_content },
    ];
    const response = await kimi.ask('', { model, messages: [asked, answer, { ...asked, content: 'z' }] });
    expect(await response.body.text()).toContain(words);
  });
});

describe('a client that disconnects during a stream', () => {
  it('pays for all of it; one that resumes from the received part generates nothing twice', async () => {
    const kimi = await openKimi();
    const prompt = promptWith('size=200 chunks=50 chunk-delay=20 reasoning=0 mark=mine');
    const response = await kimi.ask(prompt, STREAM);
    let text = '';
    response.body
      .setEncoding('utf8')
      .on('data', (chunk: string) => (text += chunk))
      .on('error', () => {});
    await until(() => contentIn(text.slice(0, text.lastIndexOf('\n\n') + 2)).length >= 80);
    response.body.destroy();
    const left = await kimi.last();
    expect(left).toMatchObject({ mark: 'mine', ended: 'left', status: 200, billed: { completion_tokens: 100 } });
    expect(left.generated.content_tokens).toBeLessThan(100);
    expect(left.generated.content_tokens).toBeGreaterThanOrEqual(40);

    const prefix = contentIn(text.slice(0, text.lastIndexOf('\n\n') + 2));
    const messages = [
      { role: 'user', content: prompt },
      { role: 'assistant', content: prefix, partial: true },
    ];
    const rest = contentIn((await kimi.stream('', { messages })).text);
    expect(rest).toHaveLength(200 - prefix.length);
    const { generated, billed } = await kimi.last();
    expect(generated.content_tokens).toBe((200 - prefix.length) / 2);
    expect(billed.completion_tokens).toBe((200 - prefix.length) / 2);
    expect(kimi.counts).toMatchObject({ requests: 2, billed: 2 });
  });

  it('before an answer in one piece pays for it too', async () => {
    const kimi = await openKimi();
    const leaving = new AbortController();
    const asked = kimi.openai.chat.completions.create(
      { model: 'kimi-k3', messages: [{ role: 'user', content: promptWith('delay=60000 size=20 reasoning=0') }] },
      { signal: leaving.signal },
    );
    await Promise.all([
      failureOf(asked, APIUserAbortError),
      until(() => kimi.counts.billed === 1).then(() => leaving.abort()),
    ]);
    expect(await kimi.last()).toMatchObject({
      ended: 'left',
      generated: { content_tokens: 0 },
      billed: { completion_tokens: 10 },
    });
  });
});

describe('other endpoints', () => {
  it('models', async () => {
    const kimi = await openKimi();
    const { object, data } = (await (await kimi.send('/v1/models')).body.json()) as {
      object: string;
      data: Record<string, unknown>[];
    };
    expect(object).toBe('list');
    expect(data.map(({ id }) => id)).toEqual([
      'kimi-k3.1-pro',
      'kimi-k3.1-pro-highspeed',
      'kimi-k3',
      'kimi-k2.7-code',
      'kimi-k2.7-code-highspeed',
      'kimi-k2.6',
    ]);
    const common = [
      'created',
      'id',
      'object',
      'owned_by',
      'permission',
      'root',
      'parent',
      'supports_image_in',
      'supports_video_in',
      'supports_reasoning',
      'context_length',
    ];
    for (const model of data) expect(Object.keys(model)).toEqual(expect.arrayContaining(common));
    expect(data.find(({ id }) => id === 'kimi-k3')).toMatchObject({
      context_length: 1_048_576,
      think_efforts: { valid_efforts: ['low', 'high', 'max'], default_effort: 'max' },
    });
    expect(data.find(({ id }) => id === 'kimi-k2.6')).toMatchObject({ context_length: 262_144 });
  });

  it('the balance', async () => {
    const kimi = await openKimi();
    expect(await (await kimi.send('/v1/users/me/balance')).body.json()).toEqual({
      code: 0,
      data: { available_balance: 15, voucher_balance: 5, cash_balance: 10 },
      scode: '0x0',
      status: true,
    });
  });

  it('an estimate of tokens, the same as in a completion', async () => {
    const kimi = await openKimi();
    const messages = [{ role: 'user', content: '寫一個 Python 計算器' }];
    const estimate = await kimi.send('/v1/tokenizers/estimate-token-count', { model: 'kimi-k3', messages });
    expect(await estimate.body.json()).toEqual({ data: { total_tokens: 7 } });
    await (await kimi.ask('', { messages })).body.dump();
    expect((await kimi.last()).prompt_tokens).toBe(7);
  });

  it('the API with callbacks, for requests with a callback URL', async () => {
    const kimi = await openKimi();
    const { url, paths } = await receiver();
    const response = await kimi.ask('x', {
      model: 'moonshot-v1-128k',
      temperature: 0.3,
      metadata: { task_id: 'kimi-1-1', task_name: 'x' },
      callback_url: `${url}/here`,
    });
    expect(response.statusCode).toBe(202);
    await until(() => paths.includes('/here'));
    expect(kimi.counts.completions).toEqual([]);
  });

  it('the API with callbacks accepts only what it can keep: what it could not, it accepts when it is sent again', async () => {
    const task_id = 'kimi-1-1';
    const keepIn = await temporaryFolder();
    const kimi = await openKimi({ keepIn });
    const { url, paths } = await receiver();
    const send = async (): Promise<number> => {
      const asked = question('x', { metadata: { task_id, task_name: 'x' }, callback_url: `${url}/here` });
      const response = await kimi.send('/v1/chat/completions', asked, { 'idempotency-key': task_id });
      await response.body.dump();
      return response.statusCode;
    };
    await mkdir(join(keepIn, task_id));
    expect(await send()).toBe(500);
    expect(kimi.counts.billed).toBe(0);
    await rmdir(join(keepIn, task_id));
    expect(await send()).toBe(202);
    await until(() => paths.includes('/here'));
    await until(async () => (await readdir(keepIn)).length === 0);
    expect(kimi.counts.billed).toBe(1);
  });

  it('the API with callbacks, for a prompt with a picture', async () => {
    const kimi = await openKimi();
    const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
    const content = [picture, { type: 'text', text: 'What is this? [[simulate: direct=1]]' }];
    const response = await kimi.ask('', {
      messages: [{ role: 'user', content }],
      metadata: { task_id: 'kimi-1-1', task_name: 'x' },
      callback_url: 'http://localhost/here',
    });
    expect(response.statusCode).toBe(200);
    expect(await response.body.text()).toContain('> What is this?');
    const empty = await kimi.ask('', {
      messages: [{ role: 'user', content: [] }],
      metadata: { task_id: 'kimi-1-2', task_name: 'x' },
      callback_url: 'http://localhost/here',
    });
    expect(empty.statusCode).toBe(400);
    expect(await empty.body.text()).toContain('must not be empty');
  });
});

describe('the official OpenAI client', () => {
  const request = { model: 'kimi-k3', messages: [{ role: 'user' as const, content: 'Say ok.' }] };
  const asking = (prompt: string) => ({ ...request, messages: [{ role: 'user' as const, content: prompt }] });

  it('reads an answer', async () => {
    const { openai } = await openKimi();
    const { data, response } = await openai.chat.completions.create(request).withResponse();
    expect(data.choices[0]?.message.content).toContain('simulated');
    expect(data.usage).toMatchObject({
      prompt_tokens: 4,
      completion_tokens_details: { reasoning_tokens: expect.any(Number) },
    });
    expect(response.headers.get('msh-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('reads a stream with its usage', async () => {
    const kimi = await openKimi();
    const stream = await kimi.openai.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    let content = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      content += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(content).toContain('simulated');
    const { generated } = await kimi.last();
    expect(usage?.completion_tokens).toBe(generated.content_tokens + generated.reasoning_tokens);
  });

  it('collects a stream into a completion', async () => {
    const { openai } = await openKimi();
    const gathered = await openai.chat.completions.stream(asking('寫一個 Python 計算器')).finalChatCompletion();
    const whole = await openai.chat.completions.create(asking('寫一個 Python 計算器'));
    expect(gathered.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
    expect(gathered.choices[0]?.finish_reason).toBe('stop');
  });

  const CLASSES: Record<number, new (...args: never[]) => Error> = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    499: APIError,
    500: InternalServerError,
    503: InternalServerError,
    504: InternalServerError,
  };
  it.each(Object.entries(ERRORS))('reads the error %s', async (name, [status, type, message]) => {
    const { openai } = await openKimi();
    const asked = openai.chat.completions.create({ ...asking(promptWith(`error=${name}`)), stream: true });
    const error = (await failureOf(asked, CLASSES[status] as never)) as InstanceType<typeof APIError>;
    expect(error.status).toBe(status);
    if (name === 'gateway-timeout') return;
    expect(error).toMatchObject({ type, error: { message: expect.stringMatching(message) } });
  });

  it('throws on an error inside a stream, and if it is cut', async () => {
    const { openai } = await openKimi();
    const read = async (how: string): Promise<number> => {
      const stream = await openai.chat.completions.create({
        ...asking(promptWith(`break=${how} after=5`)),
        stream: true,
      });
      let chunks = 0;
      for await (const chunk of stream) chunks += chunk.choices.length;
      return chunks;
    };
    expect(await failureOf(read('error'), APIError)).toMatchObject({ type: 'engine_overloaded_error' });
    await expect(read('cut')).rejects.toThrow('terminated');
  });

  it('lists the models', async () => {
    const { openai } = await openKimi();
    const ids: string[] = [];
    for await (const { id } of openai.models.list()) ids.push(id);
    expect(ids).toContain('kimi-k3');
  });
});
