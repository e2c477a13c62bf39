/** Lists of tasks, from the engine and from the results folder. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { MAP_WORKFLOW, ROW_WORKFLOW, SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../shared/names.ts';
import { countsOf, noCounts } from '../shared/map.ts';
import { isOutcome, type Outcome, type TaskState } from '../shared/task.ts';
import { isOfChat } from '../shared/access.ts';
import { routeIn } from '../shared/chat.ts';
import { isoSeconds } from '../shared/format.ts';
import type { ResultStore } from '../results/store.ts';
import type { CallerFilter, Filter, ListedTask } from '../tasks/tasks.ts';

/** @returns the engine's query for the tasks of a queue: maps, and not their rows. Of a map, earlier runs are no tasks. */
export function tasksOn(taskQueue: string, types = [TASK_WORKFLOW, MAP_WORKFLOW]): string {
  return `${workflowsOn(taskQueue, types)} AND ExecutionStatus != "ContinuedAsNew"`;
}

/** @returns the engine's query for what Kimi is asked: tasks, and the rows of maps. */
export function requestsOn(taskQueue: string): string {
  return workflowsOn(taskQueue, [TASK_WORKFLOW, ROW_WORKFLOW]);
}

function workflowsOn(taskQueue: string, types: string[]): string {
  return `WorkflowType IN (${types.map(quoted).join(', ')}) AND TaskQueue = ${quoted(taskQueue)}`;
}

/** @returns a condition of such a query: the state is one of these. */
export function stateIn(states: readonly TaskState[]): string {
  return `${SEARCH_ATTRIBUTES.status.name} IN (${states.map((state) => `"${state}"`).join(', ')})`;
}

/**
 * @param since milliseconds since 1970
 * @returns the ids of the tasks that were started since then and have no outcome. A task that has timed out has one.
 */
export async function openTasksSince(client: Client, taskQueue: string, since: number): Promise<string[]> {
  const query = `${tasksOn(taskQueue)} AND ExecutionStatus = "Running" AND StartTime > "${new Date(since).toISOString()}"`;
  const ids: string[] = [];
  for await (const execution of client.workflow.list({ query })) {
    const { task_id, state } = listedTask(execution);
    if (!isOutcome(state)) ids.push(task_id);
  }
  return ids;
}

/** Key of a map's start in its memo, ISO 8601: a later run of its workflow starts later. */
export const CREATED_MEMO = 'created_at';

/** @returns when the first run of a map started; `undefined` for other workflows. */
export function createdAt({ memo }: Pick<WorkflowExecutionInfo, 'memo'>): string | undefined {
  return memo?.[CREATED_MEMO] as string | undefined;
}

/** Key of a task that Kimi answers as a batch, in its memo. */
export const BATCH_MEMO = 'batch';

/** Key of the task that a task continues, in its memo. */
export const CONTINUES_MEMO = 'continues';

/** @returns the list's entry of one task. */
export function listedTask(execution: WorkflowExecutionInfo) {
  const { workflowId, startTime, typedSearchAttributes: attributes, memo, type } = execution;
  const created_at = createdAt(execution);
  const continues = memo?.[CONTINUES_MEMO] as string | undefined;
  const { taskName, status, model, tokens } = SEARCH_ATTRIBUTES;
  return {
    task_id: workflowId,
    task_name: attributes.get(taskName) ?? '',
    state: (attributes.get(status) ?? 'dispatching') as TaskState,
    model: attributes.get(model) ?? '',
    tokens: attributes.get(tokens) ?? null,
    /** Milliseconds since 1970. */
    started: startTime.getTime(),
    ...(created_at !== undefined && { created_at }),
    ...(continues !== undefined && { continues }),
    ...(type === MAP_WORKFLOW && { isMap: true as const }),
  };
}

type Started = ReturnType<typeof listedTask>;

/** A task as the engine lists it. */
export type EngineTask = ListedTask & Pick<Started, 'isMap'>;

/** `rows` lists the rows of maps in place of the maps. */
type WorkflowFilter = CallerFilter & { rows?: true };

