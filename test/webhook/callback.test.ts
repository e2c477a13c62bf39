/** Which bodies are callbacks. */
import { describe, expect, it } from 'vitest';
import { MalformedCallback, parseCallback, parseDirectAnswer } from '../../src/kimi/answer.ts';

const TASK_ID = 'kimi-1707654321-12345';
/** The callback of docs/http-api.md. */
const ANSWER = {
  id: 'cmpl-1707654360-abc123',
  model: 'moonshot-v1-128k',
  usage: { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 },
  choices: [{ message: { content: '答案' } }],
  metadata: { task_id: TASK_ID, task_name: 'calculator' },
};
const ERROR = { error: { type: 'content_filter', message: 'high risk' }, metadata: { task_id: TASK_ID } };

const without = (member: keyof typeof ANSWER): unknown => ({ ...ANSWER, [member]: undefined });
const usage = (changes: Record<string, unknown>): unknown => ({ ...ANSWER, usage: { ...ANSWER.usage, ...changes } });
const content = (value: unknown): unknown => ({ ...ANSWER, choices: [{ message: { content: value } }] });

describe('an answer', () => {
  it('in the form of docs/http-api.md is read unchanged', () => {
    expect(parseCallback(ANSWER)).toEqual(ANSWER);
  });

  it('keeps its finish_reason and all its choices', () => {
    const choices = [{ message: { content: 'a' }, finish_reason: 'length' }, { message: { content: 'b' } }];
    expect(parseCallback({ ...ANSWER, choices })).toEqual({ ...ANSWER, choices });
  });

  it('without total_tokens gets their sum', () => {
    expect(parseCallback(usage({ total_tokens: undefined }))).toEqual(ANSWER);
    expect(parseCallback(usage({ prompt_tokens: 0, completion_tokens: 0, total_tokens: undefined }))).toMatchObject({
      usage: { total_tokens: 0 },
    });
  });

  it('keeps a total_tokens that differs from the sum: the provider counts', () => {
    expect(parseCallback(usage({ total_tokens: 7 }))).toMatchObject({ usage: { total_tokens: 7 } });
  });

  it('loses unknown members, at every depth', () => {
    const body = {
      ...ANSWER,
      object: 'chat.completion',
      created: 1_788_306_762,
      usage: { ...ANSWER.usage, queue_ms: 3, completion_tokens_details: { accepted_prediction_tokens: 1 } },
      choices: [{ index: 0, message: { role: 'assistant', content: '答案', tool_calls: null }, logprobs: null }],
      metadata: { ...ANSWER.metadata, more: 1 },
    };
    expect(parseCallback(body)).toStrictEqual(ANSWER);
  });

  it('keeps reasoning apart from output, with the numbers of cached and reasoning tokens', () => {
    const details = {
      prompt_tokens_details: { cached_tokens: 93 },
      completion_tokens_details: { reasoning_tokens: 38 },
    };
    const choices = [{ message: { content: '答案', reasoning_content: '想了想' }, finish_reason: 'stop' }];
    const body = { ...ANSWER, choices, usage: { ...ANSWER.usage, ...details } };
    // Kimi reports it in two places; either is enough.
    expect(parseCallback({ ...body, usage: { ...body.usage, cached_tokens: 93 } })).toStrictEqual(body);
    const once = { ...ANSWER.usage, cached_tokens: 93, completion_tokens_details: details.completion_tokens_details };
    expect(parseCallback({ ...body, usage: once })).toStrictEqual(body);
  });

  it.each([
    ['cached_tokens', { cached_tokens: -1 }],
    ['prompt_tokens_details', { prompt_tokens_details: { cached_tokens: 'many' } }],
    ['completion_tokens_details', { completion_tokens_details: 7 }],
  ])('is accepted with invalid details: %s', (_what, details) => {
    expect(parseCallback(usage(details))).toStrictEqual(ANSWER);
  });

  it('is accepted if its reasoning is empty or not a string', () => {
    for (const reasoning_content of [null, 7, '']) {
      const choices = [{ message: { content: '答案', reasoning_content } }];
      expect(parseCallback({ ...ANSWER, choices })).toStrictEqual(ANSWER);
    }
  });

  it('may be empty if the model used up its tokens on reasoning: it is paid for', () => {
    const choices = [{ message: { content: '', reasoning_content: '想了又想' }, finish_reason: 'length' }];
    expect(parseCallback({ ...ANSWER, choices })).toStrictEqual({ ...ANSWER, choices });
    expect(parseDirectAnswer({ ...ANSWER, choices }, TASK_ID)).toMatchObject({ choices });
  });

  it('with "error": null is an answer', () => {
    expect(parseCallback({ ...ANSWER, error: null })).toEqual(ANSWER);
    expect(parseCallback({ ...ANSWER, error: null })).not.toHaveProperty('error');
  });

  it.each(['1788306762', '-5', '0.5', '9007199254740993', '1e300', '1e999', 'null', '"yesterday"'])(
    'is accepted whatever its unused members contain: %s',
    (value) => {
      const unused = `"created":${value},"object":${value},"interruptions":${value.replace(/^\d.*/, '1e999')}`;
      expect(parseCallback(JSON.parse(`${JSON.stringify(ANSWER).slice(0, -1)},${unused}}`))).toEqual(ANSWER);
    },
  );

  it('with half of a surrogate pair is stored as valid UTF-8', () => {
    const broken = 'a\ud83d';
    const choices = [{ message: { content: broken, reasoning_content: broken }, finish_reason: broken }];
    const body = { ...ANSWER, id: broken, model: broken, choices, metadata: { task_id: TASK_ID, task_name: broken } };
    const failed = { ...ERROR, error: { type: broken, message: broken }, partial: broken, partial_reasoning: broken };
    for (const callback of [parseCallback(body), parseDirectAnswer(body, TASK_ID), parseCallback(failed)]) {
      expect(JSON.stringify(callback)).toContain('a\ufffd');
      expect(JSON.stringify(callback)).not.toMatch(/\\ud83d/i);
    }
  });

  it('needs no task_name', () => {
    expect(parseCallback({ ...ANSWER, metadata: { task_id: TASK_ID } })).toMatchObject({
      metadata: { task_id: TASK_ID },
    });
  });
});

