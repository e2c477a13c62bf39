/**
 * Forms of answers by OpenAI-compatible servers and gateways, from public bug reports of their clients. The directive
 * `[[simulate: form=NAME]]` selects one.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** The answer that a form renders. */
interface FormedAnswer {
  id: string;
  created: number;
  model: string;
  /** The text of the answer; with a prefix, the part after it. */
  text: string;
  /** The text to continue (partial mode); empty by default. */
  prefix: string;
  usage: object;
}

/** A response. */
export interface Formed {
  status?: number;
  headers?: OutgoingHttpHeaders;
  /** Written in order. `undefined` closes the connection. */
  body: (string | Buffer | undefined)[];
}

type Form = (answer: FormedAnswer) => Formed;

const END = 'data: [DONE]\n\n';

class Writer {
  readonly half: string;
  readonly rest: string;

  constructor(readonly answer: FormedAnswer) {
    const { text } = answer;
    this.half = text.slice(0, Math.floor(text.length / 2));
    this.rest = text.slice(this.half.length);
  }

  event(json: object): string {
    const { id, created, model } = this.answer;
    return `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created, model, ...json })}\n\n`;
  }

  chunk(delta: object, choice: object = {}): string {
    return this.event({ choices: [{ index: 0, delta, finish_reason: null, ...choice }] });
  }

  said(content: unknown): string {
    return this.chunk({ content });
  }

  finish(finish_reason: string, delta: object = {}): string {
    return this.chunk(delta, { finish_reason });
  }

  get usage(): string {
    return this.event({ choices: [], usage: this.answer.usage });
  }

  get whole(): string[] {
    return [this.said(this.half), this.said(this.rest), this.finish('stop'), this.usage, END];
  }

  get document(): string {
    const { id, created, model, text, usage } = this.answer;
    const message = { role: 'assistant', content: text };
    const choices = [{ index: 0, message, finish_reason: 'stop' }];
    return JSON.stringify({ id, object: 'chat.completion', created, model, choices, usage });
  }
}

type Body = (writer: Writer) => Formed['body'];

const sent =
  (body: Body, headers: OutgoingHttpHeaders = { 'content-type': 'text/event-stream' }, status = 200): Form =>
  (answer) => ({ status, headers, body: body(new Writer(answer)) });

const json = (body: unknown, status: number, headers: OutgoingHttpHeaders = {}): Form =>
  sent(() => [JSON.stringify(body)], { 'content-type': 'application/json', ...headers }, status);

/** Half the answer, then the connection is closed; `rest` answers the request to continue. */
const resumed =
  (rest: Form): Form =>
  (answer) =>
    answer.prefix === '' ? sent((w) => [w.said(w.half), undefined])(answer) : rest(answer);

