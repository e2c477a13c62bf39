/** Starts a map: every row is checked before the first is paid for. */
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import * as z from 'zod';
import { metadata, taskRequest, turn } from '../api/question-schemas.ts';
import { limitsOf } from '../config/index.ts';
import { retirementOf } from '../kimi/models.ts';
import { isRowAnswered, retriesIn, retriesOf, rowsOfMap, saveMapResult } from '../results/map-result.ts';
import { firstCharacters, isoSeconds } from '../shared/format.ts';
import { rowsAsked, type MapAcceptance, type MapInput, type MapOrder, type StoredRows } from '../shared/map.ts';
import { ACCEPTED_UPDATE, MAP_WORKFLOW } from '../shared/names.ts';
import type { ResultFile } from '../shared/result.ts';
import { rowTaskId } from '../shared/task-id.ts';
import { QUESTION_CHARS, type Acceptance, type Task } from '../shared/task.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { unlessUnknown } from '../temporal/client.ts';
import { CREATED_MEMO } from '../temporal/task-list.ts';
import type { TaskContext } from './context.ts';
import { savedResult } from './look-up.ts';
import { Problem } from './problem.ts';
import { withReceiver } from './receiver.ts';
import { checkTask, inputOf, isKeptToBudget } from './request.ts';
import { askedOfRow, hasColumns, isGone, readRows, renewRows, withoutColumns, type Row } from './rows.ts';
import { checkChatLimit, idFrom, memoOf, optionsOf, originOf, taskWithId, type Asked, type Origin } from './start.ts';
import { nameFromPrompt } from './task-name.ts';
import type { NewMap, StartedMap } from './tasks.ts';

/** Rows in progress at the same time: twice as many as are sent by default, so that the limiter always has some in its queue. */
const AT_ONCE = 20;

/** @throws {Problem} if something is missing, or would be refused by Kimi */
export async function startMap(client: Client, context: TaskContext, map: NewMap, key: string): Promise<StartedMap> {
  const { rows: given, retries: named, ...task } = map;
  const { stack, results, contents, simulated } = context;
  if (stack && !stack.has_key) throw new Problem('no_api_key', {});
  const { name = nameFromPrompt(withoutColumns(task.prompt)) } = task;
  const checked = checkTask(context, { ...task, name });
  const origin = originOf(task, key);
  if (!origin) throw new Error('a map has a key');
  const asked: Asked = { prompt: task.prompt, files: [{ sha256: given.sha256 }, ...(task.files ?? [])] };
  const isOwn = async (task_id: string) => await taskWithId(client, task_id, origin, asked);
  const failed = named === undefined ? undefined : await failedRows(context, client, named, isOwn);
  const { retries, only } = failed ?? {};
  const rows = retries === undefined ? given : await renewed(context, given, retries);
  const startedMap = (task_id: string): Omit<StartedMap, 'status'> => ({
    task_id,
    task_name: name,
    rows: only?.length ?? rows.rows,
    result_file: results.resultPath(task_id),
    ...(simulated && { simulated }),
  });

  const before = failed ? failed.known : await isOwn(idFrom(origin, 0));
  if (before) return { ...startedMap(before.task_id), status: 'known', task_name: before.task_name };
  await checkRows(context, { ...task, name }, rows, rowsAsked({ rows: rows.rows, ...(only && { only }) }));
  if (task.route) await checkChatLimit(client, context, task.route, only?.length ?? rows.rows);
  const order: MapOrder = { ...inputOf(context, await withReceiver(context, checked)), rows };
  const claim = await contents.put(Buffer.from(JSON.stringify(order)));
  const removed = await results.removed.ids();
  for (let clashes = 0; ; clashes += 1) {
    const task_id = idFrom(failed?.origin ?? origin, clashes);
    if (failed && removed.has(task_id)) continue;
    const input: MapInput = {
      task: taskOf(task_id, order),
      created_at: isoSeconds(Date.now()),
      order: claim,
      rows: rows.rows,
      at_once: Math.max(AT_ONCE, limitsOf(context.config).concurrent),
      ...(only && { only }),
      ...(retries !== undefined && { retries }),
      ...(order.request?.batch && { batch: true }),
    };
    const memo = { ...memoOf(task.route, origin, asked), [CREATED_MEMO]: input.created_at };
    try {
      await client.workflow.start(MAP_WORKFLOW, { ...optionsOf(context.taskQueue, input.task, memo), args: [input] });
      const retired = simulated && retirementOf(checked.model);
      const status = await statusOf(client, context, input);
      return { ...startedMap(task_id), ...status, ...(retired && { retired }) };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      if (await isOwn(task_id)) return { ...startedMap(task_id), status: 'known' };
      // Another retry was faster, and has ended: which rows have no answer is looked up again, in its result.
      if (retries !== undefined && (await hasRetried(client, context, retries, task_id))) {
        return await startMap(client, context, map, key);
      }
    }
  }
}