describe('an error callback', () => {
  it('needs no id and no model', () => {
    expect(parseCallback(ERROR)).toEqual(ERROR);
  });

  it('keeps id and model, and loses other members', () => {
    const known = { ...ERROR, id: 'cmpl-1', model: 'kimi-k3' };
    expect(parseCallback({ ...known, created: 'yesterday', usage: null })).toEqual(known);
  });

  it('may have an empty message', () => {
    const error = { type: 'server_error', message: '' };
    expect(parseCallback({ ...ERROR, error })).toMatchObject({ error });
  });
});

describe('an invalid body is refused, naming what is wrong', () => {
  it.each([
    ['null', null, 'body'],
    ['a string', 'hello', 'body'],
    ['a number', 7, 'body'],
    ['an array', [ANSWER], 'body'],
    ['nothing', undefined, 'body'],
    ['an empty object', {}, 'choices'],
    ['no id', without('id'), 'id'],
    ['an empty id', { ...ANSWER, id: '' }, 'id'],
    ['a number as id', { ...ANSWER, id: 1 }, 'id'],
    ['no model', without('model'), 'model'],
    ['an empty model', { ...ANSWER, model: '' }, 'model'],
    ['no usage', without('usage'), 'usage'],
    ['null as usage', { ...ANSWER, usage: null }, 'usage'],
    ['no prompt_tokens', usage({ prompt_tokens: undefined }), 'usage.prompt_tokens'],
    ['negative prompt_tokens', usage({ prompt_tokens: -1 }), 'usage.prompt_tokens'],
    ['fractional completion_tokens', usage({ completion_tokens: 1.5 }), 'usage.completion_tokens'],
    ['completion_tokens as text', usage({ completion_tokens: '1300' }), 'usage.completion_tokens'],
    ['negative total_tokens', usage({ total_tokens: -1500 }), 'usage.total_tokens'],
    ['fractional total_tokens', usage({ total_tokens: 0.5 }), 'usage.total_tokens'],
    ['infinite tokens', usage({ total_tokens: Infinity }), 'usage.total_tokens'],
    ['tokens beyond counting', usage({ prompt_tokens: 2 ** 60 }), 'usage.prompt_tokens'],
    ['no choices', without('choices'), 'choices'],
    ['empty choices', { ...ANSWER, choices: [] }, 'choices'],
    ['choices that are not an array', { ...ANSWER, choices: { 0: ANSWER.choices[0] } }, 'choices'],
    ['null as a choice', { ...ANSWER, choices: [null] }, 'choices.0'],
    ['a choice without message', { ...ANSWER, choices: [{}] }, 'choices.0.message'],
    ['no content', content(undefined), 'choices.0.message.content'],
    ['empty content', content(''), 'choices.0.message.content'],
    [
      'empty content that is reported as complete',
      { ...ANSWER, choices: [{ message: { content: '' }, finish_reason: 'stop' }] },
      'choices.0.message.content',
    ],
    ['null as content', content(null), 'choices.0.message.content'],
    ['content in parts', content([{ type: 'text', text: 'a' }]), 'choices.0.message.content'],
    ['a wrong second choice', { ...ANSWER, choices: [...ANSWER.choices, {}] }, 'choices.1.message'],
    [
      'a number as finish_reason',
      { ...ANSWER, choices: [{ ...ANSWER.choices[0], finish_reason: 1 }] },
      'choices.0.finish_reason',
    ],
    ['no metadata', without('metadata'), 'metadata'],
    ['text as metadata', { ...ANSWER, metadata: TASK_ID }, 'metadata'],
    ['metadata without task_id', { ...ANSWER, metadata: {} }, 'metadata.task_id'],
    ['a number as task_id', { ...ANSWER, metadata: { task_id: 1 } }, 'metadata.task_id'],
    ['a number as task_name', { ...ANSWER, metadata: { task_id: TASK_ID, task_name: 1 } }, 'metadata.task_name'],
    ['error and choices together', { ...ANSWER, ...ERROR }, 'choices'],
    ['an error as text', { ...ERROR, error: 'no' }, 'error'],
    ['an error without type', { ...ERROR, error: { message: 'no' } }, 'error.type'],
    ['an error with an empty type', { ...ERROR, error: { type: '', message: 'no' } }, 'error.type'],
    ['an error without message', { ...ERROR, error: { type: 'no' } }, 'error.message'],
    ['an error without metadata', { error: ERROR.error }, 'metadata'],
    ['"error": false', { ...ANSWER, error: false }, 'error'],
    ['"error": null and no choices', { ...ERROR, error: null }, 'choices'],
  ])('%s', (_what, body, member) => {
    expect(() => parseCallback(body)).toThrow(MalformedCallback);
    expect(() => parseCallback(body)).toThrow(new RegExp(`(?:^|; )${member.replaceAll('.', '\\.')}: `));
  });

  it('names all problems together', () => {
    const message = /^id: .*; usage: .*; choices: .*; metadata: [^;]*$/;
    expect(() => parseCallback({ model: 'kimi-k3' })).toThrow(message);
  });
});

describe('an answer in the response to the dispatch call', () => {
  it('is read, and belongs to the task that was sent', () => {
    const body = { ...ANSWER, created: 1, metadata: { task_id: 'kimi-1-1' }, object: 'chat.completion' };
    expect(parseDirectAnswer(body, TASK_ID)).toEqual({ ...ANSWER, metadata: { task_id: TASK_ID } });
    expect(parseDirectAnswer(without('metadata'), TASK_ID)).toEqual({ ...ANSWER, metadata: { task_id: TASK_ID } });
  });

  it.each([
    ['an API id alone', { id: 'cmpl-1' }],
    ['an empty content', content('')],
    ['no usage', without('usage')],
    ['an error', ERROR],
    ['null', null],
    ['nothing', undefined],
  ])('is refused with %s', (_what, body) => {
    expect(parseDirectAnswer(body, TASK_ID)).toBeUndefined();
  });
});
