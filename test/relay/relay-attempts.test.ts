/** What the relay does after an interrupted answer, and the usage of all its requests together. */
import { describe, expect, it } from 'vitest';
import type { AnswerCallback } from '../../src/shared/callback.ts';
import type { RelayRequest } from '../../src/shared/relay.ts';
import { Answer, type Piece } from '../../src/relay/answer.ts';
import { requestsIn, textOf, type Attempt } from '../../src/relay/attempts.ts';
import { answered, failed } from '../../src/relay/callbacks.ts';
import { nextStep } from '../../src/relay/next-step.ts';
import { tokensIn } from '../../src/relay/token-estimate.ts';

const PROMPT = { role: 'user', content: 'x' };
const BODY: RelayRequest['body'] = { model: 'kimi-k3', messages: [PROMPT] };
const REQUEST: RelayRequest = { task_id: 'kimi-1-2', body: BODY };
const K31: RelayRequest['body'] = { ...BODY, model: 'kimi-k3.1-pro' };

const FUNCTIONS: RelayRequest['body'] = { ...BODY, tools: [{ type: 'function', function: { name: 'f' } }] };
const CALLS: Piece[] = [
  { content: 'I ask.', tool_calls: [{ index: 0, id: 'f:0', name: 'f', arguments: '{"a"' }] },
  { tool_calls: [{ index: 0, arguments: ':1}' }] },
  { tool_calls: [{ index: 1, name: 'f', arguments: '{}' }] },
  { finish_reason: 'tool_calls' },
];

function attempt(pieces: Piece[], changes: Partial<Attempt> = {}): Attempt {
  const answer = new Answer();
  for (const piece of pieces) answer.take(piece);
  return { continues: false, sent: true, answer, ...changes };
}

const unsent = attempt([], { sent: false });
const silent = attempt([]);
const spoken = attempt([{ reasoning: 'hm' }, { content: '1, 2' }]);
const going = attempt([{ content: ', 3' }], { continues: true });
const barren = attempt([], { continues: true });

/** Attempts that each received something. */
function asked(times: number): Attempt[] {
  return [spoken, ...Array<Attempt>(times - 1).fill(going)];
}

describe('the next step', () => {
  const restart = { do: 'ask', continues: false, keeps: true, body: BODY };
  const resumed = (content: string, reasoning_content: string) => ({
    do: 'ask',
    continues: true,
    keeps: true,
    body: { ...BODY, messages: [PROMPT, { role: 'assistant', content, reasoning_content, partial: true }] },
  });

  it.each([
    ['nothing yet', BODY, [], restart],
    ['a request that was not sent', BODY, [unsent], restart],
    ['a request without any response', BODY, [silent], { do: 'give up' }],
    ['a request of another machine', BODY, [undefined], { do: 'give up' }],
    ['reasoning alone: it would restart', BODY, [attempt([{ reasoning: 'hm' }])], { do: 'give up' }],
    ['text', BODY, [spoken], resumed('1, 2', 'hm')],
    ['text twice', BODY, [spoken, going], resumed('1, 2, 3', 'hm')],
    ['text, and another machine', BODY, [spoken, undefined], resumed('1, 2', 'hm')],
    ['text, and a request that was not sent', BODY, [spoken, { ...unsent, continues: true }], resumed('1, 2', 'hm')],
    [
      'text, and interruptions without new text',
      BODY,
      [spoken, ...Array<Attempt>(4).fill(barren)],
      resumed('1, 2', 'hm'),
    ],
    ['too many of them', BODY, [spoken, ...Array<Attempt>(5).fill(barren)], { do: 'give up' }],
    ['text of a model that cannot resume', K31, [spoken], { do: 'give up' }],
    ['text of an answer that may ask for functions', FUNCTIONS, [spoken], { do: 'give up' }],
    ['calls of functions, though [DONE] was lost', FUNCTIONS, [attempt(CALLS)], { do: 'finish' }],
    ['some of them', FUNCTIONS, [attempt(CALLS.slice(0, 2))], { do: 'give up' }],
    ['text that is JSON', { ...BODY, response_format: {} }, [spoken], { do: 'give up' }],
    ['the whole answer', BODY, [spoken, attempt([{ done: true }], { continues: true })], { do: 'finish' }],
    [
      'the whole answer of a model that cannot resume',
      K31,
      [attempt([{ content: '1' }, { done: true }])],
      { do: 'finish' },
    ],
  ])('after %s', (_, body, attempts, expected) => {
    expect(nextStep(body, attempts, 'fail')).toEqual(expected);
  });

  it('after twenty requests: gives up, however much each of them received', () => {
    expect(nextStep(BODY, asked(19), 'retry')).toMatchObject({ do: 'ask' });
    expect(nextStep(BODY, [...asked(19), { ...unsent, continues: true }], 'fail')).toMatchObject({ do: 'ask' });
    expect(nextStep(BODY, asked(20), 'retry')).toEqual({ do: 'give up' });
    expect(requestsIn([...asked(2), unsent, undefined])).toBe(3);
  });

  it('if the user has chosen to repeat the request: three times at most', () => {
    // A text that a client has seen may be replaced by another one.
    const again = { do: 'ask', continues: false, keeps: false, body: K31 };
    expect(nextStep(K31, [silent], 'retry')).toEqual(again);
    expect(nextStep(K31, [spoken, undefined, silent], 'retry')).toEqual(again);
    expect(nextStep(K31, [spoken, silent, silent, silent], 'retry')).toEqual({ do: 'give up' });
    // An answer that can be resumed is resumed anyway.
    expect(nextStep(BODY, [spoken], 'retry')).toMatchObject({ continues: true });
  });
});

