import { WorkflowNotFoundError, WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Command } from 'commander';
import type { Route } from '../../shared/chat.ts';
import { ACKNOWLEDGE_UPDATE } from '../../shared/names.ts';
import { notificationId, type TaskReference } from '../../shared/task-id.ts';
import type { TaskView } from '../../shared/task.ts';
import { grpcErrorIn } from '../../temporal/client.ts';
import { EngineUnreachable } from '../../temporal/engine-unreachable.ts';
import { openContext, withClient } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { checkChat, lookUp, noResult, type Found } from '../look-up.ts';
import { command, ending, route, task } from '../options.ts';
import type { CliText } from '../text/index.ts';

/** How long to wait for a worker, in milliseconds; then the result file is marked here, which the task finds later. */
const UPDATE_TIMEOUT_MS = 5_000;

export function ackCommand(say: CliText): Command {
  return command('ack', say, say.help.ack, ['kimi-dispatch ack kimi-1707654321-12345'])
    .argument('<TASK>', say.help.news, task(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .action(ending(ack));
}

async function ack({ task_id, notification: news }: TaskReference, { route: chat }: { route?: Route }): Promise<Exit> {
  const context = await openContext();
  const { say, results } = context;
  await checkChat(context, task_id, chat);
  let found: Found | undefined;
  const isOpen = await withClient(context, async (client) => {
    found = await lookUp(client, task_id);
    if (!found && !(await results.read(task_id))) throw new CliError(EXIT.unknown_task, say.unknownTask(task_id));
    return await tellTask(client, task_id, news);
  }).catch(async (error: unknown) => {
    // With a result, an open task wakes the agent once more at worst; without one, the task is unknown.
    if (error instanceof EngineUnreachable && (await results.read(task_id))) return false;
    throw error;
  });
  const result = await results.readIfSound(task_id);
  if (!isOpen) {
    if (!result)
      throw found ? noResult(context, task_id, found) : new CliError(EXIT.unfinished, say.unfinished(task_id));
    await results.acknowledge(task_id, undefined, news);
  }
  const newest = result ? notificationId(result) : news;
  if (news !== task_id && newest !== news) throw new CliError(EXIT.unfinished, say.notLate(task_id));
  console.log(newest === news || result?.acknowledged ? say.acknowledged(news) : say.acknowledgedBefore(news, newest));
  return EXIT.ok;
}

/** Sends the acknowledgement to an open task, which then stops waking the agent. @returns whether it was accepted. */
async function tellTask(client: Client, task_id: string, news: string): Promise<boolean> {
  try {
    await client.connection.withDeadline(
      Date.now() + UPDATE_TIMEOUT_MS,
      async () =>
        await client.workflow
          .getHandle(task_id)
          .executeUpdate<TaskView, [string]>(ACKNOWLEDGE_UPDATE, { args: [news] }),
    );
    return true;
  } catch (error) {
    // Closed, unfinished, or without a worker: the result file shows which.
    const isUnfinished =
      error instanceof WorkflowUpdateFailedError &&
      error.cause instanceof ApplicationFailure &&
      error.cause.type === 'unfinished';
    if (error instanceof WorkflowNotFoundError || isUnfinished || grpcErrorIn(error)) return false;
    throw error;
  }
}
