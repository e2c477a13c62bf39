/** Tasks as the engine lists them. */
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

/** @returns a condition for such a query: the state is one of these. */
export function stateIn(states: readonly TaskState[]): string {
  return `${SEARCH_ATTRIBUTES.status.name} IN (${states.map((state) => `"${state}"`).join(', ')})`;
}

/** What the list says of one task. */
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

/** Which tasks: all of those that are named. */
export interface Filter {
  status?: TaskState[];
  /** How its name begins. */
  name?: string;
  model?: string;
  /** How far back it was started at the most, in milliseconds. */
  since?: number;
  /** The chat that asked for it. */
  route?: Route;
}

/** A task as `list` names it. */
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

/** How far back it is looked for tasks, in milliseconds, until there are enough; then as far as is asked for. */
const WINDOWS_MS = [60_000, 600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000, 7 * 24 * 3_600_000];

/** How many tasks more than are wanted are read, where counting them tells; and how close it is looked, in milliseconds. */
const READ_MORE = 5;
const CLOSEST_MS = 100;

/**
 * The engine lists running tasks first, and closed ones by when they closed: the newest are among all of the smallest time
 * that holds enough.
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
    // The memo, where the chat stands, cannot be asked for: all of the window is read.
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

/** @returns a shorter time that still holds enough tasks, where this one holds many more: counting is cheap, reading is not. */
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

/** What the results folder knows without the engine: the newest tasks that have a result. */
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
