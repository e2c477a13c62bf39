import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Route } from '../../shared/chat.ts';
import type { TaskReference } from '../../shared/task-id.ts';
import { command, ending, route, task } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function cancelCommand(say: CliText): Command {
  return command('cancel', say, say.help.cancel, ['kimi-dispatch cancel kimi-1707654321-12345'])
    .argument('<TASK>', say.help.task, task(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .action(
      ending(
        async ({ task_id }: TaskReference, { route: chat }: { route?: Route }) => await cancel(task_id, chat, say),
      ),
    );
}

async function cancel(task_id: string, chat: Route | undefined, say: CliText): Promise<Exit> {
  const { status, received = false } = await (await openTasks()).cancel(task_id, chat);
  console.log(status === 'cancelled' ? say.cancelled(task_id) : say.streamStopped(task_id, received));
  return EXIT.ok;
}
