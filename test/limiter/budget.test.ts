/** Budgets: what the ledger keeps, without a Temporal server; then tasks on the real engine, with a relay and Moonshot's prices. */
import { json } from 'node:stream/consumers';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { detailsOf } from '../../src/api/problems.ts';
import { sayProblem } from '../../src/cli/problem-sentence.ts';
import { cliText } from '../../src/cli/text/index.ts';
import { readConfig } from '../../src/config/index.ts';
import { AdmissionQueue } from '../../src/limiter/admission.ts';
import { emptyState } from '../../src/limiter/state.ts';
import type { Fallback } from '../../src/kimi/fallback.ts';
import { mostCost } from '../../src/kimi/most-cost.ts';
import { limiterView, watchLimiter } from '../../src/limiter/client.ts';
import type { Budget, BudgetView } from '../../src/shared/budget.ts';
import { limiterId } from '../../src/shared/names.ts';
import type { Task, TaskFile } from '../../src/shared/task.ts';
import type { PluginWake } from '../../src/notify/protocol.ts';
import type { Started } from '../../src/tasks/start.ts';
import { Problem } from '../../src/tasks/problem.ts';
import { checkTask } from '../../src/tasks/request.ts';
import { inOpenAiForm } from '../../src/openai/errors.ts';
import { outcomeText } from '../../src/notify/message.ts';
import { textFor } from '../../src/text/index.ts';
import { failureOf } from '../support/answering.ts';
import { tasksOf } from '../support/api.ts';
import { resultOfMap, startMapIn } from '../support/maps.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { serve, shared, silent, temporaryFolder, until } from '../support/resources.ts';
import { TASK, type World } from '../support/world.ts';

const MOONSHOT = 'https://api.moonshot.cn/v1';
const PDF: TaskFile = { kind: 'document', name: 'a.pdf', bytes: 1e6, stored_bytes: 1e6, sha256: '', claim: '' };

/** 20:00 in Taipei: four hours are left of the day. */
const EVENING = Date.parse('2026-11-30T12:00:00Z');
const HOUR = 3_600_000;

function open(budget: Omit<Budget, 'timezone'> = { per_day: 10 }, concurrent = 0) {
  const limits = { per_minute: 0, concurrent, queued: 0, budget: { ...budget, timezone: 'Asia/Taipei' } };
  let queue = new AdmissionQueue(emptyState(limits));
  return {
    ask: (task_id: string, amount: number, more: { chat?: string; allowed?: true } = {}, now = EVENING) =>
      queue.request({ task_id, priority: 3, round: 1, cost: { amount, currency: 'CNY', ...more } }, now),
    granted: (now = EVENING) => queue.grant(now).map(({ task_id }) => task_id),
    settle: (task_id: string, spent?: number | 'reserved', now = EVENING) => queue.release(task_id, true, now, spent),
    pause: (task_id: string, now = EVENING) => queue.pauseOf(task_id, now),
    account: (now = EVENING) => queue.view(now).budget as BudgetView,
    nextChange: (now = EVENING) => queue.nextChange(now),
    /** The limiter's workflow continues as new, or another worker takes it over. */
    continueAsNew: () => {
      queue = new AdmissionQueue(structuredClone(queue.snapshot()));
    },
  };
}

describe('a model whose price is not known', () => {
  const place = { apiUrl: 'http://127.0.0.1:9000/v1', relay: false, simulated: false };
  const asked = { prompt: 'x', model: 'kimi-k2.6' };

  it.each([
    ['a day', { KIMI_BUDGET_PER_DAY: '3' }, {}],
    ['a chat’s day', { KIMI_BUDGET_PER_CHAT_DAY: '3' }, {}],
    ['each task', { KIMI_BUDGET_PER_TASK: '3' }, {}],
    ['the task', {}, { budget: 3 }],
  ])('with a budget of %s is refused before anything is started, in each door', async (_, env, more) => {
    const config = readConfig(env);
    const problem = await failureOf((async () => checkTask({ ...place, config }, { ...asked, ...more }))(), Problem);
    const detail = { code: 'unpriced', model: 'kimi-k2.6', host: '127.0.0.1:9000' };
    expect(problem).toMatchObject({ code: 'unusable_request', params: { reason: { type: 'unpriced', detail } } });
    const said = sayProblem(problem, cliText('zh-TW'), textFor('zh-TW'));
    expect(said).toMatchObject({ exit: 2, message: expect.stringMatching(/^不知道 kimi-k2\.6 在 127.*不設預算$/) });
    expect(detailsOf(problem)).toMatchObject({ status: 422, code: 'unusable_request' });
    expect(inOpenAiForm(problem)).toMatchObject({ status: 400, kind: { param: 'model' } });
  });

  it('is taken without a budget, at Moonshot, and for a simulation, which costs nothing', () => {
    const config = readConfig({ KIMI_BUDGET_PER_DAY: '3' });
    expect(checkTask({ ...place, config: readConfig({}) }, asked)).toMatchObject(asked);
    expect(checkTask({ ...place, config, apiUrl: MOONSHOT, relay: true }, asked)).toMatchObject(asked);
    expect(checkTask({ ...place, config, simulated: true }, asked)).toMatchObject(asked);
  });
});

