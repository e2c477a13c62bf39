/** The result of a map, and the results of its rows. */
import {
  countsOf,
  noCounts,
  rowsAsked,
  type FailedRow,
  type MapCounts,
  type MapInput,
  type MapOrder,
} from '../shared/map.ts';
import { questionOf, type Cost, type ResultFile } from '../shared/result.ts';
import { rowTaskId } from '../shared/task-id.ts';
import type { Outcome, Task, TaskError } from '../shared/task.ts';
import type { ResultStore } from './store.ts';
import { addUp, type Addend } from './usage.ts';

/** A row and what became of it. */
export interface MapRow extends FailedRow {
  /** Absent if it has none. */
  result?: ResultFile;
}

/** What is known of a saved map. */
export interface SavedMap {
  status: Outcome;
  counts: MapCounts;
  tokens: number;
  /** In the currency of the rows; 0 if no price is known. */
  cost: number;
  error?: TaskError | undefined;
  completed_at: string;
}

/** A map whose result is saved. */
type EndedMap = Pick<MapInput, 'created_at' | 'rows' | 'only' | 'retries'> & {
  task: Pick<Task, 'task_id' | 'task_name' | 'model' | 'simulated' | 'owner' | 'wake'>;
};

type Reading = Pick<ResultStore, 'readIfSound'>;

/** @returns the result of a row; `undefined` if another task has its id. */
async function resultOfRow(results: Reading, map: string, number: number): Promise<ResultFile | undefined> {
  const result = await results.readIfSound(rowTaskId(map, number));
  return result?.row?.map === map ? result : undefined;
}

/**
 * Saves the result of a map. Its rows are read one after the other, so that their answers are not in memory together.
 *
 * @param order absent if it is gone
 * @param started number of rows that were started
 */
export async function saveMapResult(
  results: Reading & Pick<ResultStore, 'persist'>,
  map: EndedMap,
  order: MapOrder | undefined,
  started: number,
  { cancelled, error: stopped }: { cancelled?: true; error?: TaskError },
): Promise<SavedMap> {
  const { task, only, retries, rows: of } = map;
  const { task_id, task_name, model } = task;
  const counts = noCounts();
  const failures: FailedRow[] = [];
  const addends: (Addend & Pick<ResultFile, 'cost'>)[] = [];
  const numbers = rowsAsked(map);
  for (const [index, number] of numbers.entries()) {
    const result = await resultOfRow(results, task_id, number);
    const lost = { type: index < started ? 'row_lost' : 'not_started', message: 'the row has no result' };
    const { status, error } = result ?? {
      status: cancelled && index >= started ? ('cancelled' as const) : ('failed' as const),
      error: index >= started && stopped ? stopped : lost,
    };
    counts[status] += 1;
    if (status !== 'done') {
      failures.push({ number, task_id: rowTaskId(task_id, number), status, ...(error && { error }) });
    }
    if (!result) continue;
    const { tokens, cost, completed_at } = result;
    addends.push({ status, model, task_name, completed_at, ...(tokens && { tokens }), ...(cost && { cost }) });
  }
  const { tokens, cost } = addUp(addends, 'name').total;
  const isWhole = failures.length === 0;
  const { saved } = await results.persist({
    task_id,
    task_name,
    status: cancelled ? 'cancelled' : isWhole ? 'done' : 'failed',
    model,
    created_at: map.created_at,
    ...notesOf(task),
    ...(!isWhole && { error: cancelled ? CANCELLED : ROWS_FAILED }),
    map: {
      rows: numbers.length,
      ...counts,
      tokens,
      cost: cost.map((sum) => ({ ...sum, price_date: newestPrice(addends) })),
      failures,
      ...(only && { only, of }),
      ...(retries !== undefined && { retries }),
    },
    ...(order && questionOf(order)),
  });
  const { status, error, completed_at, map: summary } = saved;
  return {
    status,
    counts: summary ? countsOf(summary) : { rows: numbers.length, ...counts },
    tokens: summary?.tokens.total ?? tokens.total,
    cost: (summary?.cost ?? cost)[0]?.amount ?? 0,
    ...(error && { error }),
    completed_at,
  };
}

