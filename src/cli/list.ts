import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { SEARCH_ATTRIBUTES, isoSeconds, type Route, type TaskState } from '../contract.ts';
import { limiterView } from '../limiter.ts';
import { listedTask, stateIn, tasksOn } from '../task-list.ts';
import { isSameChat, routeIn } from '../route.ts';
import { openContext, withClient } from './context.ts';
import { EXIT, type Exit } from '../exit.ts';
import { progressOf } from './look-up.ts';
import { age, command, count, ending, model, route, states } from './options.ts';
import { table } from './table.ts';
import type { CliText } from './text/index.ts';

/** Which tasks: all of those that are named. */
interface Filter {
  status?: TaskState[];
  /** How its name begins. */
  name?: string;
  model?: string;
  /** How far back it was started at the most, in milliseconds. */
  since?: number;
  /** The chat that asked for it. */
  route?: Route;
}

interface ListOptions extends Filter {
  limit: number;
  json?: true;
}

export function listCommand(say: CliText): Command {
  return command('list', say, say.help.list, [
    'kimi-dispatch list',
    'kimi-dispatch list --status failed,timed_out --since 1d',
    'kimi-dispatch list -l 100 --json | jq -r .[].task_id',
  ])
    .option('-l, --limit <N>', say.help.limit, count(say), 20)
    .option('--status <STATES>', say.help.states, states(say))
    .option('--since <TIME>', say.help.since, age(say))
    .option('--name <NAME>', say.help.nameBegins)
    .option('-m, --model <MODEL>', say.help.ofModel, model(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(ending(list));
}

async function list({ limit, json, ...filter }: ListOptions): Promise<Exit> {
  const context = await openContext();
  const { say, text, taskQueue, limiter, relay } = context;
  const tasks = await withClient(context, async (client) => {
    const found = await newestTasks(client, taskQueue, filter, limit);
    const isQueued = found.some(({ state }) => state === 'queued');
    const view = isQueued && limiter ? await limiterView(client, limiter) : undefined;
    const places = new Map(view?.queue.map((place) => [place.task_id, place]));
    return await Promise.all(
      found.map(async (task) => {
        const { progress } = relay && task.state === 'dispatched' ? await progressOf(client, task.task_id) : {};
        return { ...task, queue: places.get(task.task_id), progress };
      }),
    );
  });

  if (json) console.log(JSON.stringify(tasks, null, 2));
  else if (tasks.length === 0) console.log(Object.keys(filter).length > 0 ? say.list.noneSuch : say.list.none);
  else {
    const rows = tasks.map((task) => [
      task.task_id,
      task.task_name,
      [text.state[task.state], task.queue && text.place(task.queue), task.progress && text.stream(task.progress)]
        .filter((part) => part)
        .join(' '),
      task.model,
      task.tokens?.toString() ?? '',
      task.created_at,
    ]);
    console.log(table(say.list.columns, rows));
  }
  return EXIT.ok;
}

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
export async function newestTasks(client: Client, taskQueue: string, filter: Filter, limit: number) {
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
