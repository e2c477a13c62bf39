/** The streaming client against servers that send what Kimi sends, and against broken ones. */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { KimiError } from '../../src/kimi/errors.ts';
import { StreamingClient } from '../../src/relay/stream.ts';
import { failureOf, UNREACHABLE, serveAnswer, serveCut } from '../support/answering.ts';
import { cutInto, KEY, serveStream, take } from '../support/streams.ts';
import { serve, until } from '../support/resources.ts';

const USAGE = { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 };
const head = { id: 'chatcmpl-1', model: 'kimi-k3', object: 'chat.completion.chunk' };
const delta = (choice: object, rest: object = {}): string =>
  `data: ${JSON.stringify({ ...head, choices: [{ index: 0, finish_reason: null, ...choice }], ...rest })}\n\n`;

/** As captured from Kimi. */
const CAPTURED = [
  delta({ delta: { role: 'assistant', content: '' } }),
  delta({ delta: { reasoning_content: '想' } }),
  delta({ delta: { reasoning_content: '' } }),
  delta({ delta: { content: '答案 😀' } }),
  delta({ delta: { content: '\n2' } }),
  delta({ delta: {}, finish_reason: 'stop', usage: USAGE }),
  `data: ${JSON.stringify({ ...head, choices: [], usage: USAGE })}\n\n`,
  'data: [DONE]\n\n',
];
const WHOLE = { content: '答案 😀\n2', reasoning: '想', finish_reason: 'stop', usage: USAGE, done: true };

