/** Maps whose rows Kimi answers as batches: made once, each row answered and billed once, nothing left at Kimi. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { rowTaskId } from '../../src/shared/task-id.ts';
import type { StartedMap } from '../../src/tasks/tasks.ts';
import { tasksOf } from '../support/api.ts';
import { allRows, resultOfMap, serveBatches, startBatchIn } from '../support/maps.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { temporaryFolder, until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

/** The relay reads the rows that the command line has stored. */
async function openWorldWithRelay() {
  const payloadDir = join(await temporaryFolder(), 'payloads');
  return await openRelayedWorld({ KIMI_PAYLOAD_DIR: payloadDir }, { payloadDir });
}

async function start(world: World, rows: number, directives: string, retries?: string): Promise<StartedMap> {
  const lines = Array.from({ length: rows }, (_, index) => `row ${index + 1}`);
  return await startBatchIn(world, lines, `{{text}} [[batch: ${directives}]]`, retries);
}

async function answersOf(world: World, map: ResultFile): Promise<boolean[]> {
  const rows = await allRows(world, map);
  return rows.map(({ number, result }) => result?.output?.includes(`> row ${number} `) ?? false);
}

const cleaned = async ({ counts }: World): Promise<unknown> =>
  await until(() => counts.uploads.every(({ deleted }) => deleted) || undefined);

it('is one batch for the rows, made once, if the relay is killed while Kimi has it', async () => {
  const world = await openWorldWithRelay();
  const started = await start(world, 30, 'delay=3000');
  await until(() => world.counts.batches.length === 1 || undefined);
  await until(async () => (await tasksOf(world).find(started.task_id)).progress?.phase === 'batch' || undefined);
  expect(await tasksOf(world).find(started.task_id)).toMatchObject({ state: 'dispatched', retrying: undefined });
  expect(world.results.pending()).toMatchObject([{ task_id: started.task_id, map_rows: 30 }]);
  await world.relay.kill();
  await world.relay.start();
  const map = await resultOfMap(world, started);
  expect(map).toMatchObject({ status: 'done', map: { rows: 30, done: 30 } });
  expect((await answersOf(world, map)).every(Boolean)).toBe(true);
  await cleaned(world);
  const metadata = { task_id: rowTaskId(started.task_id, 1), map: started.task_id, rows: '30' };
  expect(world.counts).toMatchObject({ billed: 30, requests: 0, batches: [{ metadata, status: 'completed' }] });
  expect(world.counts.batches).toHaveLength(1);
  expect(world.counts.wakes).toHaveLength(1);
});

it('that expires keeps its answers, and the other rows can be retried', async () => {
  const world = await openWorldWithRelay();
  const started = await start(world, 3, 'delay=0 end=expired answered=2');
  const map = await resultOfMap(world, started);
  expect(map).toMatchObject({ status: 'failed', map: { done: 2, failed: 1 } });
  expect(map.map?.failures).toMatchObject([{ number: 3, error: { type: 'batch_expired' } }]);
  const again = await start(world, 3, 'delay=0', started.task_id);
  const whole = await resultOfMap(world, again);
  expect(await answersOf(world, whole)).toEqual([true, true, true]);
  expect(world.counts.billed).toBe(3);
});

it('that is cancelled is cancelled at Kimi, and what was answered is saved', async () => {
  const world = await openWorldWithRelay();
  const started = await start(world, 3, 'delay=600000 answered=1');
  await until(async () => (await tasksOf(world).find(started.task_id)).progress?.phase === 'batch' || undefined);
  expect(await tasksOf(world).cancel(started.task_id)).toMatchObject({ status: 'cancelled' });
  const map = await resultOfMap(world, started);
  expect(map).toMatchObject({ status: 'cancelled', map: { done: 1, cancelled: 2 } });
  expect(await answersOf(world, map)).toEqual([true, false, false]);
  await cleaned(world);
  expect(world.counts).toMatchObject({ billed: 1, batches: [{ status: 'cancelled' }] });
});

it('is split if the rows do not fit into one; no row is lost or asked twice when the map is continued as new', async () => {
  const world = await openWorld();
  await serveBatches(world, 20_000);
  const started = await start(world, 260, 'delay=0');
  const first = await world.handle(started).describe();
  const map = await resultOfMap(world, started);
  expect(map).toMatchObject({ status: 'done', map: { rows: 260, done: 260 } });
  expect((await answersOf(world, map)).every(Boolean)).toBe(true);
  expect(world.counts.billed).toBe(260);
  const sizes = world.counts.batches.map(({ metadata }) => Number(metadata['rows']));
  expect(sizes.length).toBeGreaterThan(1);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(260);
  expect((await world.handle(started).describe()).runId).not.toBe(first.runId);
});
