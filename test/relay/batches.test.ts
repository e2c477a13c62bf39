/** Tasks that Kimi answers as a batch: made once, answered once, nothing left at Kimi. */
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { asBatch, costOf } from '../../src/kimi/models.ts';
import { addUp } from '../../src/results/usage.ts';
import type { Task } from '../../src/shared/task.ts';
import { Problem } from '../../src/tasks/problem.ts';
import { progressOf } from '../../src/tasks/look-up.ts';
import { checkTask, inputOf } from '../../src/tasks/request.ts';
import { limiterId } from '../../src/shared/names.ts';
import { failureOf } from '../support/answering.ts';
import { countsFromZero, openRelayedWorld, type RelayedWorld } from '../support/relay.ts';
import { shared, until } from '../support/resources.ts';

const BATCH: Partial<Task> = { request: { batch: true } };

/** Shared by the tests that do not change its environment: a relay takes a second of a core to start. */
const commonWorld = shared(async () => await openRelayedWorld());
countsFromZero(commonWorld);

const left = ({ counts }: RelayedWorld): unknown[] => counts.uploads.filter(({ deleted }) => !deleted);

/** Waits until nothing of the batches is left at Kimi. */
async function cleaned(world: RelayedWorld): Promise<void> {
  await until(() => left(world).length === 0 || undefined);
}

/** @returns the result of a task. */
async function resultOf(world: RelayedWorld, prompt: string) {
  const started = await world.start(prompt, BATCH);
  await world.handle(started).result();
  return await world.results.read(started.task_id);
}

describe('a batch', () => {
  it('is made with the request of the task, and its answer comes when Kimi has it; it holds no slot meanwhile', async () => {
    const world = await openRelayedWorld({}, { limits: { concurrent: 1 } });
    const started = await world.start('一首詩 [[batch: delay=6000]]', BATCH);
    const { progress, retrying } = await until(async () => {
      const seen = await progressOf(world.client, started.task_id);
      return seen.progress?.phase === 'batch' ? seen : undefined;
    });
    expect(progress?.tail).toMatch(/validating|in_progress/);
    expect(retrying).toBeUndefined();
    // Nor does a new limiter give it one, which asks for the tasks that Kimi works on.
    for (const prompt of ['before', 'after']) {
      const other = await world.start(prompt);
      expect(other).toMatchObject({ status: 'accepted' });
      await world.handle(other).result();
      await world.client.workflow.getHandle(limiterId(world.taskQueue)).terminate();
    }
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    const result = await world.results.read(started.task_id);
    expect(result?.output).toContain('> 一首詩');
    expect(result?.tokens?.total).toBeGreaterThan(0);
    await cleaned(world);
    const { batches, uploads } = world.counts;
    expect(batches).toMatchObject([{ metadata: { task_id: started.task_id }, status: 'completed' }]);
    expect(uploads.map(({ filename }) => filename)).toEqual([`batch-${started.task_id}.jsonl`, 'output.jsonl']);
    expect(world.counts.billed).toBe(3);
  });

  it('is made once, if the relay is killed while Kimi has it', async () => {
    const world = commonWorld();
    const started = await world.start('x [[batch: delay=4000]]', BATCH);
    await until(() => world.counts.batches.length === 1 || undefined);
    await world.relay.kill();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    await cleaned(world);
    expect(world.counts).toMatchObject({ billed: 1, batches: [{ status: 'completed' }] });
  });

  it('is found again, if the connection breaks when it is made', async () => {
    const world = commonWorld();
    expect(await resultOf(world, 'x [[batch: break=cut times=1]]')).toMatchObject({ status: 'done' });
    await cleaned(world);
    expect(world.counts).toMatchObject({ billed: 1, batches: [{}] });
  });

  it('is tried again, if Kimi turns it away', async () => {
    const world = commonWorld();
    expect(await resultOf(world, 'x [[batch: status=429 times=1]]')).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ billed: 1, batches: [{}] });
  });

  it.each([
    ['[[batch: end=expired]]', 'batch_expired'],
    ['[[batch: end=failed]]', 'batch_failed'],
    ['[[simulate: error=content-filter]]', 'content_filter'],
  ])('that ends without an answer fails its task with a sentence: %s', async (prompt, type) => {
    const world = commonWorld();
    expect(await resultOf(world, prompt)).toMatchObject({ status: 'failed', error: { type } });
    await cleaned(world);
    expect(world.counts.billed).toBe(0);
  });

  it('of a cancelled task is cancelled at Kimi', async () => {
    const world = commonWorld();
    const started = await world.start('x [[batch: delay=600000]]', BATCH);
    await until(async () => (await progressOf(world.client, started.task_id)).progress?.phase === 'batch' || undefined);
    await world.handle(started).cancel();
    await until(() => world.counts.batches[0]?.status === 'cancelled' || undefined);
    await cleaned(world);
    expect(world.counts.billed).toBe(0);
  });
});

describe('before it is started', () => {
  const place = { config: readConfig({}), apiUrl: 'https://api.moonshot.cn/v1', relay: true, simulated: false };
  const task = { prompt: 'x', model: 'kimi-k2.6', request: { batch: true as const } };

  it.each([
    ['another host', { ...place, apiUrl: 'https://openrouter.ai/api/v1' }, task, {}],
    ['another model', place, { ...task, model: 'kimi-k3' }, { model: 'kimi-k3' }],
    ['tools', place, { ...task, request: { batch: true as const, tools: ['search' as const] } }, { tools: true }],
    [
      'functions',
      place,
      { ...task, request: { batch: true as const, functions: [{ name: 'f' }] } },
      { functions: true },
    ],
  ])('%s is refused', async (_, where, asked, detail) => {
    const refused = await failureOf((async () => checkTask(where, asked))(), Problem);
    expect(refused.params).toMatchObject({ reason: { type: 'no_batch', detail: { code: 'no_batch', ...detail } } });
  });

  it('its deadline is Kimi’s window', () => {
    const checked = checkTask(place, task);
    expect(
      inputOf({ ...place, limiter: undefined } as unknown as Parameters<typeof inputOf>[0], checked).timeout_ms,
    ).toBe(25 * 3_600_000);
  });
});

it('a batch costs 60 %, and usage says what was saved', () => {
  const tokens = { prompt: 1_000_000, completion: 0, total: 1_000_000 };
  const whole = costOf(tokens, 'kimi-k2.6', 'https://api.moonshot.cn/v1');
  const cost = whole && asBatch(whole);
  expect(cost).toMatchObject({ amount: expect.closeTo(3.9, 6) as number, saved: expect.closeTo(2.6, 6) as number });
  const result = {
    status: 'done' as const,
    model: 'kimi-k2.6',
    task_name: 'x',
    completed_at: '2026-11-30T00:00:00Z',
    tokens,
  };
  expect(
    addUp(
      [
        { ...result, ...(cost && { cost }) },
        { ...result, ...(whole && { cost: whole }) },
      ],
      'model',
    ).total.cost,
  ).toEqual([{ amount: 10.4, currency: 'CNY', saved: 2.6 }]);
});
