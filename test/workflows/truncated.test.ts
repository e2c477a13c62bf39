/** Reasoning, and truncated answers: reasoning is stored apart from the output, and a truncated answer is never reported as complete. */
import { describe, expect, it } from 'vitest';
import { request } from 'undici';
import { ResultStore } from '../../src/results/store.ts';
import { sign } from '../../src/webhook/signature.ts';
import { callbackFor, passOn } from '../support/callback.ts';
import { cleanHome, resultsOf } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { SECRET } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const USAGE = {
  prompt_tokens: 93,
  completion_tokens: 54,
  total_tokens: 147,
  cached_tokens: 93,
  completion_tokens_details: { reasoning_tokens: 54 },
};

it('reasoning and the number of cached tokens come through the webhook into the result, beside the output', async () => {
  const world = await openWorld();
  const started = await world.start('x [[simulate: drop=1]]');
  const body = JSON.stringify({
    ...callbackFor(started.task_id),
    model: 'kimi-k3',
    usage: USAGE,
    choices: [{ message: { content: '答案', reasoning_content: '想了想' }, finish_reason: 'stop' }],
  });
  const { statusCode } = await request(`${world.webhookUrl}/kimi/webhook/${started.task_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-kimi-signature': sign(body, SECRET) },
    body,
  });
  expect(statusCode).toBe(200);
  await world.handle(started).result();
  expect(await world.results.read(started.task_id)).toMatchObject({
    model: 'kimi-k3',
    output: '答案',
    reasoning: '想了想',
    tokens: { prompt: 93, completion: 54, total: 147, cached: 93, reasoning: 54 },
    finish_reason: 'stop',
  });
});

it('an answer of nothing but reasoning is stored: it is paid for', async () => {
  const world = await openWorld();
  const started = await world.start('x [[simulate: drop=1]]');
  const choices = [{ message: { content: '', reasoning_content: '想了又想' }, finish_reason: 'length' }];
  await passOn(world.handle(started), { ...callbackFor(started.task_id), choices });
  expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
  const result = await world.results.read(started.task_id);
  expect(result).toMatchObject({ output: '', reasoning: '想了又想', finish_reason: 'length' });
  expect(await world.view(started)).toMatchObject({ state: 'done', finish_reason: 'length' });
  const metadata = await world.handle(started).query<{ currentDetails: string }>('__temporal_workflow_metadata');
  expect(metadata.currentDetails).toContain('**完成，答案被截斷**');
});

it('an answer without details has none in the result', async () => {
  const world = await openWorld();
  const started = await world.start('x');
  await world.handle(started).result();
  const result = await world.results.read(started.task_id);
  expect(Object.keys(result?.tokens ?? {})).toEqual(['prompt', 'completion', 'total']);
  expect(result).not.toHaveProperty('reasoning');
  expect(result).not.toHaveProperty('cost');
});

describe('a truncated answer is marked as truncated', () => {
  it.each([
    ['zh-TW', '完成，答案被截斷', '答案被截斷：達到 Token 上限', '費用'],
    ['en', 'done, cut off', 'The answer is cut off', 'Cost'],
  ])('in status, inbox and result, in %s', async (KIMI_LANG, state, sentence, cost) => {
    const env = await cleanHome({ KIMI_LANG, TEMPORAL_ADDRESS: '127.0.0.1:1' });
    const task_id = 'kimi-1-1';
    const store = new ResultStore(resultsOf(env));
    await store.persist({
      task_id,
      task_name: 'calculator',
      status: 'done',
      model: 'kimi-k3',
      output: '一半',
      tokens: { prompt: 93, completion: 54, total: 147 },
      cost: { amount: 0.005586, currency: 'CNY', price_date: '2026-09-01' },
      finish_reason: 'length',
      created_at: '2026-02-17T15:30:00Z',
    });
    const status = await inProcess(['status', task_id], env);
    expect(status.stdout).toContain(state);
    expect(status.stdout).toContain(sentence);
    expect(status.stdout).toMatch(new RegExp(`${cost} +¥0\\.005586.*2026-09-01`));
    expect(JSON.parse((await inProcess(['status', task_id, '--json'], env)).stdout)).toMatchObject({
      finish_reason: 'length',
      cost: { amount: 0.005586, currency: 'CNY' },
    });
    expect((await inProcess(['inbox'], env)).stdout).toContain(state);
    const result = await inProcess(['result', task_id], env);
    expect(result).toMatchObject({ code: 0, stdout: '一半\n', stderr: expect.stringContaining(sentence) });
    expect((await inProcess(['result', task_id, '--json'], env)).stdout).toContain('"price_date": "2026-09-01"');
  });
});
