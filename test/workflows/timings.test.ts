/** The duration of each step in a result file, on the real engine over real HTTP. */
import { setTimeout as pause } from 'node:timers/promises';
import { request } from 'undici';
import { expect, it } from 'vitest';
import { ACKNOWLEDGE_UPDATE } from '../../src/shared/names.ts';
import { sign, SIGNATURE_HEADER } from '../../src/webhook/signature.ts';
import { callbackFor } from '../support/callback.ts';
import { SECRET, until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

const MS = expect.toSatisfy((value: unknown) => Number.isInteger(value) && (value as number) >= 0);

/** A task whose callback comes from the test: on a busy machine the simulator's could overtake the response of the dispatch call. */
const UNANSWERED = 'x [[simulate: drop=1]]';

async function answer({ webhookUrl }: World, task_id: string): Promise<void> {
  // The time that the sender claims is ignored.
  const body = JSON.stringify({ ...callbackFor(task_id), received_at: 1 });
  const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, SECRET) };
  await request(`${webhookUrl}/kimi/webhook/${task_id}`, { method: 'POST', body, headers });
}

it('each step is timed, the last two once the notification is acknowledged', async () => {
  const world = await openWorld();
  const started = await world.start(UNANSWERED);
  await until(async () => (await world.view(started)).step === 'waiting');
  const waited = performance.now();
  await pause(300);
  const waitedMs = Math.floor(performance.now() - waited);
  await answer(world, started.task_id);
  await world.handle(started).result();
  const timings = (await world.results.read(started.task_id))?.timings;
  expect(timings).toEqual({ queued_ms: MS, dispatch_ms: MS, kimi_ms: MS, save_ms: MS, wake_ms: MS });
  expect(timings?.kimi_ms).toBeGreaterThanOrEqual(waitedMs);
  expect((await world.results.latest())?.timings).toEqual(timings);
});

it('for an answer in the response of the dispatch call, Kimi’s time is that of the call', async () => {
  const world = await openWorld();
  const started = await world.start('x [[simulate: direct=1]]');
  await world.handle(started).result();
  const { timings } = (await world.results.read(started.task_id)) ?? {};
  expect(timings).toEqual({ queued_ms: MS, kimi_ms: MS, save_ms: MS, wake_ms: MS });
});

it('a deadline does not count as Kimi’s answer; a late answer is timed again', async () => {
  const world = await openWorld();
  const started = await world.start(UNANSWERED, { timeout_ms: 1_000 });
  const { task_id } = started;
  await until(async () => (await world.results.read(task_id))?.acknowledged);
  const timedOut = await world.results.read(task_id);
  expect(timedOut?.timings).toEqual({ queued_ms: MS, dispatch_ms: MS, wake_ms: MS });

  await answer(world, task_id);
  await world.handle(started).result();
  const late = await world.results.read(task_id);
  expect(late).toMatchObject({ status: 'done', late: true, acknowledged: true });
  expect(late?.timings).toEqual({ queued_ms: MS, dispatch_ms: MS, kimi_ms: MS, save_ms: MS, wake_ms: MS });
  expect(late?.timings?.kimi_ms).toBeGreaterThanOrEqual(1_000);
});

it('if the agent acknowledges, the wake is timed, not the agent', async () => {
  const world = await openWorld();
  const started = await world.start(UNANSWERED, { ack: 'agent' });
  const { task_id } = started;
  await until(async () => (await world.view(started)).step === 'waiting');
  await answer(world, task_id);
  await until(() => world.counts.wakes.length === 1);
  expect((await world.results.read(task_id))?.timings).toEqual({ queued_ms: MS, dispatch_ms: MS, kimi_ms: MS });
  await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
  await world.handle(started).executeUpdate(ACKNOWLEDGE_UPDATE);
  await world.handle(started).result();
  expect((await world.results.read(task_id))?.timings).toHaveProperty('wake_ms');
});

it('a task that was never sent has only its time in the queue', async () => {
  const world = await openWorld({ apiKey: undefined });
  const started = await world.start('x');
  await world.handle(started).result();
  const refused = await world.results.read(started.task_id);
  expect(refused).toMatchObject({ status: 'failed', error: { type: 'no_api_key' } });
  expect(refused?.timings).toEqual({ queued_ms: MS, wake_ms: MS });
});
