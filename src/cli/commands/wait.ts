import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import { openContext, withClient } from '../context.ts';
import { exitFor } from '../exit.ts';
import { follow } from '../follow.ts';
import { namedTask } from '../named-task.ts';
import { command, printing } from '../options.ts';
import { fields } from '../output/terminal.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function waitCommand(say: CliText): Command {
  return command('wait', say, say.help.wait, [
    'kimi-dispatch wait last',
    'kimi-dispatch wait chapter-1 chapter-2 && kimi-dispatch export --name chapter > book.md',
  ])
    .argument('<TASKS...>', say.help.waitTasks)
    .action(printing(async (words: string[]) => await wait(words, say)));
}

/** @returns the exit status of the first task that has no answer; 0 if each has one. */
async function wait(words: string[], say: CliText): Promise<Exit> {
  const tasks = await openTasks();
  const ids = new Set<string>();
  for (const word of words) ids.add((await namedTask(word, tasks, say)).task_id);
  const context = await openContext();
  const { results, text } = context;
  let exit: Exit = EXIT.ok;
  for (const task_id of ids) {
    const saved = await results.read(task_id);
    const result = saved ?? (await withClient(context, async (client) => await follow(client, context, task_id)));
    console.log(fields([task_id, result.task_name, text.state[result.status]]).join('  '));
    if (exit === EXIT.ok) exit = exitFor(result);
  }
  return exit;
}