/** The engine's query for tasks. */
function queryFor(
  taskQueue: string,
  { status, name, model: used, schedule, owner, maps, rows }: WorkflowFilter,
): string {
  const { taskName, model: modelName, schedule: itsSchedule, owner: itsOwner } = SEARCH_ATTRIBUTES;
  return [
    rows ? requestsOn(taskQueue) : tasksOn(taskQueue, maps && [MAP_WORKFLOW]),
    status && stateIn(status),
    name && `${taskName.name} STARTS_WITH ${quoted(name)}`,
    used && `${modelName.name} = ${quoted(used)}`,
    schedule !== undefined && `${itsSchedule.name} = ${quoted(schedule)}`,
    owner !== undefined && `${itsOwner.name} = ${quoted(owner)}`,
  ]
    .filter((condition) => condition)
    .join(' AND ');
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

/** Time windows that are searched until there are enough tasks, in milliseconds; the last one is the requested one. */
const WINDOWS_MS = [60_000, 600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000, 7 * 24 * 3_600_000];

/** A window is halved while it holds more than this many times the wanted tasks. */
const READ_MORE = 5;
/** Precision of a halved window, in milliseconds. */
const CLOSEST_MS = 100;

/** A place in the order of tasks: after the task with this start (milliseconds since 1970) and id. */
export type Place = Pick<Started, 'started' | 'task_id'>;

/** @returns the newest tasks. */
export async function newestTasks(
  client: Client,
  taskQueue: string,
  filter: WorkflowFilter,
  limit: number,
): Promise<EngineTask[]> {
  return (await pageOfTasks(client, taskQueue, filter, limit)).tasks;
}

/**
 * Returns the newest tasks after a place. The engine lists running tasks first, and closed ones by close time, so all tasks of the
 * smallest window that holds enough are read.
 *
 * @returns `next` if there may be more.
 */
export async function pageOfTasks(
  client: Client,
  taskQueue: string,
  filter: WorkflowFilter,
  limit: number,
  after?: Place,
): Promise<{ tasks: EngineTask[]; next?: Place }> {
  // Windows end at the place. The engine's times are more precise than milliseconds.
  const end = after ? after.started + 1 : Date.now();
  const isAfter = (task: Started): boolean => after === undefined || byAge(after, task) < 0;
  const query = queryFor(taskQueue, filter) + (after ? ` AND StartTime < "${new Date(end).toISOString()}"` : '');
  const within = (ms: number): string =>
    ms === Infinity ? query : `${query} AND StartTime > "${new Date(end - ms).toISOString()}"`;
  const countOf = async (ms: number): Promise<number> => (await client.workflow.count(within(ms))).count;
  const { route: chat } = filter;
  const since = (filter.since ?? Infinity) - (after ? Date.now() - end : 0);
  let tooShort = 0;
  for (let window of [...WINDOWS_MS.filter((ms) => ms < since), since]) {
    const isLast = window === since;
    // The chat is in the memo, which a query cannot filter by: the whole window is read.
    const isWhole = isLast && (chat !== undefined || window === Infinity);
    const count = isWhole ? limit : await countOf(window);
    if (!isLast && count < limit) {
      tooShort = window;
      continue;
    }
    if (!chat) window = await shortened(countOf, tooShort, { window, count }, limit);
    const found: Started[] = [];
    for await (const execution of client.workflow.list({ query: within(window) })) {
      if (chat && !isOfChat(chat, routeIn(execution))) continue;
      const task = listedTask(execution);
      if (isAfter(task)) found.push(task);
    }
    if (window < since && found.length < limit) continue;
    return pageOf(found, limit, window < since);
  }
  return { tasks: [] };
}

/** Newest first. */
function byAge(one: Place, other: Place): number {
  return other.started - one.started || other.task_id.localeCompare(one.task_id, 'en');
}

function pageOf(found: Started[], limit: number, isCut: boolean): { tasks: EngineTask[]; next?: Place } {
  const page = found.toSorted(byAge).slice(0, limit);
  const last = page.at(-1);
  const hasMore = found.length > limit || isCut;
  return {
    tasks: page.map(({ started, ...task }) => ({ created_at: isoSeconds(started), ...task })),
    ...(hasMore && last && { next: { started: last.started, task_id: last.task_id } }),
  };
}

/** @returns a shorter window that still holds enough tasks, if this one holds many more: counting is cheap, reading is not. */
async function shortened(
  countOf: (ms: number) => Promise<number>,
  tooShort: number,
  enough: { window: number; count: number },
  limit: number,
): Promise<number> {
  let [short, long, count] = [tooShort, enough.window, enough.count];
  while (count > limit * READ_MORE && long - short > CLOSEST_MS) {
    const middle = (short + long) / 2;
    const inHalf = await countOf(middle);
    if (inHalf < limit) short = middle;
    else [long, count] = [middle, inHalf];
  }
  return long;
}

/** @returns the newest tasks of the results folder, without the engine: those with a result, and those that were under way. */
export function savedTasks(
  results: ResultStore,
  { status, name = '', model: used, since = Infinity }: Omit<Filter, 'route' | 'owner'>,
  limit: number,
): ListedTask[] {
  const from = Date.now() - since;
  const found: ListedTask[] = [];
  /** Rows of maps that have no result yet. */
  const ended = new Map<string, Record<Outcome, number>>();
  for (const result of results.savedSince(from)) {
    if (result?.row) addRow(ended, result.row.map, result.status);
    if (!result || result.row) continue;
    const { task_id, task_name, status: state, model, tokens, created_at, late, simulated, continues, map } = result;
    const used_tokens = tokens?.total ?? map?.tokens.total ?? null;
    found.push({
      task_id,
      task_name,
      state,
      model,
      tokens: used_tokens,
      created_at,
      ...(late && { late }),
      ...(simulated && { simulated }),
      ...(continues !== undefined && { continues }),
      ...(map && { map: countsOf(map) }),
    });
  }
  for (const { task_id, task_name, model, created_at, simulated, map_rows: rows } of results.pending()) {
    const map = rows !== undefined && { map: { rows, ...(ended.get(task_id) ?? noCounts()) } };
    const task = { task_id, task_name, state: 'dispatched', model, tokens: null, created_at } as const;
    found.push({ ...task, ...(simulated && { simulated }), ...map });
  }
  return found
    .filter(
      ({ task_name, state, model, created_at }) =>
        (!status || status.includes(state)) &&
        Date.parse(created_at) >= from &&
        task_name.startsWith(name) &&
        (used === undefined || model === used),
    )
    .toSorted((a, b) => b.created_at.localeCompare(a.created_at))
    .slice(0, limit);
}

function addRow(ended: Map<string, Record<Outcome, number>>, map: string, status: Outcome): void {
  const counts = ended.get(map) ?? noCounts();
  counts[status] += 1;
  ended.set(map, counts);
}
