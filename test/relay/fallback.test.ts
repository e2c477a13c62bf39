/** What is asked while Kimi is overloaded (`KIMI_FALLBACK`): nothing is paid twice, and the user is told who answered. */
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { fallbackFor } from '../../src/kimi/fallback.ts';
import { requestFor } from '../../src/kimi/request.ts';
import { replyText } from '../../src/notify/message.ts';
import { Answer } from '../../src/relay/answer.ts';
import { fallBackAfterMs, requestInUse } from '../../src/relay/fallback.ts';
import type { RelayRequest } from '../../src/shared/relay.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import type { Task } from '../../src/shared/task.ts';
import { continued } from '../../src/tasks/conversation.ts';
import type { TaskContext } from '../../src/tasks/context.ts';
import { keepFile } from '../../src/tasks/files.ts';
import { progressOf } from '../../src/tasks/look-up.ts';
import { textFor } from '../../src/text/index.ts';
import { docx } from '../support/documents.ts';
import { openRelayedWorld, type RelayedWorld } from '../support/relay.ts';
import { serve, temporaryFolder, until } from '../support/resources.ts';
import { TASK } from '../support/world.ts';

const K3: Partial<Task> = { model: 'kimi-k3' };

const busy = (directives: string): string => `說明 [[simulate: mark=busy delay=0 error=overloaded ${directives}]]`;

/** @returns the models that were asked, in order, without the rounds of tools. */
const asked = ({ counts }: RelayedWorld): string[] => counts.completions.map(({ model }) => model);

async function resultOf(world: RelayedWorld, prompt: string, changes = K3): Promise<ResultFile> {
  const started = await world.start(prompt, changes);
  await world.handle(started).result();
  const result = await world.results.read(started.task_id);
  if (!result) throw new Error('there is no result');
  return result;
}

