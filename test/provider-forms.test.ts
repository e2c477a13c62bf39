/**
 * The forms in which OpenAI-compatible servers and gateways really answer, each played to the relay: an answer that was paid for
 * arrives whole, or is not called done; nothing is paid twice; a failure has the server's own words.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { ResultFile } from '../src/contract.ts';
import { openRelayedWorld } from './support/relay.ts';
import { serve } from './support/world.ts';

/** What a server does with one request. */
interface Reply {
  status?: number;
  headers?: OutgoingHttpHeaders;
  /** Sent one after the other. `undefined` is a cut. */
  body: (string | Buffer | undefined)[];
}

/** @param request counts from 1. @param prefix of a request in partial mode. */
type Server = (request: number, prefix: string) => Reply;

interface Form {
  name: string;
  server: Server;
  expected: Partial<ResultFile>;
  /** Requests that the server saw; 1 if not said. */
  requests?: number;
  /** In the error's message. */
  words?: string;
  model?: string;
}

const USAGE = { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 };
const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1788306762, model: 'kimi-k2.6' };
const event = (json: object): string => `data: ${JSON.stringify(json)}\n\n`;
const chunk = (delta: object, choice: object = {}): string =>
  event({ ...head, choices: [{ index: 0, delta, finish_reason: null, ...choice }] });
const said = (content: unknown): string => chunk({ content });
const finish = (finish_reason: unknown, delta: object = {}): string => chunk(delta, { finish_reason });
const usage = event({ ...head, choices: [], usage: USAGE });
const END = 'data: [DONE]\n\n';

const TEXT = '第一行：一個 Python 計算器，包含測試 😀\n第二行：def add(a, b): return a + b\n';
const HALF = TEXT.slice(0, 40);
const REST = TEXT.slice(40);
const half = said(HALF);
const whole = [half, said(REST), finish('stop'), usage, END];
const document = {
  ...head,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
  usage: USAGE,
};

const stream = (...body: Reply['body']): Reply => ({ headers: { 'content-type': 'text/event-stream' }, body });
const json = (body: unknown, status = 200, headers: OutgoingHttpHeaders = {}): Reply => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: [typeof body === 'string' ? body : JSON.stringify(body)],
});
const once =
  (reply: Reply): Server =>
  (request) =>
    request === 1 ? reply : json(document);
const always =
  (reply: Reply): Server =>
  () =>
    reply;

const done = { status: 'done', output: TEXT } as const;
const failed = (type: string, partial_output?: string) =>
  ({ status: 'failed', error: expect.objectContaining({ type }), ...(partial_output && { partial_output }) }) as const;

