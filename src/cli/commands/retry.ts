import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import type { Exit } from '../../service/exit.ts';
import type { Route } from '../../shared/chat.ts';
import { firstCharacters } from '../../shared/format.ts';
import { askedModel } from '../../shared/result.ts';
import { Problem } from '../../tasks/problem.ts';
import { newKey } from '../../tasks/task-id.ts';
import { MAX_NAME_CHARS } from '../../tasks/task-name.ts';
import { namedTask } from '../named-task.ts';
import { command, ending, model, route } from '../options.ts';
import { acceptanceWaitMs, sayStarted } from '../start-task.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

interface RetryOptions {
  failed?: true;
  model?: string;
  route?: Route;
  json?: true;
}

export function retryCommand(say: CliText): Command {
  return command('retry', say, say.help.retry, ['kimi-dispatch retry last', 'kimi-dispatch retry report -m kimi-k3'])
    .argument('<TASK>', say.help.task)
    .option('--failed', say.help.failed)
    .option('-m, --model <MODEL>', say.help.otherModel, model(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(ending(async (word: string, options: RetryOptions) => await retry(word, options, say)));
}

/** Starts a new task with the kept question and settings. Only a task with a result: one that is open may still be answered. */
async function retry(word: string, options: RetryOptions, say: CliText): Promise<Exit> {
  const { failed, model: other, route: chat, json } = options;
  const tasks = await openTasks();
  const { task_id } = await namedTask(word, tasks, say, { route: chat });
  const before = await tasks.result(task_id, chat);
  const { task_name, continues, row } = before;
  // A name of its own, with the row's number of at most five digits: the name of the map still finds the map.
  const name = row ? `${firstCharacters(task_name, MAX_NAME_CHARS - 6)} ${row.number}` : task_name;
  const { rows, ...question } = await tasks.question(task_id, chat);
  if (failed && !rows) throw new Problem('no_map', { task_id });
  const task = {
    ...question,
    name,
    model: other ?? askedModel(before),
    lang: langOf(),
    notify_as: task_id,
    ...(continues !== undefined && { continue: continues }),
    ...(chat && { route: chat }),
  };
  if (rows) {
    const map = { ...task, rows, ...(failed && { retries: task_id }) };
    return await (await import('../map.ts')).startAndSayMap(tasks, map, say, json, say.retry(task_id));
  }
  const started = await tasks.start(task, newKey(), acceptanceWaitMs()).catch((error: unknown) => {
    // The user named the task to retry, not the earlier task of its conversation.
    const isEarlierGone = error instanceof Problem && ['unknown_task', 'result_gone'].includes(error.code);
    throw isEarlierGone && continues !== undefined
      ? new Problem('conversation_gone', { task_id, earlier: continues })
      : error;
  });
  if (started.status !== 'refused') console.error(say.retry(task_id));
  return sayStarted(started, say, json);
}