describe('of two tasks that ask for the last money', () => {
  it('one waits, and is sent when the other cost less than it might have', () => {
    const { ask, granted, settle, pause, account } = open();
    ask('a', 6);
    ask('b', 6);
    expect(granted()).toEqual(['a']);
    expect(pause('b')).toMatchObject({ of: 'day', budget: 10, needs: 6, spent: 0, reserved: 6, waits: true });
    settle('a', 0.5);
    expect(granted()).toEqual(['b']);
    settle('b', 1);
    // The same report, repeated.
    settle('b', 1);
    expect(account()).toMatchObject({ spent: 1.5, reserved: 0, paused: [] });
  });

  it('the smaller one goes first if only that fits', () => {
    const { ask, granted } = open();
    ask('a', 6);
    ask('b', 6);
    ask('c', 3);
    expect(granted()).toEqual(['a', 'c']);
  });
});

describe('the money of a task that has no slot any more', () => {
  it.each([
    ['counts as spent if it was terminated: it may have been paid', undefined],
    ['counts as reserved if the price of its answer is not known', 'reserved' as const],
  ])('%s', (_, spent) => {
    const { ask, granted, settle, pause } = open();
    ask('a', 6);
    ask('b', 6);
    granted();
    settle('a', spent);
    expect(granted()).toEqual([]);
    // Nothing is left to wait for: its user is asked.
    expect(pause('b')).toMatchObject({ spent: 6, until: '2026-11-30T16:00:00Z' });
    expect(pause('b')).not.toHaveProperty('waits');
    expect(pause('b')).not.toHaveProperty('reserved');
  });

  it('is not counted if it was cancelled while it was paused', () => {
    const { ask, granted, settle, account } = open();
    ask('a', 11);
    expect(granted()).toEqual([]);
    settle('a', 0);
    expect(account()).toMatchObject({ spent: 0, reserved: 0, paused: [] });
  });
});

describe('a paused task', () => {
  it('goes on when the next day begins, in the time zone of the user', () => {
    const { ask, granted, settle, nextChange, account, continueAsNew } = open();
    ask('a', 9);
    granted();
    settle('a', 9);
    ask('b', 2);
    expect(granted()).toEqual([]);
    expect(nextChange()).toBe(4 * HOUR);
    continueAsNew();
    expect(granted(EVENING + 4 * HOUR - 1)).toEqual([]);
    expect(granted(EVENING + 4 * HOUR)).toEqual(['b']);
    expect(account(EVENING + 4 * HOUR)).toMatchObject({ day: '2026-12-01', spent: 0, reserved: 2 });
  });

  it('that exceeds the budget of every day is sent only if its user allows it; what it cost counts', () => {
    const { ask, granted, settle, pause, account } = open();
    ask('a', 11);
    expect(granted()).toEqual([]);
    expect(pause('a')).not.toHaveProperty('until');
    expect(granted(EVENING + 30 * HOUR)).toEqual([]);
    ask('a', 11, { allowed: true }, EVENING + 30 * HOUR);
    expect(granted(EVENING + 30 * HOUR)).toEqual(['a']);
    settle('a', 10.5, EVENING + 30 * HOUR);
    expect(account(EVENING + 30 * HOUR)).toMatchObject({ spent: 10.5 });
  });

  it('of a chat holds up no other chat', () => {
    const { ask, granted, pause } = open({ per_chat: 5 }, 2);
    ask('a', 4, { chat: 'one' });
    ask('b', 4, { chat: 'one' });
    ask('c', 4, { chat: 'other' });
    ask('d', 40);
    expect(granted()).toEqual(['a', 'c']);
    expect(pause('b')).toMatchObject({ of: 'chat', budget: 5, waits: true });
  });
});

