/**
 * The tests of OpenAI's own packages, played to the relay's reader: recorded streams of the API (test/fixtures/openai), and
 * the framings of their tests. What the packages read as an answer is read identically; what they reject is no answer here either.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { KimiError } from '../../src/kimi/errors.ts';
import { failureOf } from '../support/answering.ts';
import { cutInto, serveStream, take } from '../support/streams.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/openai');
const RECORDED = (await readdir(FIXTURES)).filter((name) => name.endsWith('.sse'));

/** The result of the package. */
async function readByPackage(bytes: Buffer) {
  const headers = { 'content-type': 'text/event-stream' };
  const openai = new OpenAI({
    apiKey: 'sk-1',
    fetch: async () => await Promise.resolve(new Response(bytes, { headers })),
  });
  return await openai.chat.completions.stream({ model: 'gpt-4o', messages: [] }).finalChatCompletion();
}

describe('a recorded stream', () => {
  it.each(RECORDED)('%s is read as the package reads it, however it is split', async (name) => {
    const bytes = await readFile(join(FIXTURES, name));
    const { choices, usage } = await readByPackage(bytes);
    const [choice] = choices;
    const words = choice?.message.content ?? choice?.message.refusal;
    expect(choice?.finish_reason).toBeTruthy();
    for (const size of [7, 1_000, bytes.length]) {
      const read = await take(await serveStream(cutInto(bytes, size)));
      expect(read).toMatchObject({ finish_reason: choice?.finish_reason, usage, done: true });
      expect(read.content ?? '').toBe(words ?? '');
    }
  });

  it('of every kind exists', () => expect(RECORDED).toHaveLength(16));
});

const chunk = (content: string, finish_reason: string | null = null): string =>
  JSON.stringify({ id: 'chatcmpl-1', model: 'gpt-4o', choices: [{ index: 0, delta: { content }, finish_reason }] });
const event = (data: string, name?: string): string =>
  `${name === undefined ? '' : `event: ${name}\n`}data: ${data}\n\n`;
const END = event(chunk('', 'stop')) + event('[DONE]');
const failure = {
  message: 'The synthetic provider rejected this streamed request.',
  code: 'provider_error',
  type: 'server_error',
};

/** Each with its source, a file of `openai-node` (tests/) or `openai-python` (tests/), and its content. */
const FRAMINGS: [what: string, from: string, stream: (string | Buffer)[], content: string][] = [
  ['a named event', 'streaming.test.ts: basic', [event(chunk('a'), 'completion'), END], 'a'],
  [
    'events without data',
    'streaming.test.ts: multiple events',
    ['event: foo\n\nevent: ping\n\n', event(chunk('a')), END],
    'a',
  ],
  [
    'data on several lines, some of them empty',
    'streaming.test.ts: multiple data lines with empty line',
    [`event: ping\ndata: {\ndata: "choices":\ndata: \ndata:\ndata: [{"delta":{"content":"a"}}]}\n\n\n`, END],
    'a',
  ],
  [
    'escaped empty lines',
    'streaming.test.ts: data json escaped double new line',
    [event(chunk('my long\n\ncontent')), END],
    'my long\n\ncontent',
  ],
  [
    'a line separator of Unicode',
    'streaming.test.ts: special new line characters',
    [event(chunk('culpa \u2028foo')), END],
    'culpa \u2028foo',
  ],
  [
    'characters cut in two',
    'streaming.test.ts: multi-byte characters across chunks',
    cutInto(Buffer.from(event(chunk('известни')) + END), 1),
    'известни',
  ],
  [
    'CR alone, byte by byte',
    'lib/streaming-core.test.ts: carriage-return separators',
    cutInto(Buffer.from((event(chunk('a')) + event(chunk('b')) + END).replaceAll('\n', '\r')), 1),
    'ab',
  ],
  [
    'LF and then CRLF',
    'lib/streaming-core.test.ts: LF followed by CRLF',
    [`data: ${chunk('a')}\n\r\n`, `data: ${chunk('b')}\r\n\n`, END],
    'ab',
  ],
  [
    'CRLF cut behind CR',
    'lib/streaming-core.test.ts: no phantom event',
    [`data: ${chunk('a')}\r\n\r`, `\ndata: ${chunk('b')}\r`, '\n\r\n', END],
    'ab',
  ],
  [
    'comments',
    'lib/streaming-core.test.ts: ignores comments',
    [`: keepalive\r\nevent: update\r\ndata: ${chunk('a')}\r\n\r\n`, END],
    'a',
  ],
  [
    'many meaningless lines',
    'test_sse_framing.py: test_ignored_lines_are_discarded_incrementally',
    [':x\n'.repeat(10_000), 'ignored:x\n'.repeat(10_000), `data:${chunk('a')}\n`, '\n', END],
    'a',
  ],
  [
    'a large event',
    'test_sse_framing.py: test_large_legitimate_events',
    cutInto(Buffer.from(event(chunk('x'.repeat(2 * 1024 * 1024))) + END), 4_093 * 16),
    'x'.repeat(2 * 1024 * 1024),
  ],
  [
    'an end that is not closed',
    'test_sse_framing.py: test_mixed_endings_utf8_and_eof',
    [event(chunk('a')), `data: ${chunk('b', 'stop')}`],
    'ab',
  ],
  [
    'an end without a space',
    'lib/streaming-sentinel-integrity.test.ts: exact completion',
    [event(chunk('a', 'stop')), 'data:[DONE]\r\n\r\n'],
    'a',
  ],
  [
    'an error behind the end',
    'lib/streaming-sentinel-integrity.test.ts: after genuine completion',
    [event(chunk('a')), END, event(JSON.stringify({ error: failure }), 'error')],
    'a',
  ],
];

