import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Route } from '../../shared/chat.ts';
import type { TaskReference } from '../../shared/task-id.ts';
import { command, ending, route, task } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function ackCommand(say: CliText): Command {
  return command('ack', say, say.help.ack, ['kimi-dispatch ack kimi-1707654321-12345'])
    .argument('<TASK>', say.help.news, task(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .action(ending(async (named: TaskReference, { route: chat }: { route?: Route }) => await ack(named, chat, say)));
}

async function ack(named: TaskReference, chat: Route | undefined, say: CliText): Promise<Exit> {
  const { notification, newer } = await (await openTasks()).acknowledge(named, chat);
  console.log(newer === undefined ? say.acknowledged(notification) : say.acknowledgedBefore(notification, newer));
  return EXIT.ok;
}
