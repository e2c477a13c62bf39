import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import type { Route } from '../../shared/chat.ts';
import { cancelRequest } from '../../relay/client.ts';
import { relayQueue } from '../../shared/names.ts';
import type { TaskView } from '../../shared/task.ts';
import type { TaskReference } from '../../shared/task-id.ts';
import { openContext, withClient, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { checkChat, lookUp } from '../look-up.ts';
import { command, ending, route, task } from '../options.ts';
import type { CliText } from '../text/index.ts';

/** How long to wait for the end of the task before a notice is printed, in milliseconds. */
const CONFIRM_MS = 10_000;

export function cancelCommand(say: CliText): Command {
  return command('cancel', say, say.help.cancel, ['kimi-dispatch cancel kimi-1707654321-12345'])
    .argument('<TASK>', say.help.task, task(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .action(ending(cancel));
}

async function cancel({ task_id }: TaskReference, { route: chat }: { route?: Route }): Promise<Exit> {
  const context = await openContext();
  const { say, text, results } = context;
  await checkChat(context, task_id, chat);
  return await withClient(context, async (client) => {
    const found = await lookUp(client, task_id);
    const saved = await results.readIfSound(task_id);
    if (!found && !saved) throw new CliError(EXIT.unknown_task, say.unknownTask(task_id));
    if (found?.view.state === 'timed_out' && found.view.relay && (await stopStream(client, context, found.view))) {
      console.log(say.streamStopped(task_id, (found.progress?.tokens ?? 0) > 0));
      return EXIT.ok;
    }
    const how = found?.ended ?? (saved && text.state[saved.status]);
    if (!found || how) throw new CliError(EXIT.finished, say.alreadyEnded(task_id, String(how)));

    const handle = client.workflow.getHandle(task_id);
    await handle.cancel();
    const giveUpAt = performance.now() + CONFIRM_MS;
    let isLive = false;
    while (performance.now() < giveUpAt) {
      const { view, live = false } = (await lookUp(client, task_id)) ?? {};
      isLive = live;
      if (view?.state === 'cancelled') {
        console.log(say.cancelled(task_id));
        return EXIT.ok;
      }
      // The task has ended in the meantime.
      if (view?.completed_at || view?.step === 'closed')
        throw new CliError(EXIT.finished, say.alreadyEnded(task_id, text.state[view.state]));
      await pause(50);
    }
    if (isLive) throw new CliError(EXIT.unfinished, say.stillEnding(task_id));
    throw new CliError(EXIT.engine, say.noWorker);
  });
}

/** Closes the connection that waits for a late answer. @returns whether there was one. */
async function stopStream(
  client: Client,
  { taskQueue }: Context,
  { task_id, task_name, model }: TaskView,
): Promise<boolean> {
  return await cancelRequest(client, relayQueue(taskQueue), { task_id, task_name, body: { model, messages: [] } });
}
