import type { Command } from 'commander';
import { openContext, withClient } from '../context.ts';
import type { Exit } from '../../service/exit.ts';
import { follow, printReply } from '../follow.ts';
import { namedTask } from '../named-task.ts';
import { command, ending } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function watchCommand(say: CliText): Command {
  return command('watch', say, say.help.watch, ['kimi-dispatch watch kimi-1707654321-12345'])
    .argument('<TASK>', say.help.task)
    .action(ending(async (word: string) => await watch(word, say)));
}

async function watch(word: string, say: CliText): Promise<Exit> {
  const { task_id } = await namedTask(word, await openTasks(), say);
  const context = await openContext();
  const saved = await context.results.read(task_id);
  const result = saved ?? (await withClient(context, async (client) => await follow(client, context, task_id)));
  return await printReply(context, result);
}