describe('an overloaded Kimi', () => {
  it('is asked with a lower effort, then another model is; reply, status and result say so, and a follow-up asks the first', async () => {
    const world = await openRelayedWorld({}, { fallback: '1s,kimi-k3:high,kimi-k2.6' });
    const request = { thinking: 'max', temperature: 1, max_tokens: 1000 };
    const result = await resultOf(world, busy('refusals=2'), { ...K3, request });
    expect(asked(world)).toEqual(['kimi-k3', 'kimi-k3', 'kimi-k2.6']);
    expect(result).toMatchObject({
      status: 'done',
      model: 'kimi-k2.6',
      fallback: { asked_model: 'kimi-k3', model: 'kimi-k2.6', overloaded_ms: expect.closeTo(2_500, -3) },
    });
    expect(replyText(result, 'x', textFor('zh-TW'))).toMatch(/🔀 kimi-k3 滿載 [23] 秒，改由 kimi-k2\.6 回答\n/);
    expect(replyText(result, 'x', textFor('en'))).toMatch(
      /🔀 kimi-k3 was overloaded for [23] s, so kimi-k2\.6 answers\n/,
    );
    expect(await world.view(result)).toMatchObject({ model: 'kimi-k2.6', fallback: result.fallback });
    const context = { results: world.results, simulated: false } as TaskContext;
    const next = await continued(context, { prompt: 'x', continue: result.task_id });
    expect(next).toMatchObject({ model: 'kimi-k3', request });
    expect(world.counts.billed).toBe(1);
  });

  it('is asked for what the task wants until the time has passed', async () => {
    const world = await openRelayedWorld({}, { fallback: '10m,kimi-k2.6' });
    const result = await resultOf(world, busy('refusals=2'));
    expect(asked(world)).toEqual(['kimi-k3', 'kimi-k3', 'kimi-k3']);
    expect(result).toMatchObject({ status: 'done', model: 'kimi-k3' });
    expect(result).not.toHaveProperty('fallback');
  });

  it('that names a later time does not keep the fallback waiting', async () => {
    const kimi = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        response.setHeader('content-type', 'application/json');
        const error = { type: 'engine_overloaded_error', message: 'The engine is currently overloaded' };
        if (body.includes('kimi-k3')) response.writeHead(503, { 'retry-after': '3600' }).end(JSON.stringify({ error }));
        else response.end(JSON.stringify({ choices: [{ message: { content: 'a' }, finish_reason: 'stop' }] }));
      });
    });
    const world = await openRelayedWorld({ KIMI_API_URL: `${kimi}/v1` }, { fallback: '2s,kimi-k2.6' });
    expect(await resultOf(world, 'x')).toMatchObject({ output: 'a', fallback: { model: 'kimi-k2.6' } });
  });

  it('with an exhausted quota is none: the task fails', async () => {
    const world = await openRelayedWorld({}, { fallback: '1s,kimi-k2.6' });
    const result = await resultOf(world, '[[simulate: error=quota]]');
    expect(result).toMatchObject({ status: 'failed', error: { type: 'exceeded_current_quota_error' } });
    expect(result).not.toHaveProperty('fallback');
    expect(asked(world)).toEqual(['kimi-k3']);
  });

  it('does not hinder a follow-up with a document and a tool', async () => {
    const home = await temporaryFolder();
    const world = await openRelayedWorld(
      { KIMI_PAYLOAD_DIR: home },
      { payloadDir: home, fallback: '1s,kimi-k2.7-code' },
    );
    const contract = { name: '合約.docx', content: docx(['第一條']) };
    const file = await keepFile(
      { contents: world.payloads.contents, relay: true, apiUrl: 'https://api.moonshot.cn/v1' },
      contract,
    );
    const result = await resultOf(world, busy('refusals=1'), {
      files: [file],
      request: { tools: ['search'] },
      conversation: [{ prompt: '一', output: '二' }],
    });
    expect(asked(world)).toEqual(['kimi-k2.6', 'kimi-k2.7-code', 'kimi-k2.7-code']);
    expect(result).toMatchObject({ status: 'done', fallback: { asked_model: 'kimi-k2.6' } });
    expect(result.tool_uses).toHaveLength(1);
    expect(world.counts.completions[2]?.messages.map(({ role }) => role)).toEqual([
      'system',
      'user',
      'assistant',
      'user',
      'assistant',
      'tool',
    ]);
    expect(world.counts.billed).toBe(2);
  });

  it('is asked again where the documents are too long for the fallback', async () => {
    const home = await temporaryFolder();
    const world = await openRelayedWorld({ KIMI_PAYLOAD_DIR: home }, { payloadDir: home, fallback: '1s,kimi-k2.6' });
    const long = { name: 'long.docx', content: docx(['word '.repeat(300_000)]) };
    const file = await keepFile(
      { contents: world.payloads.contents, relay: true, apiUrl: 'https://api.moonshot.cn/v1' },
      long,
    );
    const result = await resultOf(world, busy('refusals=1'), { ...K3, files: [file] });
    expect(asked(world)).toEqual(['kimi-k3', 'kimi-k3']);
    expect(result).toMatchObject({ status: 'done', model: 'kimi-k3' });
    expect(result).not.toHaveProperty('fallback');
  });
});

describe('a relay that is killed', () => {
  it('between the refusals goes on with the fallback, which is paid for once', async () => {
    const world = await openRelayedWorld({}, { fallback: '3s,kimi-k2.6' });
    const started = await world.start(busy('refusals=2'), K3);
    await until(() => world.counts.completions.length === 2 || undefined);
    await world.relay.kill();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(asked(world)).toEqual(['kimi-k3', 'kimi-k3', 'kimi-k2.6']);
    expect(await world.results.read(started.task_id)).toMatchObject({ fallback: { asked_model: 'kimi-k3' } });
    expect(world.counts.billed).toBe(1);
  });

  it('while the fallback answers has the rest of its answer from the same model, which status names', async () => {
    const world = await openRelayedWorld({}, { fallback: '1s,kimi-k2.6' });
    const started = await world.start(busy('refusals=1 reasoning=0 chunks=40 chunk-delay=150'), K3);
    await until(async () => {
      const { progress } = await progressOf(world.client, started.task_id);
      return progress?.fallback?.model === 'kimi-k2.6' && progress.phase === 'answering' ? progress : undefined;
    });
    await world.relay.kill();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(asked(world)).toEqual(['kimi-k3', 'kimi-k2.6', 'kimi-k2.6']);
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ interruptions: 1, model: 'kimi-k2.6', fallback: { asked_model: 'kimi-k3' } });
  });
});