const named = <Value>(prefix: string, values: Record<string, Value>, form: (value: Value) => Form) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}-${name}`, form(value)]));

/** The message of every error here. */
export const FORM_WORDS = 'the words of the server';

/** The whole answer in odd forms: a client has to accept each. */
const WHOLE: Record<string, Form> = {
  plain: sent((w) => w.whole),
  'no-done': sent((w) => w.whole.slice(0, -1)),
  'cut-behind-finish': sent((w) => [...w.whole.slice(0, 3), undefined]),
  'one-newline-at-end': sent((w) => [...w.whole.slice(0, 2), `${w.finish('stop').trimEnd()}\n`]),
  'no-newline-at-end': sent((w) => [...w.whole.slice(0, 2), w.finish('stop').trimEnd()]),
  'text-with-finish': sent((w) => [w.said(w.half), w.finish('stop', { content: w.rest }), END]),
  'finish-end-turn': sent((w) => [w.said(w.answer.text), w.finish('end_turn'), END]),
  'finish-upper-case': sent((w) => [w.said(w.answer.text), w.finish('STOP'), END]),
  'parts-of-text': sent((w) => [
    w.said([{ type: 'text', text: w.half }]),
    w.said([{ type: 'text', text: w.rest }]),
    w.finish('stop'),
  ]),
  'parts-of-thinking': sent((w) => [
    w.said([{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }]),
    w.said([{ type: 'text', text: w.answer.text }]),
    w.finish('stop'),
  ]),
  'two-choices': sent((w) => [
    w.said(w.half),
    w.event({ choices: [{ index: 1, delta: { content: 'another answer' } }] }),
    w.event({
      choices: [
        { index: 1, delta: { content: 'another answer' } },
        { index: 0, delta: { content: w.rest }, finish_reason: 'stop' },
      ],
    }),
  ]),
  'keep-alive-data': sent((w) => ['data:\n\n', w.said(w.half), 'data: : keep-alive\n\n', ...w.whole.slice(1)]),
  comments: sent((w) => [': PROCESSING\n\n', w.said(w.half), ':\n\n', ...w.whole.slice(1)]),
  crlf: sent((w) => w.whole.map((text) => text.replaceAll('\n', '\r\n'))),
  'named-events': sent((w) => w.whole.map((text) => `event: message\nid: 1\nretry: 10\n${text}`)),
  'message-for-delta': sent((w) => [
    w.event({ choices: [{ message: { content: w.answer.text }, finish_reason: 'stop' }] }),
  ]),
  reasoning: sent((w) => [w.chunk({ reasoning: 'hm' }), ...w.whole]),
  'reasoning-twice': sent((w) => [w.chunk({ reasoning: 'hm', reasoning_content: 'hm' }), ...w.whole]),
  'stream-as-json': sent((w) => w.whole, { 'content-type': 'application/json' }),
  'stream-as-html': sent((w) => w.whole, { 'content-type': 'text/html' }),
  'stream-without-type': sent((w) => w.whole, {}),
  'json-as-stream': sent((w) => [w.document]),
  'json-without-type': sent((w) => ['\n', w.document], {}),
  'large-event': sent((w) => [
    w.event({
      choices: [{ delta: { content: w.answer.text }, finish_reason: 'stop' }],
      padding: 'x'.repeat(1_500_000),
    }),
  ]),
  gzip: sent((w) => [gzipSync(w.whole.join(''))], { 'content-encoding': 'gzip' }),
  'gzip-without-label': sent((w) => {
    const bytes = gzipSync(w.whole.join(''));
    return [bytes.subarray(0, 60), bytes.subarray(60)];
  }),
  br: sent((w) => [brotliCompressSync(w.document)], { 'content-encoding': 'br' }),
  'not-gzip': sent((w) => w.whole, { 'content-encoding': 'gzip' }),
};

/** Half of the answer: a client must not call it done. */
const HALF: Record<string, Form> = {
  'done-without-finish': sent((w) => [w.said(w.half), END]),
  'finish-length': sent((w) => [w.said(w.half), w.finish('MAX_TOKENS'), w.usage, END]),
  ...named('finish', { filter: 'content_filter', tools: 'tool_calls', odd: 'odd_reason' }, (reason) =>
    sent((w) => [w.said(w.half), w.finish(reason), w.usage, END]),
  ),
  ...named(
    'content',
    { number: 42, object: { text: 'x' }, 'odd-part': [{ type: 'audio', data: 'x' }] },
    (content: unknown) => sent((w) => [w.said(w.half), w.said(content), ...w.whole.slice(1)]),
  ),
  'reasoning-alone': sent((w) => [w.chunk({ reasoning: 'hm' }), w.finish('stop'), w.usage, END]),
  ...named(
    'error',
    {
      kimi: (w: Writer) => w.event({ error: { type: 'server_error', message: FORM_WORDS } }),
      object: (w: Writer) => w.event({ object: 'error', type: 'server_error', message: FORM_WORDS, code: 500 }),
      code: () => `data: ${JSON.stringify({ code: 500, message: FORM_WORDS })}\n\n`,
      event: () => `event: error\ndata: ${JSON.stringify({ message: FORM_WORDS })}\n\n`,
      field: () => `error: ${JSON.stringify({ message: FORM_WORDS })}\n\n`,
      choice: (w: Writer) =>
        w
          .finish('error', { content: '' })
          .replace('"finish_reason"', `"error":{"message":"${FORM_WORDS}"},"finish_reason"`),
    },
    (error: (w: Writer) => string) => sent((w) => [w.said(w.half), error(w), END]),
  ),
  ...named(
    'resume',
    {
      rest: sent((w) => w.whole),
      echo: sent((w) => [w.said(w.answer.prefix + w.answer.text), w.finish('stop'), END]),
      overlap: sent((w) => [w.said(w.answer.prefix.slice(-40) + w.answer.text), w.finish('stop'), END]),
      anew: sent((w) => [w.said(`${w.answer.prefix.slice(0, -5)}… and so on.`), w.finish('stop'), END]),
      nothing: sent((w) => [w.finish('stop'), END]),
      reasoning: sent((w) => [w.chunk({ reasoning_content: 'hm' }), w.finish('stop'), END]),
      refused: json({ error: { type: 'invalid_request_error', message: FORM_WORDS } }, 400),
    },
    resumed,
  ),
};

const said = { message: FORM_WORDS };

/** Errors, not billed. */
const REFUSED: Record<string, Form> = {
  ...named(
    'refused',
    {
      'no-type': { error: said },
      'null-type': { error: { ...said, type: null, code: null } },
      object: { object: 'error', ...said },
      code: { code: 50_011, ...said },
      string: { error: FORM_WORDS },
      detail: { detail: FORM_WORDS },
      details: { detail: [{ loc: ['body'], msg: FORM_WORDS }] },
      list: [{ error: said }],
      gateway: { error: { message: 'Provider error', code: 400, metadata: { raw: JSON.stringify({ error: said }) } } },
    },
    (body: unknown) => json(body, 400),
  ),
  'refused-stream': sent(
    () => [`data: ${JSON.stringify({ error: said })}\n\n`],
    { 'content-type': 'text/event-stream' },
    400,
  ),
  'refused-field': sent(() => [`error: ${JSON.stringify(said)}\n\n`], { 'content-type': 'text/event-stream' }, 400),
  'refused-text': sent(() => [`${FORM_WORDS}\n`], { 'content-type': 'text/plain' }, 400),
  'refused-gzip': sent(() => [gzipSync(JSON.stringify({ error: said }))], { 'content-encoding': 'gzip' }, 400),
  'refused-200': json({ error: { ...said, code: 'invalid_request_error' } }, 200),
  ...named('refused', { 401: 401, 402: 402, 404: 404, 422: 422 }, (status: number) =>
    json({ detail: FORM_WORDS }, status),
  ),
  'no-money': json({ error: { message: 'Insufficient balance, please recharge' } }, 429, { 'retry-after': '1' }),
  ...named('broken', { 500: 500, 502: 502, 504: 504 }, (status: number) => json({ error: said }, status)),
  'busy-ms': json({ error: said }, 429, { 'retry-after-ms': '300' }),
  'busy-words': json({ error: { message: 'Please try again in 0.3s.' } }, 429),
  'busy-529': json({ error: { type: 'overloaded_error', message: 'Overloaded, try again in 0.2s' } }, 529),
  'busy-502': json({ error: { message: 'no available channel' } }, 502, { 'retry-after': '0.2' }),
  'busy-200': json({ error: { type: 'engine_overloaded_error', message: 'busy, try again in 0.2s' } }, 200),
};

/** Every form by its name. */
export const FORMS = { ...WHOLE, ...HALF, ...REFUSED };

/** Forms that are not billed. */
export const FREE_FORMS: ReadonlySet<string> = new Set(Object.keys(REFUSED));

/** Forms with a whole answer. */
export const WHOLE_FORMS = Object.keys(WHOLE);