const arrivesWhole: Record<string, Reply> = {
  'as Kimi sends it': stream(...whole),
  'ends cleanly without [DONE]': stream(...whole.slice(0, -1)),
  'is cut behind its finish reason': stream(half, said(REST), finish('stop'), undefined),
  'ends its last event by one newline': stream(half, said(REST), finish('stop').trimEnd() + '\n'),
  'ends its last event by nothing': stream(half, said(REST), finish('stop').trimEnd()),
  'has its last words with its finish reason': stream(half, finish('stop', { content: REST }), END),
  'says end_turn': stream(half, said(REST), finish('end_turn'), END),
  'says STOP': stream(half, said(REST), finish('STOP'), END),
  'has parts of text': stream(
    said([{ type: 'text', text: HALF }]),
    said([{ type: 'text', text: REST }]),
    finish('stop'),
  ),
  'has parts of thinking beside them': stream(
    said([{ type: 'thinking', thinking: [{ type: 'text', text: '想' }] }]),
    said([{ type: 'text', text: TEXT }]),
    finish('stop'),
  ),
  'has a second choice between': stream(
    half,
    event({ ...head, choices: [{ index: 1, delta: { content: 'another answer' } }] }),
    event({
      ...head,
      choices: [
        { index: 1, delta: { content: 'another' } },
        { index: 0, delta: { content: REST }, finish_reason: 'stop' },
      ],
    }),
  ),
  'has keep-alives as data': stream('data:\n\n', half, 'data: \n\n', 'data: : keep-alive\n\n', ...whole.slice(1)),
  'has comments between': stream(': OPENROUTER PROCESSING\n\n', half, ':\n\n', ...whole.slice(1)),
  'has CRLF': stream(...whole.map((text) => text.replaceAll('\n', '\r\n'))),
  'has names and ids': stream(...whole.map((text) => `event: message\nid: 1\nretry: 10\n${text}`)),
  'has a message in place of a delta': stream(
    event({ ...head, choices: [{ message: { content: TEXT }, finish_reason: 'stop' }] }),
  ),
  'is a stream under application/json': { ...stream(...whole), headers: { 'content-type': 'application/json' } },
  'is a stream under text/html': { ...stream(...whole), headers: { 'content-type': 'text/html' } },
  'is a stream without a type': { body: whole },
  'is one document': json(document),
  'is one document under text/event-stream': stream(JSON.stringify(document)),
  'is one document without a type': { body: ['\n', JSON.stringify(document, null, 2)] },
  'is one document in \\u escapes, over 1 MB in one event': stream(
    event({ ...head, choices: [{ delta: { content: TEXT }, finish_reason: 'stop' }], padding: 'x'.repeat(1_500_000) }),
  ),
  'is gzip, not asked for': {
    headers: { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' },
    body: [gzipSync(whole.join(''))],
  },
  'is gzip without a label': {
    headers: { 'content-type': 'text/event-stream' },
    body: [gzipSync(whole.join('')).subarray(0, 60), gzipSync(whole.join('')).subarray(60)],
  },
  'is br, not asked for': {
    headers: { 'content-type': 'application/json', 'content-encoding': 'br' },
    body: [brotliCompressSync(JSON.stringify(document))],
  },
  'is labelled gzip, and is not': { headers: { 'content-encoding': 'gzip' }, body: whole },
};

const stated = { type: 'server_error', message: 'the card has run out of memory' };
const inStream: Record<string, string> = {
  'as Kimi': event({ error: stated }),
  'as {object: "error", message}': event({ object: 'error', ...stated, code: 500 }),
  'as {code, message}': event({ code: 500, message: stated.message }),
  'as event: error': `event: error\n${event({ message: stated.message })}`,
  'as a field error:': `error: ${JSON.stringify(stated)}\n\n`,
  'in its choice': event({ ...head, choices: [{ index: 0, delta: {}, finish_reason: 'error', error: stated }] }),
};

const bodies: Record<string, unknown> = {
  'as Kimi': { error: { type: 'invalid_request_error', message: 'the words' } },
  'without a type': { error: { message: 'the words' } },
  'with a type of null': { error: { type: null, message: 'the words', code: null } },
  'as {object: "error", message}': { object: 'error', message: 'the words' },
  'as {code, message}': { code: 50_011, message: 'the words' },
  'as {error: "…"}': { error: 'the words' },
  'as {detail: "…"}': { detail: 'the words' },
  'as a list of details': { detail: [{ loc: ['body'], msg: 'the words' }] },
  'as a list': [{ error: { message: 'the words' } }],
  'behind a gateway': {
    error: { message: 'Provider returned error', code: 400, metadata: { raw: '{"error":{"message":"the words"}}' } },
  },
  'as a stream': event({ error: { message: 'the words' } }),
  'as a field error:': 'error: {"message":"the words"}\n\n',
  'as plain text': 'the \u001B[31mwords'.replace('\u001B[31m', ''),
};

const FORMS: Form[] = [
  ...Object.entries(arrivesWhole).map(([name, reply]) => ({
    name: `an answer that ${name}`,
    server: once(reply),
    expected: done,
  })),
  {
    name: 'an answer whose tokens ran out, in other words',
    server: once(stream(half, finish('MAX_TOKENS'))),
    expected: { status: 'done', output: HALF, finish_reason: 'length' },
  },
  ...['reasoning', 'reasoning_content'].map((member) => ({
    name: `reasoning as ${member}`,
    server: once(stream(chunk({ [member]: '想' }), chunk({ reasoning: '了', reasoning_content: '了' }), ...whole)),
    expected: { ...done, reasoning: '想了' },
  })),
  {
    name: 'reasoning alone',
    server: once(stream(chunk({ reasoning: '想了很久' }), finish('stop'), usage, END)),
    expected: { ...failed('empty_answer'), reasoning: '想了很久', tokens: { prompt: 9, completion: 5, total: 14 } },
  },
  {
    name: '[DONE] without a finish reason, of a model that goes on',
    server: (request, prefix) =>
      request === 1 ? stream(half, END) : stream(said(TEXT.slice(prefix.length)), finish('stop'), END),
    expected: { ...done, interruptions: 1 },
    requests: 2,
  },
  {
    name: '[DONE] without a finish reason, of a model that does not',
    server: once(stream(half, END)),
    expected: failed('interrupted', HALF),
    model: 'some-model',
  },
  ...['content_filter', 'tool_calls', 'function_call'].map((reason) => ({
    name: `half an answer that ends with ${reason}`,
    server: once(stream(half, finish(reason), usage, END)),
    expected: failed(reason === 'function_call' ? 'unfinished_answer' : reason, HALF),
    words: reason,
  })),
  ...Object.entries(inStream).map(([name, error]) => ({
    name: `an error amid the answer, ${name}`,
    server: once(stream(half, error, END)),
    expected: failed('interrupted', HALF),
    words: stated.message,
    model: 'some-model',
  })),
  ...Object.entries({
    'a number': 42,
    'an object': { text: 'x' },
    'a part not known': [{ type: 'audio', data: 'x' }],
  }).map(([name, content]) => ({
    name: `content that is ${name}`,
    server: once(stream(half, said(content), ...whole.slice(1))),
    expected: failed('unreadable_answer', HALF),
  })),
  ...Object.entries(bodies).map(([name, body]) => ({
    name: `a refusal ${name}`,
    server: always(json(body, 400)),
    expected: { status: 'failed' as const },
    words: 'the words',
  })),
  ...[401, 402, 404, 422].map((status) => ({
    name: `a refusal with ${status}`,
    server: always(json({ detail: 'the words' }, status)),
    expected: { status: 'failed' as const },
    words: `Kimi answered ${status}: the words`,
  })),
  {
    name: 'a refusal in gzip',
    server: always({
      status: 400,
      headers: { 'content-encoding': 'gzip' },
      body: [gzipSync(JSON.stringify({ error: { message: 'the words' } }))],
    }),
    expected: { status: 'failed' },
    words: 'the words',
  },
  {
    name: 'a refusal under 200',
    server: always(json({ error: { code: 'invalid_request_error', message: 'the words' } })),
    expected: failed('invalid_request_error'),
    words: 'the words',
  },
  {
    name: 'a 429 that speaks of money',
    server: always(json({ error: { message: 'Insufficient balance, please recharge' } }, 429, { 'retry-after': '1' })),
    expected: { status: 'failed' },
    words: 'Insufficient balance',
  },
  ...Object.entries({
    'retry-after-ms': json({ error: { message: 'slow down' } }, 429, { 'retry-after-ms': '300' }),
    'its words': json({ error: { message: 'Please try again in 0.3s.' } }, 429),
    '529': json({ error: { type: 'overloaded_error', message: 'Overloaded, try again in 0.2s' } }, 529),
    '502 that says that nothing was done': json({ error: { message: 'no available channel' } }, 502, {
      'retry-after': '0.2',
    }),
    'busy under 200': json({ error: { type: 'engine_overloaded_error', message: 'busy, try again in 0.2s' } }),
  }).map(([name, reply]) => ({ name: `busy, told by ${name}`, server: once(reply), expected: done, requests: 2 })),
  ...[500, 502, 504].map((status) => ({
    name: `a ${status} that does not say what was done`,
    server: always(json({ error: { message: 'internal error' } }, status)),
    expected: failed('interrupted'),
    words: 'internal error',
  })),
  ...Object.entries<(prefix: string) => Reply>({
    'with the rest': () => stream(said(REST), finish('stop'), END),
    'with the prefix echoed': () => stream(said(TEXT), finish('stop'), END),
    'with its last words repeated': () => stream(said(TEXT.slice(10)), finish('stop'), END),
    'with the answer begun again': () => json(document),
  }).map(([name, rest]) => ({
    name: `an interrupted answer, resumed ${name}`,
    server: (request: number, prefix: string) => (request === 1 ? stream(half, undefined) : rest(prefix)),
    expected: { ...done, interruptions: 1 },
    requests: 2,
  })),
  ...Object.entries({
    'with nothing': [stream(finish('stop'), END), 'interrupted'] as const,
    'with reasoning alone': [stream(chunk({ reasoning_content: '想' }), finish('stop'), END), 'interrupted'] as const,
    'by a refusal of partial mode': [
      json({ error: { type: 'invalid_request_error', message: 'no partial' } }, 400),
      'invalid_request_error',
    ] as const,
  }).map(([name, [reply, type]]) => ({
    name: `an interrupted answer, resumed ${name}`,
    server: (request: number) => (request === 1 ? stream(half, undefined) : reply),
    expected: failed(type, HALF),
    requests: 2,
  })),
];

it('every form arrives whole, or is said to be cut, and is paid once', { timeout: 120_000 }, async () => {
  const requests = new Map<string, number>();
  const url = await serve((request, response) => {
    const bytes: Buffer[] = [];
    request.on('data', (piece: Buffer) => bytes.push(piece));
    request.on('end', () => {
      const { messages } = JSON.parse(Buffer.concat(bytes).toString()) as { messages: Record<string, unknown>[] };
      const name = String(messages.find(({ role }) => role === 'user')?.['content']);
      const count = (requests.get(name) ?? 0) + 1;
      requests.set(name, count);
      const last = messages.at(-1);
      const prefix = last?.['partial'] ? String(last['content']) : '';
      const {
        status = 200,
        headers = {},
        body,
      } = FORMS.find((form) => form.name === name)?.server(count, prefix) ?? {
        body: [],
      };
      response.writeHead(status, headers);
      for (const piece of body) {
        if (piece === undefined) response.socket?.destroySoon();
        else response.write(piece);
      }
      if (!body.includes(undefined)) response.end();
    });
  });
  const world = await openRelayedWorld({ KIMI_API_URL: `${url}/v1` });
  // All together: each waits for the engine, not for the processor.
  const played = FORMS.map(async ({ name, model, expected, requests: count = 1, words = '' }) => {
    const started = await world.start(name, { ...(model && { model }) });
    await world.handle(started).result();
    const result = await world.results.read(started.task_id);
    expect.soft(result, name).toMatchObject(expected);
    expect.soft(requests.get(name), `requests for ${name}`).toBe(count);
    expect.soft(result?.error?.message ?? '', `words of ${name}`).toContain(words);
  });
  await Promise.all(played);
  expect(requests.size).toBe(FORMS.length);
});