describe('the fallbacks of a task', () => {
  const account = { apiUrl: 'http://127.0.0.1:1', apiKey: undefined, isDirect: true };

  /** @returns models and efforts. */
  async function fallbacksOf(list: string, changes: Partial<Task>): Promise<string[]> {
    const task = { ...TASK, task_id: 'kimi-1-1', ...changes };
    const apiUrl = 'https://api.moonshot.cn/v1';
    const { KIMI_FALLBACK } = readConfig({ KIMI_FALLBACK: list });
    if (!KIMI_FALLBACK) throw new Error('there are none');
    const place = { apiUrl, account, contents: new Map(), signal: AbortSignal.timeout(1_000) };
    const found = await fallbackFor(task, requestFor(task, apiUrl), KIMI_FALLBACK, place);
    return (found?.bodies ?? []).map(
      ({ model, ...body }) => `${model} ${JSON.stringify({ ...body, messages: undefined })}`,
    );
  }

  it.each<[asked: Partial<Task>, bodies: string[]]>([
    [{ model: 'kimi-k3' }, ['kimi-k3 {"reasoning_effort":"high"}', 'kimi-k2.6 {}']],
    [{ model: 'kimi-k3.1-pro' }, ['kimi-k3 {"reasoning_effort":"high"}', 'kimi-k2.6 {}']],
    [{ model: 'kimi-k3', request: { thinking: 'high' } }, ['kimi-k2.6 {}']],
    [{ model: 'kimi-k3', request: { thinking: 'low' } }, ['kimi-k2.6 {}']],
    [{ model: 'kimi-k2.6' }, []],
    // Longer than K2.6 can answer.
    [
      { model: 'kimi-k3', request: { max_tokens: 500_000 } },
      ['kimi-k3 {"max_completion_tokens":500000,"reasoning_effort":"high"}'],
    ],
  ])('of %j follow it in the list, in the form of each', async (task, bodies) => {
    expect(await fallbacksOf('kimi-k3:high,kimi-k2.6', task)).toEqual(bodies);
  });

  it('have the messages of the task, except where their model wants others', async () => {
    const conversation = [{ prompt: 'a', output: 'b', reasoning: 'c' }];
    const task = { ...TASK, task_id: 'kimi-1-1', model: 'kimi-k2.6', conversation };
    const chat = requestFor(task, undefined);
    const models = [{ model: 'kimi-k3' }];
    const place = { apiUrl: account.apiUrl, account, contents: new Map(), signal: AbortSignal.timeout(1_000) };
    const fallback = await fallbackFor(task, chat, { after_ms: 1, models }, place);
    expect(fallback?.bodies[0]?.messages).toEqual([0, { role: 'assistant', content: 'b', reasoning_content: 'c' }, 2]);
    const request: RelayRequest = { task_id: 'kimi-1-1', body: { ...chat }, ...(fallback && { fallback }) };
    expect(requestInUse(request, 1).body).toEqual(requestFor({ ...task, model: 'kimi-k3' }, undefined));
    expect(requestInUse(request, 0)).toBe(request);
  });

  it('are not asked once a request was sent, or may have been', () => {
    const request = { task_id: 'x', body: { model: 'x', messages: [] }, fallback: { after_ms: 1, bodies: [] } };
    const attempt = { continues: false, sent: false, answer: new Answer() };
    expect(fallBackAfterMs(request, [])).toBe(1);
    expect(fallBackAfterMs(request, [attempt])).toBe(1);
    expect(fallBackAfterMs(request, [{ ...attempt, sent: true }])).toBeUndefined();
    expect(fallBackAfterMs(request, [undefined])).toBeUndefined();
  });
});
