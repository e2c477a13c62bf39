import type { Command } from 'commander';
import { openContext, withClient } from '../context.ts';
import type { TaskReference } from '../../shared/task-id.ts';
import type { Exit } from '../../service/exit.ts';
import { follow, printReply } from '../follow.ts';
import { command, ending, task } from '../options.ts';
import type { CliText } from '../text/index.ts';

export function watchCommand(say: CliText): Command {
  return command('watch', say, say.help.watch, ['kimi-dispatch watch kimi-1707654321-12345'])
    .argument('<TASK>', say.help.task, task(say))
    .action(ending(watch));
}

async function watch({ task_id }: TaskReference): Promise<Exit> {
  const context = await openContext();
  const saved = await context.results.read(task_id);
  const result = saved ?? (await withClient(context, async (client) => await follow(client, context, task_id)));
  return await printReply(context, result);
}