it('a task that runs over midnight counts in the day in which it was sent, and a clock that is set back opens no day again', () => {
  const { ask, granted, settle, account } = open();
  ask('a', 6);
  granted();
  const next = EVENING + 5 * HOUR;
  ask('b', 6, {}, next);
  expect(granted(next)).toEqual(['b']);
  settle('a', 3, next);
  expect(account(next)).toMatchObject({ day: '2026-12-01', spent: 0, reserved: 6 });
  expect(account(EVENING)).toMatchObject({ day: '2026-12-01', reserved: 6 });
});

it('a repeated request reserves once, also after the limiter continued as new', () => {
  const { ask, granted, account, continueAsNew } = open();
  ask('a', 4);
  granted();
  continueAsNew();
  ask('a', 4);
  granted();
  expect(account()).toMatchObject({ reserved: 4 });
});

describe('what a task may cost at most', () => {
  const limited = { request: { max_tokens: 37_037 } };

  it.each<[string, Partial<Task>, Fallback | undefined, number]>([
    ['its answer up to the limit of the model', {}, undefined, (32_768 * 27) / 1e6],
    ['that of --max-tokens', limited, undefined, 1],
    ['60 % of it as a batch', { request: { ...limited.request, batch: true } }, undefined, 0.6],
    ['each round of calls', { request: { ...limited.request, tools: ['search'] } }, undefined, 11],
    ['a fallback that is dearer', limited, { after_ms: 1, models: [{ model: 'kimi-k3' }] }, 100 / 27],
    ['a token a byte of its prompt', { ...limited, prompt: 'x'.repeat(100_000) }, undefined, 1.65],
    [
      'files of any size, up to the context',
      { ...limited, files: [PDF] },
      undefined,
      1 + ((262_144 - 37_037) * 6.5) / 1e6,
    ],
  ])('%s', (_, changes, fallback, amount) => {
    const task = { ...TASK, task_id: 'kimi-1-1', model: 'kimi-k2.6', prompt: 'x', ...changes };
    expect(mostCost(task, MOONSHOT, fallback).amount).toBeCloseTo(amount, 2);
  });
});

