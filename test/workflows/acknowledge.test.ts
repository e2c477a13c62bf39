/** Who acknowledges a notification, and what happens until then. */
import { rm, writeFile } from 'node:fs/promises';
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, inject, it } from 'vitest';
import { ACKNOWLEDGE_UPDATE } from '../../src/shared/names.ts';
import type { TaskView } from '../../src/shared/task.ts';
import { callbackFor, passOn } from '../support/callback.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { serve, until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

/** A gateway that accepts wakes, or fails. */
async function gateway(isUp: () => boolean): Promise<{ wakeUrl: string; keys: string[]; refused: string[] }> {
  const [keys, refused]: [string[], string[]] = [[], []];
  const wakeUrl = await serve((request, response) => {
    (isUp() ? keys : refused).push(String(request.headers['idempotency-key']));
    response.writeHead(isUp() ? 200 : 503).end('{}');
  });
  return { wakeUrl, keys, refused };
}

async function acknowledge(world: World, started: { task_id: string }, news = started.task_id): Promise<TaskView> {
  return await world.handle(started).executeUpdate<TaskView, [string]>(ACKNOWLEDGE_UPDATE, { args: [news] });
}

describe('an agent that acknowledges by itself', () => {
  it('is woken again after 1, 5 and 30 minutes; then the result says that it was not acknowledged', async () => {
    const world = await openWorld({ delayMs: 0 });
    const started = await world.start('x', { ack: 'agent' });
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    await world.skipTime(started);
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: false });
    const id = started.task_id;
    expect(world.counts.wakes.map(({ key }) => key)).toEqual([id, `${id}-again-1`, `${id}-again-2`, `${id}-again-3`]);
    const { events } = await world.handle(started).fetchHistory();
    const waits = events?.flatMap(({ timerStartedEventAttributes: timer }) =>
      timer ? [Number(timer.startToFireTimeout?.seconds)] : [],
    );
    // The answer may come before the timer of the deadline is set.
    expect(waits?.slice(-4)).toEqual([60, 300, 1800, 1800]);
    expect(await world.view(started)).toMatchObject({ wake_error: { type: 'not_acknowledged' } });
    expect(await world.results.unacknowledged()).toMatchObject([{ task_id: id }]);
  });

  it('is not woken again after its acknowledgement', async () => {
    const world = await openWorld({ delayMs: 0 });
    const started = await world.start('x', { ack: 'agent' });
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    expect(await world.results.read(started.task_id)).not.toHaveProperty('acknowledged');
    expect(await acknowledge(world, started)).toMatchObject({ acknowledged: true });
    expect(await world.handle(started).result()).toMatchObject({ acknowledged: true });
    expect(await world.results.read(started.task_id)).toMatchObject({ acknowledged: true });
    expect(await world.results.unacknowledged()).toEqual([]);
    expect(world.counts.wakes).toHaveLength(1);
  });

  it('that found the result by itself while the gateway was down is not woken for it', async () => {
    const { wakeUrl, keys } = await gateway(() => false);
    const world = await openWorld({ wakeUrl, delayMs: 0 });
    const started = await world.start('x');
    await until(async () => (await world.view(started)).step === 'waking');
    await acknowledge(world, started);
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(keys).toEqual([]);
  });

  it('that could write only to the results folder, since everything else was unavailable, is not woken again', async () => {
    const world = await openWorld({ delayMs: 0 });
    const started = await world.start('x', { ack: 'agent' });
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    await world.results.acknowledge(started.task_id);
    await world.skipTime(started);
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(world.counts.wakes).toHaveLength(1);
  });

  it.each([
    ['removed', async (file: string) => await rm(file)],
    ['damaged', async (file: string) => await writeFile(file, '{')],
  ])('that acknowledges a result which was %s meanwhile restores it and ends the task', async (_what, spoil) => {
    const world = await openWorld({ delayMs: 0 });
    const started = await world.start('x', { ack: 'agent' });
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    const before = await world.results.read(started.task_id);
    await spoil(world.results.resultPath(started.task_id));
    await acknowledge(world, started);
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    const { output, tokens } = before ?? {};
    expect(await world.results.read(started.task_id)).toMatchObject({ output, tokens, acknowledged: true });
  });

  it('that acknowledges a result which cannot be restored ends the task with an error', async () => {
    let isFirst = true;
    const world = await openWorld({
      delayMs: 0,
      wrap: (activities) => ({
        ...activities,
        persist: async (result) => {
          if (!isFirst) throw ApplicationFailure.nonRetryable('the disk is gone');
          isFirst = false;
          return await activities.persist(result);
        },
      }),
    });
    const started = await world.start('x', { ack: 'agent' });
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    await rm(world.results.resultPath(started.task_id));
    await acknowledge(world, started);
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    const { error } = await world.view(started);
    expect(error).toMatchObject({ type: 'result_lost', message: expect.stringContaining('the disk is gone') });
  });

  it('can acknowledge a cancelled task too', async () => {
    const world = await openWorld();
    const started = await world.start('x [[simulate: drop=1]]', { ack: 'agent' });
    await world.handle(started).cancel();
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    expect(await acknowledge(world, started)).toMatchObject({ state: 'cancelled', acknowledged: true });
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'cancelled', acknowledged: true });
    await until(async () => (await world.view(started)).step === 'awaiting_late_answer');
    expect(world.counts.wakes).toHaveLength(1);
  });

  it('that acknowledges before there is a result gets an error', async () => {
    const world = await openWorld({ delayMs: 60_000 });
    const started = await world.start('x');
    await expect(acknowledge(world, started)).rejects.toMatchObject({ cause: { type: 'unfinished' } });
    expect(await world.view(started)).toMatchObject({ acknowledged: false });
  });
});

