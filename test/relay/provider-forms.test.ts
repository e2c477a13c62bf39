/**
 * Every form of answer that servers were observed to send (src/simulator/forms.ts), each played to the relay: an answer that was
 * paid for arrives whole, or is not reported as done; nothing is paid twice; a failure carries the server's own message.
 */
import pLimit from 'p-limit';
import { expect, it } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import { FORM_WORDS, FORMS, WHOLE_FORMS } from '../../src/simulator/forms.ts';
import { openRelayedWorld, type RelayedWorld } from '../support/relay.ts';

interface Expected {
  result: (text: string) => object;
  /** Requests that the server got; default: 1. */
  requests?: number;
  /** Part of the error's message; default: the server's message, if there is an error. */
  words?: string;
  /** Default: a model with partial mode. */
  model?: string;
}

/** A model without partial mode. */
const CANNOT_RESUME = 'kimi-k3.1-pro';

const halfOf = (text: string): string => text.slice(0, Math.floor(text.length / 2));
const done =
  (extra: object = {}) =>
  (output: string) =>
    ({ status: 'done', output, ...extra }) satisfies Partial<ResultFile>;
const failed = (type?: string) => () => ({ status: 'failed', error: type ? { type } : {} });
const cut = (type: string) => (text: string) => ({ status: 'failed', error: { type }, partial_output: halfOf(text) });
const each = (names: string[], expected: Expected): Record<string, Expected> =>
  Object.fromEntries(names.map((name) => [name, expected]));
const startingWith = (prefix: string): string[] => Object.keys(FORMS).filter((name) => name.startsWith(prefix));

const EXPECTED: Record<string, Expected> = {
  ...each(WHOLE_FORMS, { result: done(), words: '' }),
  reasoning: { result: done({ reasoning: 'hm' }), words: '' },
  'reasoning-twice': { result: done({ reasoning: 'hm' }), words: '' },
  'parts-of-thinking': { result: done({ reasoning: 'hm' }), words: '' },
  'reasoning-alone': {
    result: () => ({ status: 'failed', error: { type: 'empty_answer' }, reasoning: 'hm', tokens: {} }),
    words: '',
  },
  'finish-length': {
    result: (text) => ({ status: 'done', output: halfOf(text), finish_reason: 'length' }),
    words: '',
  },
  'done-without-finish': { result: cut('interrupted'), words: 'without a finish_reason', model: CANNOT_RESUME },
  'finish-filter': { result: cut('content_filter'), words: 'content_filter' },
  'finish-tools': { result: cut('tool_calls'), words: 'tool_calls' },
  'finish-odd': { result: cut('unfinished_answer'), words: 'odd_reason' },
  ...each(startingWith('content-'), { result: cut('unreadable_answer'), words: 'cannot be read' }),
  ...each(startingWith('error-'), { result: cut('interrupted'), model: CANNOT_RESUME }),
  ...each(['resume-rest', 'resume-echo', 'resume-overlap'], {
    result: done({ interruptions: 1 }),
    requests: 2,
    words: '',
  }),
  'resume-anew': {
    result: (text) => ({ status: 'done', output: `${halfOf(text).slice(0, -5)}… and so on.` }),
    requests: 2,
    words: '',
  },
  // Only the model knows where its answer ends.
  'resume-nothing': {
    result: (text) => ({ status: 'done', output: halfOf(text), finish_reason: 'stop', interruptions: 1 }),
    requests: 2,
    words: '',
  },
  'resume-reasoning': { result: cut('interrupted'), requests: 2, words: 'returned no text' },
  'resume-refused': { result: cut('invalid_request_error'), requests: 2 },
  ...each(startingWith('refused-'), { result: failed() }),
  'no-money': { result: failed(), words: 'Insufficient balance' },
  ...each(startingWith('broken-'), { result: failed('interrupted') }),
  ...each(startingWith('busy-'), { result: done(), requests: 2, words: '' }),
};

it(
  'every form arrives whole or fails as truncated, is paid once, and is resumed if the model did not report its end',
  { timeout: 120_000 },
  async () => {
    expect(Object.keys(EXPECTED).toSorted()).toEqual(Object.keys(FORMS).toSorted());
    const world = await openRelayedWorld();
    // Many concurrently, but not all: on a busy machine heartbeats would be late.
    const limit = pLimit(8);
    const played = limit.map(Object.entries(EXPECTED), async ([name, expected]) => {
      const { result, requests = 1, words = FORM_WORDS, model = 'kimi-k2.6' } = expected;
      const times = name.startsWith('busy-') ? ' breaks=1' : '';
      const prompt = `Write a calculator. [[simulate: form=${name} delay=0 reasoning=0 mark=${name}${times}]]`;
      const started = await world.start(prompt, { model });
      await world.handle(started).result();
      const saved = await world.results.read(started.task_id);
      expect.soft(saved, `${name}: ${JSON.stringify(saved?.error)}`).toMatchObject(result(answerTo(prompt)));
      expect
        .soft(world.counts.completions.filter(({ mark }) => mark === name).length, `requests for ${name}`)
        .toBe(requests);
      expect.soft(saved?.error?.message ?? '', `words of ${name}`).toContain(words);
    });
    await Promise.all([played, resumesWhatDidNotEnd(world)]);
  },
);

/** An interrupted answer of a model that can resume, and that did not report its end, is resumed. */
async function resumesWhatDidNotEnd(world: RelayedWorld): Promise<void> {
  const prompt = 'Write a calculator. [[simulate: form=done-without-finish breaks=1 delay=0 reasoning=0]]';
  const started = await world.start(prompt);
  await world.handle(started).result();
  const result = await world.results.read(started.task_id);
  expect.soft(result, 'resumed').toMatchObject({ ...done({ interruptions: 1 })(answerTo(prompt)) });
}