describe('a stream', () => {
  const bytes = Buffer.from(CAPTURED.join(''));

  it('as captured is read; the request asks for a stream with usage', async () => {
    const { url, received } = await serveAnswer(200, bytes.toString(), { 'content-type': 'text/event-stream' });
    expect(await take(url)).toEqual(WHOLE);
    expect(received[0]).toMatchObject({ path: '/v1/chat/completions', headers: { authorization: `Bearer ${KEY}` } });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({
      model: 'kimi-k3',
      messages: [],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it.each([1, 2, 3, 7, 64])('split into pieces of %i bytes is the same', async (size) => {
    expect(await take(await serveStream(cutInto(bytes, size)))).toEqual(WHOLE);
  });

  it.each([
    ['comments', CAPTURED.map((event) => `: keep-alive\n\n${event}`)],
    ['CRLF', CAPTURED.map((event) => event.replaceAll('\n', '\r\n'))],
    ['a byte-order mark', ['\uFEFF', ...CAPTURED]],
    ['no space after the colon', CAPTURED.map((event) => event.replace('data: ', 'data:'))],
    ['usage sent twice, null before', CAPTURED.map((event) => event.replace('"choices"', '"usage":null,"choices"'))],
    ['nulls for absent members', [delta({ delta: { content: null, reasoning_content: null } }), ...CAPTURED]],
    ['more after its end', [...CAPTURED, delta({ delta: { content: 'x' } })]],
  ])('with %s is the same', async (_, pieces) => {
    expect(await take(await serveStream(pieces))).toEqual(WHOLE);
  });

  it('without usage is read without usage', async () => {
    const url = await serveStream([delta({ delta: { content: 'a' }, finish_reason: 'stop' }), 'data: [DONE]\n\n']);
    expect(await take(url)).toEqual({ content: 'a', finish_reason: 'stop', done: true });
  });

  it.each([
    ['that is cut', [...CAPTURED.slice(0, 4), undefined], 'interrupted'],
    ['with invalid JSON', ['data: {"choices":\n\n'], 'interrupted'],
    ['that is not an answer', ['data: [1]\n\n'], 'refused'],
    ['without an end of an event', ['data: ', 'x'.repeat(34_000_000)], 'refused'],
    [
      'that reports an overload',
      [...CAPTURED.slice(0, 5), 'data: {"error":{"type":"engine_overloaded_error","message":"m"}}\n\n'],
      'interrupted',
    ],
    [
      'that reports an overload before any text',
      ['data: {"error":{"type":"engine_overloaded_error","message":"m"}}\n\n'],
      'turned_away',
    ],
    ['with an error without a type', ['data: {"error":{"message":"m","type":null}}\n\n'], 'interrupted'],
    ['with an error', ['data: {"error":{"type":"content_filter","message":"m"}}\n\n'], 'refused'],
  ])('%s is incomplete', async (_, pieces, kind) => {
    const error = await failureOf(take(await serveStream(pieces)), KimiError);
    expect(error.kind).toBe(kind);
  });

  it('that is interrupted while its pieces are being recorded is read up to the interruption', async () => {
    const url = await serveStream([...CAPTURED.slice(0, 5), undefined]);
    const client = new StreamingClient({ apiUrl: `${url}/v1`, apiKey: KEY, stallMs: 5_000 });
    let content = '';
    const reading = async (): Promise<void> => {
      for await (const pieces of client.complete({}, new AbortController().signal, () => {})) {
        content += pieces.map((piece) => piece.content ?? '').join('');
        // A slow disk: by then the connection has closed.
        await pause(200);
      }
    };
    expect(await failureOf(reading(), KimiError)).toMatchObject({ kind: 'interrupted' });
    expect(content).toBe(WHOLE.content);
  });

  it('that stalls is detected', async () => {
    const url = await serve((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(CAPTURED[0]);
    });
    const error = await failureOf(take(url, { stallMs: 200 }), KimiError);
    expect(error).toMatchObject({ kind: 'interrupted', type: 'stalled' });
    expect(error.message).toContain('sent nothing for 0.2 s');
  });

  it('that sends only keep-alives is abandoned after 16 minutes, however short the intervals are', async () => {
    let passed = 0;
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + passed);
    onTestFinished(() => void vi.restoreAllMocks());
    const url = await serve((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(CAPTURED[3]);
      const timer = setInterval(() => {
        passed += 100_000;
        response.write(': keep-alive\n\n');
      }, 20);
      response.once('close', () => clearInterval(timer));
    });
    expect(await failureOf(take(url), KimiError)).toMatchObject({ kind: 'interrupted', type: 'stalled' });
    expect(passed).toBeGreaterThanOrEqual(960_000);
  });

  it('that is aborted is closed', async () => {
    const leaving = new AbortController();
    let closed = false;
    const url = await serve((request, response) => {
      request.resume();
      response.once('close', () => (closed = true));
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(CAPTURED[0]);
      setImmediate(() => leaving.abort(new Error('not wanted')));
    });
    await expect(take(url, { signal: leaving.signal })).rejects.toThrow('not wanted');
    await until(() => closed);
    expect(closed).toBe(true);
  });

  it('that quotes the key does not leak it', async () => {
    const answer = await take(await serveStream([delta({ delta: { content: `a ${KEY}` }, finish_reason: 'stop' })]));
    expect(answer.content).toBe('a [KIMI_API_KEY]');
    const refusal = { error: { type: 't', message: `not ${KEY}` } };
    const { url } = await serveAnswer(400, refusal, { 'content-type': 'application/json' });
    expect((await failureOf(take(url), KimiError)).message).toBe('Kimi answered 400: not [KIMI_API_KEY]');
  });
});

it('an answer in one piece, from a server that does not stream, is accepted', async () => {
  const answer = {
    ...head,
    choices: [
      { index: 0, message: { role: 'assistant', content: 'a', reasoning_content: 'r' }, finish_reason: 'stop' },
    ],
    usage: USAGE,
  };
  const { url } = await serveAnswer(200, answer, { 'content-type': 'application/json; charset=utf-8' });
  expect(await take(url)).toEqual({ content: 'a', reasoning: 'r', finish_reason: 'stop', usage: USAGE, done: true });
});

describe('a request', () => {
  it.each([
    ['to an address without a server', async () => UNREACHABLE, 'not_sent', false],
    ['that is cut', serveCut, 'outcome_unknown', true],
    ['answered by a gateway’s page', async () => (await serveAnswer(504, '<html>')).url, 'outcome_unknown', true],
    [
      'answered by neither stream nor answer',
      async () => (await serveAnswer(200, {}, { 'content-type': 'application/json' })).url,
      'outcome_unknown',
      true,
    ],
    [
      'answered by a web page that never ends',
      async () =>
        await serve((asked, response) => {
          asked.resume();
          response.writeHead(200, { 'content-type': 'text/html' }).write('<html>');
        }),
      'outcome_unknown',
      true,
    ],
    ['that is throttled', async () => (await serveAnswer(429, '')).url, 'turned_away', true],
    ['that is refused', async () => (await serveAnswer(404, '')).url, 'refused', true],
  ])('%s has its own kind of error', async (_, open, kind, isSent) => {
    let sent = false;
    const error = await failureOf(take(await open(), { onSent: () => (sent = true) }), KimiError);
    expect(error.kind).toBe(kind);
    expect(sent).toBe(isSent);
  });
});