describe('a late answer', () => {
  it('is stored immediately, although the gateway has been down since before the deadline; the user is notified of the answer only', async () => {
    let isUp = false;
    const { wakeUrl, keys, refused } = await gateway(() => isUp);
    const world = await openWorld({ wakeUrl });
    const started = await world.start('x [[simulate: drop=1]]', { timeout_ms: 300 });
    await until(async () => (await world.view(started)).step === 'waking');
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'timed_out' });
    await passOn(world.handle(started), callbackFor(started.task_id));
    await until(async () => (await world.results.read(started.task_id))?.status === 'done');
    // Before that, the notification of the time-out may be retried once more.
    await until(() => refused.includes(`${started.task_id}-late`));
    isUp = true;
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(keys).toEqual([`${started.task_id}-late`]);
  });

  it('is notified although the time-out is acknowledged only after it came; each is acknowledged by its own id', async () => {
    let isUp = true;
    const { wakeUrl, keys } = await gateway(() => isUp);
    const world = await openWorld({ wakeUrl });
    const started = await world.start('x [[simulate: drop=1]]', { timeout_ms: 300, ack: 'agent' });
    const { task_id } = started;
    const late = `${task_id}-late`;
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    isUp = false;
    await passOn(world.handle(started), callbackFor(task_id));
    await until(async () => (await world.view(started)).state === 'done');
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
      KIMI_LANG: 'en',
    });
    expect(await inProcess(['ack', task_id], env)).toMatchObject({
      code: 0,
      stdout: `The earlier result of ${task_id} is acknowledged. Its answer has arrived since: show it, then run kimi-dispatch ack ${late}.\n`,
    });
    expect(await world.view(started)).toMatchObject({ acknowledged: false });
    expect(await world.results.unacknowledged()).toMatchObject([{ task_id, status: 'done' }]);
    isUp = true;
    await until(() => keys.includes(late));
    const inbox = await inProcess(['inbox', '--json'], env);
    expect(JSON.parse(inbox.stdout)).toMatchObject([{ news: late, task_id }]);
    expect(await inProcess(['ack', late], env)).toMatchObject({
      code: 0,
      stdout: `The result of task ${late} is acknowledged.\n`,
    });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(await world.results.unacknowledged()).toEqual([]);
    expect(keys).toEqual([task_id, late]);
    expect((await inProcess(['ack', task_id], env)).stdout).toBe(`The result of task ${task_id} is acknowledged.\n`);
  });

  it('that overtakes an acknowledgement in progress remains unacknowledged', async () => {
    const world = await openWorld({ wakeUrl: (await gateway(() => true)).wakeUrl });
    const started = await world.start('x [[simulate: drop=1]]', { timeout_ms: 300, ack: 'agent' });
    const { task_id } = started;
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    await Promise.all([passOn(world.handle(started), callbackFor(task_id)), acknowledge(world, started)]);
    await until(async () => {
      const { state, step } = await world.view(started);
      return state === 'done' && step === 'awaiting_acknowledgement';
    });
    expect(await world.view(started)).toMatchObject({ acknowledged: false });
    expect(await world.results.unacknowledged()).toMatchObject([{ task_id, late: true }]);
    expect(await world.results.acknowledge(task_id, undefined, task_id)).toBe(false);
  });

  it('is stored even after the grace period, while the task is still open because the gateway is down', async () => {
    let isUp = false;
    const { wakeUrl, keys, refused } = await gateway(() => isUp);
    const world = await openWorld({ wakeUrl });
    const started = await world.start('x [[simulate: drop=1]]', { timeout_ms: 300, grace_ms: 300 });
    const handle = world.handle(started);
    await until(async () => {
      const { events } = await handle.fetchHistory();
      return events?.filter(({ timerFiredEventAttributes }) => timerFiredEventAttributes).length === 2;
    });
    await passOn(handle, callbackFor(started.task_id));
    await until(async () => (await world.results.read(started.task_id))?.status === 'done');
    // Before that, the notification of the time-out may be retried once more.
    await until(() => refused.includes(`${started.task_id}-late`));
    isUp = true;
    expect(await handle.result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(keys).toEqual([`${started.task_id}-late`]);
  });

  it('to a cancelled task is stored without a notification, while the notification of the cancellation is still pending', async () => {
    let isUp = false;
    const { wakeUrl, keys } = await gateway(() => isUp);
    const world = await openWorld({ wakeUrl });
    const started = await world.start('x [[simulate: drop=1]]');
    await world.handle(started).cancel();
    await until(async () => (await world.view(started)).step === 'waking');
    await passOn(world.handle(started), callbackFor(started.task_id));
    await until(async () => (await world.results.read(started.task_id))?.late);
    await until(async () => (await world.view(started)).tokens);
    expect(await world.view(started)).toMatchObject({ state: 'cancelled', step: 'waking' });
    isUp = true;
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled', acknowledged: true });
    expect(keys).toEqual([started.task_id]);
    expect(await world.results.unacknowledged()).toEqual([]);
  });
});
