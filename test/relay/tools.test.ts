/** Tools that Kimi calls and Moonshot runs: each call is made once, and paid for once. */
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { costOf } from '../../src/kimi/models.ts';
import { withSearches } from '../../src/kimi/formulas.ts';
import { Answer } from '../../src/relay/answer.ts';
import { Tools } from '../../src/relay/tools.ts';
import { callsIn, MAX_CALLS, MAX_ROUNDS, type StreamProgress } from '../../src/shared/relay.ts';
import { ReceivedStore } from '../../src/relay/recordings.ts';
import type { Task, ToolUse } from '../../src/shared/task.ts';
import type { TaskContext } from '../../src/tasks/context.ts';
import { continued } from '../../src/tasks/conversation.ts';
import { Problem } from '../../src/tasks/problem.ts';
import { checkTask } from '../../src/tasks/request.ts';
import { progressOf } from '../../src/tasks/look-up.ts';
import { sayToolUses, textFor } from '../../src/text/index.ts';
import { failureOf } from '../support/answering.ts';
import { countsFromZero, openRelayedWorld, type RelayedWorld } from '../support/relay.ts';
import { serve, shared, silent, temporaryFolder, until } from '../support/resources.ts';

const SEARCH: Partial<Task> = { request: { tools: ['search'] } };

/** Shared by the tests that do not change its environment: a relay takes a second of a core to start. */
const commonWorld = shared(async () => await openRelayedWorld());
countsFromZero(commonWorld);

/** @returns the result of a task. */
async function resultOf(world: RelayedWorld, prompt: string, changes = SEARCH) {
  const started = await world.start(prompt, changes);
  await world.handle(started).result();
  return await world.results.read(started.task_id);
}

/** Waits until a task of the world uses a tool. @returns its progress */
async function usesTool(world: RelayedWorld, task_id: string): Promise<StreamProgress> {
  return await until(async () => {
    const { progress } = await progressOf(world.client, task_id);
    return progress?.phase === 'using_tools' ? progress : undefined;
  });
}