/** How long a map may take until its first row says whether it is sent, in milliseconds: longer than a workflow task that is lost (`WORKFLOW_TASK_TIMEOUT`). */
const ACCEPTED_MS = 10_000;

/** @returns whether a budget keeps the first row of a map that was just started, or its batch. */
async function statusOf(
  client: Client,
  context: TaskContext,
  map: MapInput,
): Promise<Pick<StartedMap, 'status' | 'paused'>> {
  const { task_id } = map.task;
  if (!isKeptToBudget(context, map.task)) return { status: 'started' };
  const [first = 1] = rowsAsked(map);
  const ask = async <T>(id: string): Promise<T> =>
    await client.workflow.getHandle(id).executeUpdate<T, []>(ACCEPTED_UPDATE);
  try {
    return await client.connection.withDeadline(Date.now() + ACCEPTED_MS, async (): ReturnType<typeof statusOf> => {
      const { paused } = await ask<MapAcceptance>(task_id);
      if (paused) return { status: 'paused', paused };
      const row: Acceptance | MapAcceptance = map.batch ? {} : await ask<Acceptance>(rowTaskId(task_id, first));
      return 'paused' in row && row.paused ? { status: 'paused', paused: row.paused } : { status: 'started' };
    });
  } catch {
    // It has ended, or does not answer in time. If a budget keeps it, its user is notified of that anyway.
    return { status: 'started' };
  }
}

/** The map as a task of its own: what its rows are asked is in the order. Batches need the limiter's permission. */
function taskOf(task_id: string, { prompt, request, rows: _, relay: __, limiter, ...task }: MapOrder): Task {
  const batches = request?.batch && limiter !== undefined && { limiter };
  return { ...task, ...batches, task_id, prompt: firstCharacters(prompt, QUESTION_CHARS) };
}

/** Checks what would be asked for each row. */
async function checkRows(
  context: TaskContext,
  task: Omit<NewMap, 'rows' | 'retries'> & { name: string },
  rows: StoredRows,
  numbers: readonly number[],
): Promise<void> {
  for await (const row of rowsGiven(context.contents, rows, numbers)) {
    if (!hasColumns(task.prompt)) throw new Problem('no_column', { columns: Object.keys(row.values) });
    const asked = askedOfRow(task, row);
    try {
      checkTask(context, asked);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { code, params } = error;
      throw new Problem('unusable_row', { line: row.line, reason: { code, params } });
    }
  }
}

/** The form of a stored row. Checked, since a program may name contents that were not stored as rows. */
const storedRow = z.object({
  line: z.int(),
  values: z.record(z.string(), z.unknown()),
  asked: z
    .strictObject({ request: taskRequest, conversation: z.array(turn.omit({ files: true })), metadata })
    .partial()
    .optional(),
});