describe('tasks on the engine', () => {
  const wakes: PluginWake[] = [];
  /** About 1.0, of a budget of 1.5. */
  const dear = { model: 'kimi-k2.6', request: { max_tokens: 37_000 } };
  const route = { channel: 'telegram', to: '4242' };

  const opened = shared(async () => {
    const wakeUrl = await serve((request, response) => {
      void json(request).then((wake) => wakes.push(wake as PluginWake));
      response.end('{"outcome":"sent"}');
    });
    const limits = { budget: { per_day: 1.5, timezone: 'UTC' } };
    const payloadDir = await temporaryFolder();
    const options = { apiUrl: MOONSHOT, limits, wakeUrl, reply: 'deliver' as const, payloadDir };
    return await openRelayedWorld({ KIMI_PAYLOAD_DIR: payloadDir }, options);
  });

  const limiter = () => limiterId(opened().taskQueue);
  const tasksOfMaps = (world: World) =>
    tasksOf(world, { limiter: limiter(), relay: true, apiUrl: MOONSHOT, contents: world.payloads.contents });
  const account = async () => (await limiterView(opened().client, limiter()))?.budget as BudgetView;
  const costOf = async ({ task_id }: Started) => (await opened().results.read(task_id))?.cost?.amount ?? 0;
  const ended = async (started: Started) => await opened().handle(started).result();

  it('two at once: one waits until the other is paid; both are counted with what they cost', async () => {
    const world = opened();
    const first = await world.start('x [[simulate: delay=5000]]', dear);
    const second = await world.start('y [[simulate: delay=0]]', dear);
    expect(second).toMatchObject({ status: 'paused', paused: { of: 'day', budget: 1.5, waits: true } });
    expect(await world.view(second)).toMatchObject({ state: 'paused', step: 'paused' });
    expect(await account()).toMatchObject({ spent: 0, paused: [{ task_id: second.task_id }] });
    for (const started of [first, second]) expect(await ended(started)).toMatchObject({ status: 'done' });
    const spent = (await costOf(first)) + (await costOf(second));
    expect(spent).toBeGreaterThan(0);
    expect(await until(async () => ((await account()).reserved === 0 ? await account() : undefined))).toMatchObject({
      spent: expect.closeTo(spent, 7) as number,
    });
  });

  it('cancelled while Kimi works on it: its reservation is released', async () => {
    const world = opened();
    const before = await account();
    const started = await world.start('x [[simulate: delay=60000]]', dear);
    await until(async () => (await account()).reserved > 0.9);
    await world.handle(started).cancel();
    expect(await ended(started)).toMatchObject({ status: 'cancelled' });
    await until(async () => (await account()).reserved === 0);
    expect((await account()).spent).toBeCloseTo(before.spent + (await costOf(started)), 7);
  });

  it('over the budget of the day: its user is asked in the chat, and allows it', async () => {
    const world = opened();
    const tasks = tasksOf(world, { limiter: limiter() });
    const started = await world.start('x [[simulate: delay=0]]', {
      ...dear,
      request: { max_tokens: 60_000 },
      task_name: 'report',
      route,
    });
    const { task_id } = started;
    expect(started).toMatchObject({ status: 'paused' });
    const asked = await until(() => wakes.find(({ task }) => task.task_id === task_id));
    expect(asked).toMatchObject({
      route,
      task: { task_id, task_name: 'report', status: 'paused' },
      message: expect.stringMatching(/今天的預算是 ¥1\.50.*\n.*\/kimi allow .*\n帳戶餘額：¥15\.00/) as string,
    });
    const listed = await until(async () => (await tasks.list({ status: ['paused'] }, 5)).tasks[0]);
    expect(listed).toMatchObject({ task_id, paused: { needs: expect.closeTo(1.62, 2) as number } });
    const stranger = { channel: 'telegram', to: '1' };
    await expect(tasks.allow(task_id, stranger)).rejects.toEqual(new Problem('unknown_task', { task_id }));
    expect(await tasks.allow(task_id, route)).toEqual({ task_id, status: 'allowed' });
    expect(await ended(started)).toMatchObject({ status: 'done' });
    await expect(tasks.allow(task_id)).rejects.toEqual(new Problem('not_paused', { task_id }));
  });

  it('over its own budget: it is paused, then allowed; its result names the budget, and a batch counts with its own price', async () => {
    const world = opened();
    const before = await account();
    const batch = { ...dear.request, batch: true as const };
    const started = await world.start('x [[batch: delay=0]]', { ...dear, request: batch, budget: 0.5 });
    expect(started).toMatchObject({ status: 'paused', paused: { of: 'task', budget: 0.5, spent: 0 } });
    const listed = await until(async () => (await tasksOf(world).list({ status: ['paused'] }, 1)).tasks[0]);
    expect(listed).toMatchObject({ task_id: started.task_id, paused: { budget: 0.5 } });
    await tasksOf(world).allow(started.task_id);
    await ended(started);
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'done', budget: 0.5 });
    await until(async () => (await account()).reserved === 0 || undefined);
    expect((await account()).spent).toBeCloseTo(before.spent + (await costOf(started)), 7);
  });

  it('a map whose rows exceed their own budget: that it is paused is said when it is started', async () => {
    const tasks = tasksOfMaps(opened());
    const order = { prompt: '{{text}}', model: 'kimi-k2.6', budget: 0.1 };
    const map = await startMapIn(opened(), ['a.txt', 'a'], order, undefined, tasks);
    expect(map).toMatchObject({ status: 'paused', rows: 1, paused: { of: 'task', budget: 0.1 } });
    await tasks.cancel(map.task_id);
    expect(await resultOfMap(opened(), map)).toMatchObject({ status: 'cancelled' });
  });

  it('of a model without a price: refused with a sentence, and nothing is sent', async () => {
    const world = opened();
    const before = world.counts.completions.length;
    const started = await world.start('x', { model: 'kimi-k3.1-pro' });
    expect(started).toMatchObject({
      status: 'refused',
      error: { type: 'unpriced', detail: { code: 'unpriced', model: 'kimi-k3.1-pro', host: 'api.moonshot.cn' } },
    });
    expect(world.counts.completions).toHaveLength(before);
  });

  it('rows of a map over the budget: the map asks once, and is allowed with all of its rows', async () => {
    const world = opened();
    const tasks = tasksOfMaps(world);
    const request = { max_tokens: 60_000 };
    const prompt = '{{text}} [[simulate: delay=0]]';
    const map = await startMapIn(
      world,
      ['a.txt', 'a\nb\nc'],
      { prompt, request, model: 'kimi-k2.6' },
      undefined,
      tasks,
    );
    const { task_id } = map;
    await until(async () => (await account()).paused.length === 3);
    expect(await until(async () => (await tasks.find(task_id)).paused && (await tasks.find(task_id)))).toMatchObject({
      state: 'paused',
      paused: { of: 'day', needs: expect.closeTo(1.62, 2) as number },
    });
    expect(await tasks.allow(task_id)).toEqual({ task_id, status: 'allowed' });
    expect(await resultOfMap(world, map)).toMatchObject({ status: 'done' });
    expect(wakes.filter(({ task }) => task.status === 'paused' && task.task_id === task_id)).toHaveLength(1);
    expect(await until(async () => (await account()).reserved === 0)).toBe(true);
  });

  it('a batch over the budget is not made before it is allowed; then what its rows cost counts once', async () => {
    const world = opened();
    const tasks = tasksOfMaps(world);
    const { spent } = await account();
    const made = world.counts.batches.length;
    const order = { prompt: '{{text}}', request: { batch: true as const }, model: 'kimi-k2.6' };
    const map = await startMapIn(world, ['a.txt', 'a\nb\nc'], order, undefined, tasks);
    await until(async () => (await tasks.find(map.task_id)).paused);
    // Three times 60 % of ¥0.88.
    expect((await account()).paused).toMatchObject([{ needs: expect.closeTo(1.59, 2) as number }]);
    expect(world.counts.batches).toHaveLength(made);
    await tasks.allow(map.task_id);
    const result = await resultOfMap(world, map);
    expect(result).toMatchObject({ status: 'done', map: { done: 3 } });
    const { cost } = await tasks.find(map.task_id);
    expect(cost).toEqual(result.map?.cost[0]);
    const { amount = 0, saved = 0 } = cost ?? {};
    expect(amount / (amount + saved)).toBeCloseTo(0.6, 7);
    const [shown] = /費用：.*/.exec(outcomeText(result, textFor('zh-TW'))) ?? [];
    expect(shown).toMatch(/^費用：¥0\.\d+（批次省下 ¥0\.\d+）$/);
    await until(async () => (await account()).reserved === 0);
    expect((await account()).spent).toBeCloseTo(spent + (result.map?.cost[0]?.amount ?? 0), 7);
  });

  it('is exported: what is spent, reserved and left, and how many tasks it holds back', async () => {
    const seen = new Map<string, number>();
    const createGauge: MetricMeter['createGauge'] = (name, ...more) => ({
      ...noopMetricMeter.createGauge(name, ...more),
      set: (value, tags = {}) => void seen.set([name, ...Object.values(tags)].join(' '), value),
    });
    const meter = Object.assign(Object.create(noopMetricMeter) as MetricMeter, { createGauge });
    void watchLimiter(opened().client, limiter(), meter, silent);
    await until(() => seen.has('kimi_limiter_limit queued'));
    const { spent } = await account();
    expect(Object.fromEntries(seen)).toMatchObject({
      'kimi_limiter_money spent CNY': spent,
      'kimi_limiter_money reserved CNY': 0,
      'kimi_limiter_money per_day CNY': 1.5,
      kimi_limiter_over_budget: 0,
    });
  });

  it('terminated while Kimi works on it: that may have been paid, so the next one is asked for; the next day it is sent', async () => {
    const world = opened();
    const first = await world.start('x [[simulate: delay=60000]]', dear);
    const second = await world.start('y [[simulate: delay=0]]', dear);
    expect(second).toMatchObject({ status: 'paused', paused: { waits: true } });
    await world.handle(first).terminate();
    await until(async () => (await world.view(second)).paused?.waits === undefined);
    await world.skipTime({ task_id: limiterId(world.taskQueue) });
    expect(await ended(second)).toMatchObject({ status: 'done' });
  });
});