/** @returns what the Web UI shows of a task. */
async function detailsOf(world: RelayedWorld, started: { task_id: string }): Promise<string> {
  const metadata = await world.handle(started).query<{ currentDetails: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails;
}

const completed = ({ counts }: RelayedWorld): number => counts.completions.filter(({ ended }) => ended).length;

describe('tools', () => {
  it('are called by Kimi and run by Moonshot; the answer ends with what was searched, and counts both requests', async () => {
    const world = commonWorld();
    const result = await resultOf(world, '今天臺北的天氣', {
      request: { tools: ['search', 'fetch', 'code', 'excel'] },
    });
    const uses: ToolUse[] = [
      { tool: 'search', input: '今天臺北的天氣' },
      { tool: 'fetch', input: '今天臺北的天氣', sources: ['https://example.com/simulated'] },
      { tool: 'code', input: '{"code":"今天臺北的天氣"}' },
      { tool: 'excel', input: '{"file_path":"今天臺北的天氣"}' },
    ];
    expect(result).toMatchObject({ status: 'done', tool_uses: uses });
    expect(result).not.toHaveProperty('interruptions');
    const list =
      '\n\n---\nKimi 用過的工具：\n\n- 搜尋：今天臺北的天氣\n- 讀取網頁：今天臺北的天氣\n  - <https://example.com/simulated>\n- 執行程式：';
    expect(result?.output).toMatch(/^（這是模擬的 Kimi/);
    expect(result?.output).toContain(list);
    expect(world.counts.fibers.map(({ name }) => name)).toEqual(['web_search', 'fetch', 'code_runner', 'read_file']);
    const [first, second] = world.counts.completions;
    expect(second?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'tool', 'tool', 'tool']);
    expect(second?.messages[2]?.content).toContain('MOONSHOT ENCRYPTED');
    const billed = (first?.billed.prompt_tokens ?? 0) + (second?.billed.prompt_tokens ?? 0);
    expect(result?.tokens?.prompt).toBe(billed);
    expect(world.counts.billed).toBe(2);
    expect(await detailsOf(world, result as { task_id: string })).toContain(
      '- 工具: 搜尋 1 次、讀取網頁 1 次、執行程式 1 次、讀取表格 1 次\n',
    );
  });

  it('run once, if the relay is killed meanwhile: Kimi is told that the result is lost', async () => {
    const world = commonWorld();
    const started = await world.start('[[call: delay=60000 times=1]]', SEARCH);
    const progress = await usesTool(world, started.task_id);
    expect(progress.rounds).toEqual({ round: 1, calls: { search: 1 } });
    expect(textFor('en').stream(progress)).toBe('Kimi uses its tools; round 1: 1 search');
    await until(() => world.counts.fibers.length === 1 || undefined);
    await world.relay.kill();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    const result = await world.results.read(started.task_id);
    expect(result?.tool_uses).toEqual([{ tool: 'search', input: '[[call: delay=60000 times=1]]', failed: true }]);
    expect(world.counts.fibers).toHaveLength(1);
    expect(world.counts.billed).toBe(2);
    expect(world.counts.completions.at(-1)?.messages.at(-1)?.content).toContain('is not repeated');
  });

  it('run once, if the relay is killed while Kimi answers after them and the user has chosen to ask again', async () => {
    const world = await openRelayedWorld({ KIMI_ON_INTERRUPT: 'retry' });
    const started = await world.start('[[simulate: chunks=20 chunk-delay=125]]', SEARCH);
    await until(async () => (await detailsOf(world, started)).includes('- 工具: 第 1 輪：搜尋 1 次') || undefined);
    await world.relay.kill();
    await world.relay.start({ KIMI_ON_INTERRUPT: 'retry' });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts.fibers).toHaveLength(1);
    expect(world.counts.completions.map(({ messages }) => messages.length)).toEqual([1, 3, 3]);
    expect(await world.results.read(started.task_id)).toMatchObject({
      interruptions: 1,
      tool_uses: [{ tool: 'search' }],
    });
  });

  it('are not asked for again without that choice: the task fails, and what was searched is kept', async () => {
    const world = commonWorld();
    const started = await world.start('[[simulate: delay=2500]]', SEARCH);
    await until(() => world.counts.completions.length === 2 || undefined);
    await world.relay.kill();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed' });
    expect(await world.results.read(started.task_id)).toMatchObject({
      error: { type: 'interrupted' },
      tool_uses: [{ tool: 'search' }],
    });
    expect(world.counts).toMatchObject({ billed: 2, fibers: [{}] });
  });

  it('are tried again if Moonshot turns a call away, and reported to Kimi if they fail', async () => {
    const world = commonWorld();
    expect(await resultOf(world, '[[call: status=429 times=1]]')).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ billed: 2, fibers: [{ billed: true }] });
    const failed = await resultOf(world, '[[call: fail=1]]');
    expect(failed?.tool_uses).toEqual([{ tool: 'search', input: '[[call: fail=1]]', failed: true }]);
    expect(failed?.output).toContain('（沒有結果）');
  });

  it('are used by a model that calls them without reasoning', async () => {
    const world = commonWorld();
    expect(await resultOf(world, '[[simulate: reasoning=0]]')).toMatchObject({ status: 'done', tool_uses: [{}] });
    expect(world.counts.billed).toBe(2);
  });

  it('run once, if the connection breaks after a call', async () => {
    const world = commonWorld();
    const result = await resultOf(world, '[[call: break=cut times=1]]');
    expect(result).toMatchObject({ status: 'done', tool_uses: [{ failed: true }] });
    expect(world.counts.fibers).toHaveLength(1);
  });

  it('are offered no more after some rounds', async () => {
    const world = commonWorld();
    const result = await resultOf(world, '[[simulate: calls=99]]');
    expect(result).toMatchObject({ status: 'done' });
    expect(world.counts.fibers).toHaveLength(MAX_ROUNDS);
    expect(completed(world)).toBe(MAX_ROUNDS + 1);
  });

  it('that Moonshot does not offer are refused before anything is paid', async () => {
    const asked: (string | undefined)[] = [];
    const kimi = await serve(({ url }, response) => {
      asked.push(url);
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"Not found the formula","type":"resource_not_found_error"}}');
    });
    const world = await openRelayedWorld({ KIMI_API_URL: `${kimi}/v1` });
    const result = await resultOf(world, 'x', { request: { tools: ['code'] } });
    expect(result).toMatchObject({ status: 'failed', error: { detail: { code: 'no_tool', tool: 'code' } } });
    expect(asked).toEqual(['/v1/formulas/moonshot/code-runner:latest/tools']);
  });

  it('end with a cancelled task: no request follows', async () => {
    const world = commonWorld();
    const started = await world.start('[[call: delay=60000]]', SEARCH);
    await usesTool(world, started.task_id);
    await world.handle(started).cancel();
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect(world.counts).toMatchObject({ billed: 1 });
    expect(completed(world)).toBe(1);
    // What it cost is saved; no answer came late.
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ status: 'cancelled', error: { type: 'cancelled' }, tokens: {} });
    expect(result).not.toHaveProperty('late');
  });

  it('are not allowed to a follow-up by themselves, since each search is paid for', async () => {
    const world = commonWorld();
    const started = await world.start('x', { request: { tools: ['search'], max_tokens: 900 } });
    await world.handle(started).result();
    const context = {
      results: world.results,
      simulated: false,
      withClient: async () => await Promise.reject(new Error()),
    };
    const next = await continued(context as unknown as TaskContext, { prompt: 'more', continue: started.task_id });
    expect(next.request).toEqual({ max_tokens: 900 });
  });

  it('leave JSON alone', async () => {
    const world = commonWorld();
    const request = { tools: ['search' as const], json_schema: { type: 'object' } };
    const result = await resultOf(world, 'x', { request });
    expect(result?.output).not.toContain('Kimi 用過的工具');
    expect(result?.tool_uses).toHaveLength(1);
  });
});