describe('the callback', () => {
  it.each([
    ['tool_calls', 'tool_calls'],
    // As some servers say it.
    ['stop', 'tool_calls'],
    ['length', 'length'],
  ])('of an answer that ends with %s has the calls of functions', (finish_reason, expected) => {
    const asked = attempt([...CALLS.slice(0, -1), { finish_reason, done: true }]);
    const function_calls = [
      { id: 'f:0', name: 'f', arguments: '{"a":1}' },
      { id: 'call_1', name: 'f', arguments: '{}' },
    ];
    expect(answered({ ...REQUEST, body: FUNCTIONS }, [asked])).toMatchObject({
      choices: [{ message: { content: 'I ask.', function_calls }, finish_reason: expected }],
    });
    expect(answered(REQUEST, [attempt(CALLS)])).toMatchObject({ error: { type: 'tool_calls' } });
  });

  const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };
  const end: Piece[] = [{ finish_reason: 'stop', usage }, { done: true }];

  it('of an uninterrupted answer has Kimi’s own usage', () => {
    const attempts = [attempt([{ id: 'chatcmpl-1', model: 'kimi-k3' }, { reasoning: 'hm' }, { content: 'a' }, ...end])];
    expect(answered({ ...REQUEST, task_name: 'n' }, attempts)).toEqual({
      id: 'cmpl-1-2',
      model: 'kimi-k3',
      usage,
      choices: [{ message: { content: 'a', reasoning_content: 'hm' }, finish_reason: 'stop' }],
      metadata: { task_id: 'kimi-1-2', task_name: 'n' },
    });
  });

  it('of a resumed answer has the whole text, and the usage of all requests', () => {
    const first = attempt([{ reasoning: 'r'.repeat(40) }, { content: 'a'.repeat(80) }]);
    const second = attempt([{ content: 'b'.repeat(40) }], { continues: true });
    const last = attempt([{ content: 'c' }, ...end], { continues: true });
    const callback = answered(REQUEST, [first, second, last]) as AnswerCallback;
    expect(callback.choices[0]?.message).toEqual({
      content: `${'a'.repeat(80)}${'b'.repeat(40)}c`,
      reasoning_content: 'r'.repeat(40),
    });
    expect(callback.interruptions).toBe(2);
    // The last prompt holds 40 tokens of text: the prompt itself has 60. Then 60 + (60 + 30) + 100, and 30 + 10 + 10.
    expect(callback.usage).toEqual({ prompt_tokens: 250, completion_tokens: 50, total_tokens: 300 });
  });

  it('of a restarted answer has the last text, and the usage of all requests', () => {
    const last = attempt([{ content: 'c' }, ...end]);
    const callback = answered(REQUEST, [attempt([{ content: 'a'.repeat(80) }]), unsent, last]) as AnswerCallback;
    expect(callback.choices[0]?.message.content).toBe('c');
    expect(callback.usage).toEqual({ prompt_tokens: 200, completion_tokens: 30, total_tokens: 230 });
  });

  it('has an estimate if Kimi sent no usage', () => {
    const request = { ...REQUEST, body: { ...BODY, messages: [{ role: 'user', content: 'x'.repeat(12) }] } };
    const callback = answered(request, [attempt([{ content: 'a'.repeat(80) }, { done: true }])]) as AnswerCallback;
    expect(callback.usage).toEqual({ prompt_tokens: 3, completion_tokens: 20, total_tokens: 23 });
  });

  it('estimates the text of a prompt, but not its picture', () => {
    const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(4_000)}` } };
    const content = [picture, { type: 'text', text: 'x'.repeat(40) }];
    const request = { ...REQUEST, body: { ...BODY, messages: [{ role: 'user', content }] } };
    expect(answered(request, [attempt([{ content: 'a' }, { done: true }])])).toMatchObject({
      usage: { prompt_tokens: 10 },
    });
  });

  it('of an empty answer is an error; of one that ran out of tokens, the answer', () => {
    expect(answered(REQUEST, [attempt(end)])).toMatchObject({ error: { type: 'empty_answer' } });
    const cut = attempt([{ reasoning: 'hm' }, { finish_reason: 'length', usage }, { done: true }]);
    expect(answered(REQUEST, [cut])).toMatchObject({
      choices: [{ message: { content: '' }, finish_reason: 'length' }],
    });
  });

  it('of an answer that broke after its last character is the answer, if its continuation ends without a word', () => {
    const rest = (pieces: Piece[]) => answered(REQUEST, [spoken, attempt(pieces, { continues: true })]);
    const whole = { choices: [{ message: { content: '1, 2', reasoning_content: 'hm' }, finish_reason: 'stop' }] };
    expect(rest(end)).toMatchObject({ ...whole, interruptions: 1 });
    expect(rest([{ finish_reason: 'length', usage }])).toMatchObject({ choices: [{ finish_reason: 'length' }] });
    // Reasoning about the rest is none.
    expect(rest([{ reasoning: 'and' }, ...end])).toMatchObject({ error: { type: 'interrupted' }, partial: '1, 2' });
    // Reasoning alone is no answer that could be continued.
    expect(answered(REQUEST, [attempt([{ reasoning: 'hm' }]), attempt(end, { continues: true })])).toMatchObject({
      error: { type: 'empty_answer' },
    });
  });

  it('of a failure has the reason and the partial answer', () => {
    const error = { type: 'interrupted', message: 'm' };
    expect(failed(REQUEST, error, [spoken, going])).toEqual({
      id: 'cmpl-1-2',
      model: 'kimi-k3',
      error,
      metadata: { task_id: 'kimi-1-2' },
      partial: '1, 2, 3',
      partial_reasoning: 'hm',
      interruptions: 1,
      // The prompt twice, and the earlier text once more; two pieces of text and the reasoning.
      usage: { prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 },
    });
    // It is unknown whether anything was paid.
    expect(failed(REQUEST, error, [silent])).toEqual({
      id: 'cmpl-1-2',
      model: 'kimi-k3',
      error,
      metadata: { task_id: 'kimi-1-2' },
    });
    expect(failed(REQUEST, error, [attempt(end)])).toMatchObject({ usage });
  });
});

it('the text is what came since the last restart of the answer', () => {
  expect(textOf([spoken, going, spoken, undefined])).toEqual({ content: '1, 2', reasoning: 'hm' });
  expect(textOf([undefined])).toEqual({ content: '', reasoning: '' });
});

describe('progress', () => {
  it('has the phase, the tokens so far and the last words', () => {
    const answer = new Answer();
    expect(answer.progress).toEqual({ phase: 'waiting', tokens: 0, tail: '' });
    answer.take({ reasoning: 'hmmm' });
    expect(answer.progress).toEqual({ phase: 'reasoning', tokens: 1, tail: 'hmmm' });
    for (let n = 0; n < 300; n += 1) answer.take({ content: `${n} ` });
    const { phase, tail } = answer.progress;
    expect(phase).toBe('answering');
    expect(tail).toHaveLength(200);
    expect(tail.endsWith('298 299 ')).toBe(true);
  });

  it('never shows half of a character', () => {
    const answer = new Answer();
    answer.take({ content: `${'😀'.repeat(150)}!` });
    expect(answer.progress.tail).toBe(`${'😀'.repeat(99)}!`);
  });

  it('matches the estimate of the whole answer, however it is split', () => {
    const text = 'def f(): 寫一個 Python 計算器 😀';
    const answer = new Answer();
    for (const character of text) answer.take({ content: character });
    expect(answer.tokens).toBeCloseTo(tokensIn(text));
  });
});

function took(text: string): Answer {
  const answer = new Answer();
  for (let at = 0; at < text.length; at += 7) answer.take({ content: text.slice(at, at + 7) });
  return answer;
}

describe('a repeating answer', () => {
  it.each([
    ['one character', '-'.repeat(6_000)],
    ['a sentence', `A true beginning. ${'I will now do it. '.repeat(400)}`],
    ['paragraphs', `${'x'.repeat(700)}y`.repeat(10)],
  ])('of %s is detected', (_, text) => {
    expect(took(text).progress).toMatchObject({ repeats: true });
  });

  it.each([
    ['numbered lines', Array.from({ length: 2_000 }, (_, n) => `- item ${n}\n`).join('')],
    ['a rule', `text ${'-'.repeat(2_000)}`],
    ['a repetition that ended', `${'again '.repeat(900)}${Array.from({ length: 900 }, (_, n) => n).join(' ')}`],
  ])('is not detected in %s', (_, text) => {
    expect(took(text).progress).not.toHaveProperty('repeats');
  });
});