function notesOf({ simulated, owner, wake }: EndedMap['task']): Pick<ResultFile, 'simulated' | 'owner' | 'wake'> {
  return {
    ...(simulated && { simulated }),
    ...(owner !== undefined && { owner }),
    ...(wake === false && { wake }),
  };
}

function newestPrice(addends: readonly { cost?: Pick<Cost, 'price_date'> }[]): string {
  return addends.reduce((newest, { cost }) => (cost && cost.price_date > newest ? cost.price_date : newest), '');
}

const CANCELLED: TaskError = { type: 'cancelled', message: 'the task was cancelled' };

const ROWS_FAILED: TaskError = { type: 'rows_failed', message: 'some rows have no answer' };

/** @returns whether Kimi has answered a row completely. An answer that came after a cancellation leaves the row cancelled. */
export function isRowAnswered({ status, result }: Pick<MapRow, 'status' | 'result'>): boolean {
  return status === 'done' || result?.output !== undefined;
}

/** @returns which map asked the failed rows of a map again, by the id of the latter. It may be under way. */
export async function retriesIn(results: Pick<ResultStore, 'pending' | 'savedRetries'>): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { task_id, retries } of results.pending()) if (retries !== undefined) found.set(retries, task_id);
  for (const { task_id, map } of await results.savedRetries()) {
    if (map?.retries !== undefined) found.set(map.retries, task_id);
  }
  return found;
}

/**
 * @param retries see {@link retriesIn}
 * @returns the maps that asked the failed rows of a map again, one after the other. They read its other rows.
 */
export function retriesOf(task_id: string, retries: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  // A file that was changed by hand could name a map twice.
  for (let next = retries.get(task_id); next !== undefined && !found.includes(next); next = retries.get(next)) {
    found.push(next);
  }
  return found;
}

/**
 * @param map the result of a map
 * @returns every row of its file, in order, with its newest answer, or else its newest result: of the map, or of one whose failed rows
 *   it asked again.
 */
export async function* rowsOfMap(results: Reading, map: ResultFile): AsyncGenerator<MapRow> {
  const total = map.map?.of ?? map.map?.rows ?? 0;
  const maps = [map];
  // A file that was changed by hand could name a map twice.
  const seen = new Set([map.task_id]);
  for (let next = map.map?.retries; next !== undefined && !seen.has(next); next = maps.at(-1)?.map?.retries) {
    seen.add(next);
    const earlier = await results.readIfSound(next);
    if (!earlier?.map) break;
    maps.push(earlier);
  }
  for (let number = 1; number <= total; number += 1) {
    const asked = maps.filter((each) => each.map?.only?.includes(number) ?? true);
    const row = await newestRow(results, asked.length > 0 ? asked : [map], number);
    if (row) yield row;
  }
}

/** @param maps which asked the row, the newest first. In an earlier one it may have been answered late. */
async function newestRow(results: Reading, maps: readonly ResultFile[], number: number): Promise<MapRow | undefined> {
  let newest: MapRow | undefined;
  for (const map of maps) {
    const row = await rowOf(results, map, number);
    if (isRowAnswered(row)) return row;
    newest ??= row;
  }
  return newest;
}

async function rowOf(results: Reading, { task_id: of, map }: ResultFile, number: number): Promise<MapRow> {
  const result = await resultOfRow(results, of, number);
  if (result) {
    const { task_id, status, error } = result;
    return { number, task_id, status, ...(error && { error }), result };
  }
  const failure = map?.failures.find((each) => each.number === number);
  const gone = { type: 'result_gone', message: 'the result file of the row is gone' };
  return failure ?? { number, task_id: rowTaskId(of, number), status: 'failed', error: gone };
}