describe('without the Formula API', () => {
  it('the older search takes its place: its call is echoed', async () => {
    const received = new ReceivedStore(await temporaryFolder());
    const refused = new KimiError('refused', 'resource_not_found_error', 'Not found');
    const formulas = {
      definitions: async () => await Promise.reject(refused),
      run: async () => await Promise.reject(refused),
    };
    const tools = new Tools({ formulas, received, log: silent });
    const answer = new Answer();
    const call = { index: 0, id: '$web_search:0', name: '$web_search', arguments: '{"query":"a"}' };
    answer.take({ reasoning: 'hm', tool_calls: [call], finish_reason: 'tool_calls', done: true });
    const body = { model: 'kimi-k2.6', messages: [{ role: 'user', content: 'q' }] };
    const request = { task_id: 'kimi-1-1', body, tools: ['search' as const] };
    const signal = new AbortController().signal;
    const sent = await tools.into(request, [{ continues: false, sent: true, answer }], body, signal, () => {});
    expect(sent).toEqual({
      model: 'kimi-k2.6',
      tools: [{ type: 'builtin_function', function: { name: '$web_search' } }],
      messages: [
        { role: 'user', content: 'q' },
        {
          role: 'assistant',
          content: '',
          reasoning_content: 'hm',
          tool_calls: [
            {
              id: '$web_search:0',
              type: 'builtin_function',
              function: { name: '$web_search', arguments: '{"query":"a"}' },
            },
          ],
        },
        { role: 'tool', tool_call_id: '$web_search:0', name: '$web_search', content: '{"query":"a"}' },
      ],
    });
    expect(await tools.usesOf('kimi-1-1')).toEqual([{ tool: 'search', input: 'a' }]);
  });
});

