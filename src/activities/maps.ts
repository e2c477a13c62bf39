import { Context } from '@temporalio/activity';
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Logger } from 'pino';
import { saveMapResult, type SavedMap } from '../results/map-result.ts';
import type { ResultStore } from '../results/store.ts';
import { tildePath } from '../service/files.ts';
import { failureDetails } from '../shared/failure-details.ts';
import type { MapInput, MapOrder, RowOf, RowReport, RowsToAsk } from '../shared/map.ts';
import { FAILURE, ROW_SIGNAL, ROW_WORKFLOW } from '../shared/names.ts';
import { rowTaskId } from '../shared/task-id.ts';
import type { Outcome, Task, TaskError } from '../shared/task.ts';
import { isGone, readOrder, tasksOfRows } from '../tasks/rows.ts';
import { memoOfRow, optionsOf, rowIn } from '../tasks/start.ts';
import { unlessUnknown } from '../temporal/client.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { startDelivery, type EventDependencies } from './events.ts';
import { beating } from './heartbeat.ts';

export interface MapDependencies extends Pick<EventDependencies, 'config'> {
  results: Pick<ResultStore, 'persist' | 'readIfSound' | 'resultPath'>;
  /** Rows and orders of maps. */
  contents: ContentStore;
  log: Logger;
}

/** What rows have that are started together. */
export interface StartedRows {
  /** Claim of the content with their answers, if Kimi has answered them in a batch. */
  answers?: string;
  /** They are sent, whatever they cost. */
  allowed?: true;
}

export function mapActivities({ results, contents, config, log }: MapDependencies) {
  return {
    /**
     * Starts the tasks of rows. A row that was started before is not started again.
     *
     * @param order its claim
     * @param how what all of them have
     */
    async startRows(map: string, order: string, numbers: number[], how: StartedRows = {}): Promise<void> {
      await beating(async () => {
        const { client, info } = Context.current();
        const tasks = await tasksToStart(contents, { map, order, numbers }, how).catch(unlessGone);
        await Promise.all(tasks.map(async (task) => await startRow(client, info.taskQueue, task)));
        log.info({ map, rows: numbers.length }, 'rows started');
      });
    },

    /** Reports the outcome of a row to its map; does nothing if the map has ended. */
    async reportRow({ map, number }: RowOf, status: Outcome): Promise<void> {
      const { client } = Context.current();
      await unlessUnknown(client.workflow.getHandle(map).signal<[RowReport]>(ROW_SIGNAL, { number, status }));
    },

    /** @returns those of the rows that have ended: with a result, or without one, since their workflow was ended in the engine. */
    async endedRows(map: string, numbers: number[]): Promise<RowReport[]> {
      const { client } = Context.current();
      const looked = await Promise.all(
        numbers.map(async (number): Promise<RowReport[]> => {
          const status = await outcomeOfRow(client, results, { map, number });
          return status ? [{ number, status }] : [];
        }),
      );
      return looked.flat();
    },

    /** Cancels the tasks of rows. */
    async cancelRows(map: string, numbers: number[]): Promise<void> {
      const { client } = Context.current();
      await Promise.all(
        numbers.map(async (number) => await unlessUnknown(client.workflow.getHandle(rowTaskId(map, number)).cancel())),
      );
    },

    /** Writes the result of a map, from those of its rows, and starts the delivery of its event. @param started number of rows that were started */
    async saveMap(
      map: MapInput,
      started: number,
      stop: { cancelled?: true; error?: TaskError },
    ): Promise<SavedMap & { file: string }> {
      const { task_id } = map.task;
      const saved = await beating(async () => {
        return await saveMapResult(results, map, await orderOf(contents, map), started, stop);
      });
      await startDelivery(config, await results.readIfSound(task_id), map.task);
      log.info({ task_id, status: saved.status, ...saved.counts }, 'map saved');
      return { ...saved, file: tildePath(results.resultPath(task_id)) };
    },
  };
}

/** @returns `undefined` of a row that has not ended */
async function outcomeOfRow(
  client: Client,
  results: MapDependencies['results'],
  { map, number }: RowOf,
): Promise<Outcome | undefined> {
  const task_id = rowTaskId(map, number);
  const result = await results.readIfSound(task_id);
  if (result?.row?.map === map) return result.status;
  const found = await unlessUnknown(client.workflow.getHandle(task_id).describe());
  const isOpen = found?.status.name === 'RUNNING' && rowIn(found)?.map === map;
  return isOpen ? undefined : 'failed';
}

async function startRow(client: Client, taskQueue: string, task: Task): Promise<void> {
  try {
    const options = optionsOf(taskQueue, task, memoOfRow(task));
    await client.workflow.start(ROW_WORKFLOW, { ...options, args: [task], requestEagerStart: true });
  } catch (error) {
    // By an attempt before this one. If another task has the id, `endedRows` reports the row as failed.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** A row that is answered needs no permission to be sent. */
async function tasksToStart(
  contents: ContentStore,
  { map, order, numbers }: RowsToAsk,
  { answers, allowed }: StartedRows,
): Promise<Task[]> {
  const tasks: Task[] = [];
  for await (const task of tasksOfRows(contents, map, await readOrder(contents, order), numbers)) {
    const { limiter: _, ...answered } = task;
    if (answers === undefined) tasks.push(allowed ? { ...task, allowed } : task);
    else tasks.push({ ...answered, answers, allowed: true });
  }
  return tasks;
}

/** Rows that are gone are not read again. */
function unlessGone(error: unknown): never {
  if (!isGone(error)) throw error;
  const { message } = error;
  const details = failureDetails({ type: 'rows_gone' });
  throw ApplicationFailure.create({ message, type: FAILURE.rowsGone, nonRetryable: true, details });
}

/** @returns the order of a map; `undefined` if it is gone: then the question is missing in the result */
async function orderOf(contents: ContentStore, { order }: MapInput): Promise<MapOrder | undefined> {
  return await readOrder(contents, order).catch((error: unknown) => {
    if (!isGone(error)) throw error;
    return undefined;
  });
}