/** Reads rows. A program may name some that were never stored. @throws {Problem} `unusable_rows` */
async function* rowsGiven(contents: ContentStore, rows: StoredRows, numbers: readonly number[]): AsyncGenerator<Row> {
  const gone = new Problem('unusable_rows', { file: rows.name, why: 'gone' });
  let count = 0;
  try {
    for await (const row of readRows(contents, rows, numbers)) {
      if (!storedRow.safeParse(row).success) throw gone;
      count += 1;
      yield row;
    }
  } catch (error) {
    throw isGone(error) || error instanceof SyntaxError ? gone : error;
  }
  if (count < numbers.length) throw gone;
}

/** What is asked by a retry of failed rows. */
interface FailedRows {
  /** The map that has no retry yet. */
  retries: string;
  /** Numbers of its rows without an answer, in order. */
  only: number[];
  /** Both of two retries that start together derive the same id from it, so that only one starts. */
  origin: Origin;
  /** The retry, if the same start was made before. */
  known?: { task_id: string; task_name: string };
}

/**
 * Rows that a later retry of the map has answered are not asked again.
 *
 * @param isOwn looks up whether a task was begun by the same start
 * @throws {Problem} `unfinished`, of a retry that is under way
 */
async function failedRows(
  context: TaskContext,
  client: Client,
  task_id: string,
  isOwn: (task_id: string) => Promise<FailedRows['known'] | undefined>,
): Promise<FailedRows> {
  const { results } = context;
  const map = await savedResult(context, task_id);
  if (!map.map) throw new Problem('no_map', { task_id });
  let last = map;
  let known: FailedRows['known'];
  for (const retry of retriesOf(task_id, await retriesIn(results))) {
    known = await isOwn(retry);
    if (known) break;
    if (!(await results.readIfSound(retry)) && !(await isUnderWay(client, retry))) {
      await saveLost(results, last, retry);
    }
    last = await savedResult(context, retry);
  }
  const only = await failedIn(results, last);
  if (!known && only.length === 0) throw new Problem('no_failed_rows', { task_id });
  const origin = { word: `retry of ${last.task_id}`, at: Date.parse(last.completed_at), isKey: true };
  return { retries: last.task_id, only, origin, ...(known && { known }) };
}

async function failedIn(results: TaskContext['results'], map: ResultFile): Promise<number[]> {
  const numbers: number[] = [];
  for await (const row of rowsOfMap(results, map)) if (!isRowAnswered(row)) numbers.push(row.number);
  return numbers;
}

/** Saves the result of a retry whose workflow is gone, from those of its rows: otherwise it would be under way for ever. */
async function saveLost(results: TaskContext['results'], before: ResultFile, task_id: string): Promise<void> {
  const pending = results.pending().find((file) => file.task_id === task_id);
  if (!pending || !before.map) return;
  const only = await failedIn(results, before);
  const { task_name, model, created_at, simulated } = pending;
  const rows = before.map.of ?? before.map.rows;
  const map = { task: { task_id, task_name, model, ...(simulated && { simulated }) }, created_at, rows, only };
  await saveMapResult(results, { ...map, retries: before.task_id }, undefined, only.length, {});
}

/**
 * @returns whether a task with the id of a map's retry is one, and has its result; another task may have the id
 * @throws {Problem} `unfinished`, while it is under way
 */
async function hasRetried(
  client: Client,
  { results }: TaskContext,
  retries: string,
  task_id: string,
): Promise<boolean> {
  if (await isUnderWay(client, task_id)) throw new Problem('unfinished', { task_id });
  return (await results.readIfSound(task_id))?.map?.retries === retries;
}

async function isUnderWay(client: Client, task_id: string): Promise<boolean> {
  const found = await unlessUnknown(client.workflow.getHandle(task_id).describe());
  return found?.status.name === 'RUNNING';
}

async function renewed({ contents }: TaskContext, rows: StoredRows, task_id: string): Promise<StoredRows> {
  return await renewRows(contents, rows).catch((error: unknown) => {
    throw isGone(error) ? new Problem('rows_gone', { task_id }) : error;
  });
}
