/** Lists of tasks, from the engine and from the results folder. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../shared/names.ts';
import type { TaskState } from '../shared/task.ts';
import { isSameChat, routeIn, type Route } from '../shared/chat.ts';
import { isoSeconds } from '../shared/format.ts';
import type { ResultStore } from '../results/store.ts';

/** @returns the engine's query for the tasks of a queue. */
export function tasksOn(taskQueue: string): string {
  return `WorkflowType = "${TASK_WORKFLOW}" AND TaskQueue = ${JSON.stringify(taskQueue)}`;
}

/** @returns a condition of such a query: the state is one of these. */
export function stateIn(states: readonly TaskState[]): string {
  return `${SEARCH_ATTRIBUTES.status.name} IN (${states.map((state) => `"${state}"`).join(', ')})`;
}

/** @returns the list's entry of one task. */
export function listedTask({ workflowId, startTime, typedSearchAttributes: attributes }: WorkflowExecutionInfo) {
  const { taskName, status, model, tokens } = SEARCH_ATTRIBUTES;
  return {
    task_id: workflowId,
    task_name: attributes.get(taskName) ?? '',
    state: (attributes.get(status) ?? 'dispatching') as TaskState,
    model: attributes.get(model) ?? '',
    tokens: attributes.get(tokens) ?? null,
    /** Milliseconds since 1970. */
    started: startTime.getTime(),
  };
}

/** Conditions of a list; a task has to meet all of them. */
export interface Filter {
  status?: TaskState[];
  /** Prefix of its name. */
  name?: string;
  model?: string;
  /** Maximum age, in milliseconds. */
  since?: number;
  /** The chat that started it. */
  route?: Route;
}

/** An entry of `list`. */
export type ListedTask = Omit<ReturnType<typeof listedTask>, 'started'> & { created_at: string };

/** The engine's query for tasks. */
function queryFor(taskQueue: string, { status, name, model: used }: Filter): string {
  const { taskName, model: modelName } = SEARCH_ATTRIBUTES;
  return [
    tasksOn(taskQueue),
    status && stateIn(status),
    name && `${taskName.name} STARTS_WITH ${quoted(name)}`,
    used && `${modelName.name} = ${quoted(used)}`,
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

/**
 * Returns the newest tasks. The engine lists running tasks first, and closed ones by close time, so all tasks of the smallest window
 * that holds enough are read.
 */
export async function newestTasks(
  client: Client,
  taskQueue: string,
  filter: Filter,
  limit: number,
): Promise<ListedTask[]> {
  const query = queryFor(taskQueue, filter);
  const now = Date.now();
  const within = (ms: number): string =>
    ms === Infinity ? query : `${query} AND StartTime > "${new Date(now - ms).toISOString()}"`;
  const countOf = async (ms: number): Promise<number> => (await client.workflow.count(within(ms))).count;
  const { since = Infinity, route: chat } = filter;
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
    const found = [];
    for await (const execution of client.workflow.list({ query: within(window) })) {
      const itsChat = chat && routeIn(execution);
      if (chat && !(itsChat && isSameChat(itsChat, chat))) continue;
      found.push(listedTask(execution));
    }
    if (!isLast && found.length < limit) continue;
    return found
      .toSorted((a, b) => b.started - a.started)
      .slice(0, limit)
      .map(({ started, ...task }) => ({ ...task, created_at: isoSeconds(started) }));
  }
  return [];
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

/** @returns the newest tasks of the results folder, without the engine. */
export function savedTasks(
  results: ResultStore,
  { status, name = '', model: used, since = Infinity }: Omit<Filter, 'route'>,
  limit: number,
): ListedTask[] {
  const from = Date.now() - since;
  const found: ListedTask[] = [];
  for (const result of results.savedSince(from)) {
    if (!result || (status && !status.includes(result.status)) || Date.parse(result.created_at) < from) continue;
    const { task_id, task_name, status: state, model, tokens, created_at } = result;
    if (!task_name.startsWith(name) || (used !== undefined && model !== used)) continue;
    found.push({ task_id, task_name, state, model, tokens: tokens?.total ?? null, created_at });
  }
  return found.toSorted((a, b) => b.created_at.localeCompare(a.created_at)).slice(0, limit);
}
