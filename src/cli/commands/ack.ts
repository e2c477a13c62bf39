import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Route } from '../../shared/chat.ts';
import { namedTask } from '../named-task.ts';
import { command, ending, route } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function ackCommand(say: CliText): Command {
  return command('ack', say, say.help.ack, ['kimi-dispatch ack kimi-1707654321-12345'])
    .argument('<TASK>', say.help.news)
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .action(ending(async (word: string, { route: chat }: { route?: Route }) => await ack(word, chat, say)));
}

async function ack(word: string, chat: Route | undefined, say: CliText): Promise<Exit> {
  const tasks = await openTasks();
  const named = await namedTask(word, tasks, say, { route: chat });
  const { notification, newer } = await tasks.acknowledge(named, chat);
  console.log(newer === undefined ? say.acknowledged(notification) : say.acknowledgedBefore(notification, newer));
  return EXIT.ok;
}
