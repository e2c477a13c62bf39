import type { Command } from 'commander';
import { limiterView } from '../../limiter/client.ts';
import type { QueuePosition } from '../../shared/limits.ts';
import type { TaskState } from '../../shared/task.ts';
import { EngineUnreachable } from '../../temporal/engine-unreachable.ts';
import { openContext, withClient, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { progressOf, type Found } from '../look-up.ts';
import { newestTasks, savedTasks, type Filter, type ListedTask } from '../../temporal/task-list.ts';
import { age, command, count, model, printing, route, states } from '../options.ts';
import { sayRetrying } from '../output/progress.ts';
import { table } from '../output/table.ts';
import type { CliText } from '../text/index.ts';

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
    .action(printing(list));
}

async function list({ limit, json, ...filter }: ListOptions): Promise<Exit> {
  const context = await openContext();
  const { say, text, results } = context;
  let unreachable: EngineUnreachable | undefined;
  const tasks = await liveTasks(context, filter, limit).catch((error: unknown): LiveTask[] => {
    // Only the engine knows the chat of a task.
    if (!(error instanceof EngineUnreachable) || filter.route) throw error;
    unreachable = error;
    return savedTasks(results, filter, limit).map((task) => ({ ...task, status: task.state }));
  });
  if (unreachable && tasks.length === 0) throw unreachable;

  if (json) console.log(JSON.stringify(tasks, null, 2));
  else if (tasks.length === 0) console.log(Object.keys(filter).length > 0 ? say.list.noneSuch : say.list.none);
  else {
    const rows = tasks.map((task) => [
      task.task_id,
      task.task_name,
      [
        text.state[task.state],
        task.queue && text.queuePosition(task.queue),
        task.retrying ? sayRetrying(task.retrying, say, text) : task.progress && text.stream(task.progress),
      ]
        .filter((part) => part)
        .join(' '),
      task.model,
      task.tokens?.toString() ?? '',
      task.created_at,
    ]);
    console.log(table(say.list.columns, rows));
  }
  if (unreachable) {
    console.error(`\n${say.list.fromDisk}`);
    return EXIT.engine;
  }
  return EXIT.ok;
}

/** A task and its current state. */
type LiveTask = ListedTask &
  Pick<Found, 'progress' | 'retrying'> & { status: TaskState; queue?: QueuePosition | undefined };

async function liveTasks(context: Context, filter: Filter, limit: number): Promise<LiveTask[]> {
  const { taskQueue, limiter, relay } = context;
  return await withClient(context, async (client) => {
    const found = await newestTasks(client, taskQueue, filter, limit);
    const isQueued = found.some(({ state }) => state === 'queued');
    const view = isQueued && limiter ? await limiterView(client, limiter) : undefined;
    const places = new Map(view?.queue.map((place) => [place.task_id, place]));
    return await Promise.all(
      found.map(async (task) => {
        const { progress, retrying } =
          relay && task.state === 'dispatched' ? await progressOf(client, task.task_id) : {};
        return { ...task, status: task.state, queue: places.get(task.task_id), progress, retrying };
      }),
    );
  });
}
