import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Route } from '../../shared/chat.ts';
import { namedTask } from '../named-task.ts';
import { command, ending, route } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function allowCommand(say: CliText): Command {
  return command('allow', say, say.help.allow, ['kimi-dispatch allow kimi-1707654321-12345'])
    .argument('<TASK>', say.help.task)
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .action(ending(async (word: string, { route: chat }: { route?: Route }) => await allow(word, chat, say)));
}

async function allow(word: string, chat: Route | undefined, say: CliText): Promise<Exit> {
  const tasks = await openTasks();
  const { task_id } = await namedTask(word, tasks, say, { route: chat, purpose: 'change' });
  await tasks.allow(task_id, chat);
  console.log(say.allowed(task_id));
  return EXIT.ok;
}
