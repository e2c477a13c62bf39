import { rowsOfMap, type MapRow } from '../../src/results/map-result.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import type { NewMap, StartedMap } from '../../src/tasks/tasks.ts';
import { tasksOf } from './api.ts';
import type { World } from './world.ts';

/** Starts a map in a world, as a service does. */
export async function startMapIn(
  world: World,
  [name, content]: [name: string, content: string | Buffer],
  map: Omit<NewMap, 'rows'>,
  key = newKey(),
): Promise<StartedMap> {
  const tasks = tasksOf(world);
  const rows = await tasks.keepRows({ name, content: Buffer.from(content) });
  return await tasks.startMap({ ...map, rows }, key);
}

/** @returns the result of a map that has ended. */
export async function resultOfMap(world: World, started: { task_id: string }): Promise<ResultFile> {
  await world.handle(started).result();
  return (await world.results.read(started.task_id)) as ResultFile;
}

/** @returns every row of a map. */
export async function allRows(world: World, map: ResultFile): Promise<MapRow[]> {
  const rows: MapRow[] = [];
  for await (const row of rowsOfMap(world.results, map)) rows.push(row);
  return rows;
}