it.each(FRAMINGS)('%s (%s) is read', async (_what, _from, stream, content) => {
  expect(await take(await serveStream(stream))).toMatchObject({ content, finish_reason: 'stop', done: true });
});

/** The same for failures: an answer had begun, and the stream claimed to be done. */
const FAILURES: [what: string, from: string, stream: string, words: string][] = [
  [
    'a named error',
    'lib/streaming-named-error-events.test.ts: flat',
    event(JSON.stringify(failure), 'error'),
    failure.message,
  ],
  [
    'a named error, nested',
    'lib/streaming-named-error-events.test.ts: nested',
    event(JSON.stringify({ error: failure }), 'error'),
    failure.message,
  ],
  [
    'an error, nested',
    'lib/streaming-core.test.ts: typed API errors',
    event(JSON.stringify({ error: failure })),
    failure.message,
  ],
  [
    'an error with words around it',
    'lib/streaming-named-error-events.test.ts: wrapper',
    event(
      JSON.stringify({ message: 'The wrapper supplied the provider failure.', error: { code: 'nested' } }),
      'error',
    ),
    'The wrapper supplied the provider failure.',
  ],
  [
    'an error that is a string',
    'lib/streaming-named-error-events.test.ts: string',
    event('"a provider failed"', 'error'),
    'a provider failed',
  ],
  ['an error that is a number', 'lib/streaming-named-error-events.test.ts: number', event('42', 'error'), '42'],
  ['an error that is null', 'lib/streaming-named-error-events.test.ts: null', event('null', 'error'), 'error'],
  [
    'an end with text behind it',
    'lib/streaming-sentinel-integrity.test.ts: appended text',
    event('[DONE]malicious'),
    'not JSON',
  ],
  [
    'an end on the first of two lines',
    'lib/streaming-sentinel-integrity.test.ts: multiline',
    'data: [DONE]\ndata: {"a":1}\n\n',
    'not JSON',
  ],
  ['an event that is not JSON', 'lib/streaming-core.test.ts: malformed JSON', event('{bad-json}'), 'not JSON'],
];

it.each(FAILURES)('%s (%s) is no answer, and its message is reported', async (_what, _from, stream, words) => {
  const url = await serveStream([event(chunk('half')), stream, event('[DONE]')]);
  const error = await failureOf(take(url), KimiError);
  expect(error.kind).toBe('interrupted');
  expect(error.message).toContain(words);
});
