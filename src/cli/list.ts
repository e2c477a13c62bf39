import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { SEARCH_ATTRIBUTES, TASK_WORKFLOW, isoSeconds, type TaskState } from '../contract.ts';
import { limiterView } from '../limiter.ts';
import { openContext, withClient } from './context.ts';
import { EXIT, type Exit } from '../exit.ts';
import { progressOf } from './look-up.ts';
import { command, count, ending } from './options.ts';
import { columns } from './table.ts';
import type { CliText } from './text/index.ts';

interface ListOptions {
  limit: number;
  json?: true;
}

export function listCommand(say: CliText): Command {
  return command('list', say, say.help.list, [
    'kimi-dispatch list',
    'kimi-dispatch list -l 100 --json | jq -r .[].task_id',
  ])
    .option('-l, --limit <N>', say.help.limit, count(say), 20)
    .option('--json', say.help.json)
    .action(ending(list));
}

async function list({ limit, json }: ListOptions): Promise<Exit> {
  const context = await openContext();
  const { say, text, taskQueue, limiter, relay } = context;
  const tasks = await withClient(context, async (client) => {
    const query = `WorkflowType = "${TASK_WORKFLOW}" AND TaskQueue = ${JSON.stringify(taskQueue)}`;
    const found = await newest(client, query, limit);
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
  else if (tasks.length === 0) console.log(say.list.none);
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
    console.log(columns([say.list.columns, ...rows]));
  }
  return EXIT.ok;
}

/** How far back it is looked for tasks, in milliseconds, until there are enough; then without end. */
const WINDOWS_MS = [600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000, 7 * 24 * 3_600_000];

/**
 * The engine lists running tasks first, and closed ones by when they closed: the newest are among all of the smallest time
 * that holds enough.
 */
async function newest(client: Client, query: string, limit: number) {
  for (const window of [...WINDOWS_MS, undefined]) {
    const since = window && ` AND StartTime > "${new Date(Date.now() - window).toISOString()}"`;
    const within = query + (since ?? '');
    if (since && (await client.workflow.count(within)).count < limit) continue;
    const found = [];
    for await (const { workflowId, startTime, typedSearchAttributes: attributes } of client.workflow.list({
      query: within,
    })) {
      found.push({
        task_id: workflowId,
        task_name: attributes.get(SEARCH_ATTRIBUTES.taskName) ?? '',
        state: (attributes.get(SEARCH_ATTRIBUTES.status) ?? 'dispatching') as TaskState,
        model: attributes.get(SEARCH_ATTRIBUTES.model) ?? '',
        tokens: attributes.get(SEARCH_ATTRIBUTES.tokens) ?? null,
        created_at: isoSeconds(startTime),
        started: startTime.getTime(),
      });
    }
    return found
      .toSorted((a, b) => b.started - a.started)
      .slice(0, limit)
      .map(({ started: _, ...task }) => task);
  }
  return [];
}
