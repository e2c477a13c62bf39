import { describe, expect, it } from 'vitest';
import { MalformedCallback, parseCallback, parseDirectAnswer } from '../src/callback.ts';

const answer = {
  id: 'cmpl-1707654360-abc123',
  model: 'moonshot-v1-128k',
  usage: { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 },
  choices: [{ message: { content: '答案' }, finish_reason: 'stop' }],
  metadata: { task_id: 'kimi-1707654321-12345', task_name: 'calculator' },
};
const failure = { error: { type: 'content_filter', message: 'high risk' }, metadata: answer.metadata };

describe('a callback', () => {
  it('of the contract is taken as it is', () => {
    expect(parseCallback(answer)).toEqual(answer);
    expect(parseCallback(failure)).toEqual(failure);
  });

  it('loses what nobody asked for', () => {
    const rich = { ...answer, created: 1707654360, object: 'chat.completion', extra: { secret: 1 } };
    expect(parseCallback(rich)).toEqual(answer);
    expect(parseCallback({ ...failure, stack: 'x' })).toEqual(failure);
  });

  it('with error: null is an answer', () => {
    expect(parseCallback({ ...answer, error: null })).toEqual(answer);
  });

  it('without a total has it computed', () => {
    const usage = { prompt_tokens: 2, completion_tokens: 3 };
    expect(parseCallback({ ...answer, usage })).toMatchObject({ usage: { total_tokens: 5 } });
  });

  it.each([
    ['nothing', undefined, 'body'],
    ['null', null, 'body'],
    ['an array', [], 'body'],
    ['a string', 'x', 'body'],
    ['no id', { ...answer, id: undefined }, 'id'],
    ['no model', { ...answer, model: '' }, 'model'],
    ['no usage', { ...answer, usage: undefined }, 'usage'],
    ['negative tokens', { ...answer, usage: { ...answer.usage, prompt_tokens: -1 } }, 'usage.prompt_tokens'],
    ['half a token', { ...answer, usage: { ...answer.usage, total_tokens: 0.5 } }, 'usage.total_tokens'],
    [
      'tokens in words',
      { ...answer, usage: { ...answer.usage, completion_tokens: 'many' } },
      'usage.completion_tokens',
    ],
    ['no choices', { ...answer, choices: [] }, 'choices'],
    ['empty content', { ...answer, choices: [{ message: { content: '' } }] }, 'choices.0.message.content'],
    ['content that is no text', { ...answer, choices: [{ message: { content: 1 } }] }, 'choices.0.message.content'],
    ['a clock before all clocks', { ...answer, created: -5 }, 'created'],
    ['a clock in words', { ...answer, created: 'yesterday' }, 'created'],
    ['no metadata', { ...answer, metadata: undefined }, 'metadata'],
    ['no task id', { ...answer, metadata: {} }, 'metadata.task_id'],
    ['both an answer and an error', { ...answer, error: failure.error }, 'choices'],
    ['an error without a type', { ...failure, error: { message: 'x' } }, 'error.type'],
    ['an error in words', { ...failure, error: 'x' }, 'error'],
  ])('with %s is refused, naming the member', (_name, json, member) => {
    expect(() => parseCallback(json)).toThrow(MalformedCallback);
    expect(() => parseCallback(json)).toThrow(new RegExp(`(^|; )${member.replaceAll('.', '\\.')}:`));
  });
});

describe('an answer in place', () => {
  it('is taken for the task that asked', () => {
    const { metadata: _metadata, ...direct } = answer;
    expect(parseDirectAnswer(direct, 'kimi-1-1')).toEqual({ ...direct, metadata: { task_id: 'kimi-1-1' } });
  });

  it.each([undefined, {}, { id: 'cmpl-1' }, failure])('is not seen in %j', (json) => {
    expect(parseDirectAnswer(json, 'kimi-1-1')).toBeUndefined();
  });
});