it('of rounds with more calls than a task has, the others are not made, and Kimi is told to answer', async () => {
  const asked: string[] = [];
  const tools = new Tools({
    formulas: {
      definitions: async () => [{ type: 'function', function: { name: 'web_search' } }],
      run: async (_tool, _name, args) => {
        asked.push(args);
        return { content: 'found', clear: true };
      },
    },
    received: new ReceivedStore(await temporaryFolder()),
    log: silent,
  });
  const ended = [MAX_CALLS - 10, 15].map((length) => {
    const answer = new Answer();
    const tool_calls = Array.from({ length }, (_, index) => ({
      index,
      id: `web_search:${index}`,
      name: 'web_search',
      arguments: `{"query":"${index}"}`,
    }));
    answer.take({ tool_calls, finish_reason: 'tool_calls', done: true });
    return { continues: false, sent: true, answer };
  });
  const request = { task_id: 'kimi-1-1', body: { model: 'kimi-k2.6', messages: [] }, tools: ['search' as const] };
  const sent = await tools.into(request, ended, request.body, new AbortController().signal, () => {});
  expect(asked).toHaveLength(MAX_CALLS);
  expect(sent).toMatchObject({ tool_choice: 'none' });
  expect(sent.messages.at(-1)).toMatchObject({ content: expect.stringContaining(`limit of ${MAX_CALLS} calls`) });
  const uses = await tools.usesOf('kimi-1-1');
  expect(callsIn(uses)).toEqual({ search: MAX_CALLS });
  expect(sayToolUses(uses, textFor('zh-TW'))).toMatch(/\n- 已達 30 次的上限，另外 5 次沒有執行$/);
  expect(sayToolUses(uses, textFor('en'))).toMatch(/\n- the limit of 30 calls was reached, so 5 more were not made$/);
});

it('a task with tools is refused where Moonshot is not asked, before it is started', async () => {
  const place = { config: readConfig({}), apiUrl: 'https://openrouter.ai/api/v1', relay: true, simulated: false };
  const task = { prompt: 'x', model: 'moonshotai/kimi-k2.6', request: { tools: ['search' as const] } };
  const refused = await failureOf((async () => checkTask(place, task))(), Problem);
  expect(refused.params).toMatchObject({ reason: { type: 'no_tools', detail: { tools: ['search'] } } });
  expect(checkTask({ ...place, apiUrl: 'https://api.moonshot.ai/v1' }, { ...task, model: 'kimi-k2.6' })).toMatchObject({
    request: { tools: ['search'] },
  });
});

it('functions of a program are refused without a relay, and beside tools that Moonshot runs', async () => {
  const place = { config: readConfig({}), apiUrl: 'https://openrouter.ai/api/v1', relay: true, simulated: false };
  const task = { prompt: 'x', model: 'moonshotai/kimi-k2.6', request: { functions: [{ name: 'f' }] } };
  expect(checkTask(place, task)).toMatchObject({ request: task.request });
  const alone = await failureOf((async () => checkTask({ ...place, relay: false }, task))(), Problem);
  expect(alone.params).toMatchObject({ reason: { type: 'no_functions' } });
  const both = { prompt: 'x', model: 'kimi-k2.6', request: { ...task.request, tools: ['search' as const] } };
  const mixed = await failureOf(
    (async () => checkTask({ ...place, apiUrl: 'https://api.moonshot.ai/v1' }, both))(),
    Problem,
  );
  expect(mixed.params).toMatchObject({ reason: { detail: { code: 'functions_and_tools' } } });
});

it('a search adds its price, where it is known', () => {
  const tokens = { prompt: 1_000_000, completion: 0, total: 1_000_000 };
  const uses: ToolUse[] = [
    { tool: 'search', input: 'a' },
    { tool: 'search', input: 'b', failed: true },
  ];
  for (const [host, price] of [
    ['ai', 0.005],
    ['cn', 0],
  ] as const) {
    const cost = costOf(tokens, 'kimi-k2.6', `https://api.moonshot.${host}/v1`);
    expect(cost && withSearches(cost, uses).amount - cost.amount).toBeCloseTo(price, 6);
  }
});
