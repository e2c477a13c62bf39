import { Worker } from '@temporalio/worker';
import { BatchSteps } from '../../src/relay/batch-steps.ts';
import { KimiBatches } from '../../src/relay/kimi-batches.ts';
import { KimiFiles } from '../../src/relay/kimi-files.ts';
import { MapBatches } from '../../src/relay/map-batches.ts';
import { ReceivedStore } from '../../src/relay/recordings.ts';
import type { RelayActivities } from '../../src/relay/activities.ts';
import { rowsOfMap, type MapRow } from '../../src/results/map-result.ts';
import { relayQueue } from '../../src/shared/names.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import type { NewMap, StartedMap } from '../../src/tasks/tasks.ts';
import { tasksOf } from './api.ts';
import { lifetime, silent, temporaryFolder } from './resources.ts';
import { openNative, type World } from './world.ts';

/** Starts a map in a world, as a service does. */
export async function startMapIn(
  world: World,
  [name, content]: [name: string, content: string | Buffer],
  map: Omit<NewMap, 'rows'>,
  key = newKey(),
  tasks = tasksOf(world),
): Promise<StartedMap> {
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

/** Starts a map whose rows Kimi answers as batches. @param retries as of {@link NewMap} */
export async function startBatchIn(
  world: World,
  lines: string[],
  prompt: string,
  retries?: string,
): Promise<StartedMap> {
  const map = { prompt, model: 'kimi-k2.6', request: { batch: true as const }, ...(retries && { retries }) };
  const tasks = tasksOf(world, { relay: true, apiUrl: 'https://api.moonshot.cn/v1' });
  return await startMapIn(world, ['rows.txt', lines.join('\n')], map, undefined, tasks);
}

/** Makes batches for the maps of a world, in this process. @param maxInputBytes so much is one batch */
export async function serveBatches(world: World, maxInputBytes: number): Promise<void> {
  const account = { apiUrl: `${world.simulatorUrl}/v1`, apiKey: 'sk-test' };
  const steps = new BatchSteps({
    batches: new KimiBatches(account),
    files: new KimiFiles(account),
    received: new ReceivedStore(await temporaryFolder()),
    onInterrupt: 'retry',
    log: silent,
  });
  const { contents } = world.payloads;
  const documents = { into: async <T>(_: unknown, body: T): Promise<T> => body };
  const batches = new MapBatches({ steps, documents, contents, apiUrl: account.apiUrl, log: silent, maxInputBytes });
  const activities: Pick<RelayActivities, 'makeBatch' | 'answersOfBatch' | 'cancelBatch' | 'forgetBatch'> = {
    makeBatch: async (rows) => await batches.make(rows),
    answersOfBatch: async (rows, batch) => await batches.answers(rows, batch),
    cancelBatch: async (task_id) => await batches.cancel(task_id),
    forgetBatch: async (task_id) => await batches.forget(task_id),
  };
  const connection = await openNative();
  const { dataConverter, taskQueue } = { ...world.payloads, ...world };
  const worker = await Worker.create({ connection, taskQueue: relayQueue(taskQueue), dataConverter, activities });
  const running = worker.run();
  lifetime()(async () => {
    worker.shutdown();
    await running;
    await connection.close();
  });
}
