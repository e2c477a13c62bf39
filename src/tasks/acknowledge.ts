import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { ACKNOWLEDGE_UPDATE } from '../shared/names.ts';
import { notificationId, type TaskReference } from '../shared/task-id.ts';
import type { TaskView } from '../shared/task.ts';
import { grpcErrorIn, rejectionIn } from '../temporal/client.ts';
import { EngineUnreachable } from '../temporal/engine-unreachable.ts';
import type { TaskContext } from './context.ts';
import { lookUp, noResult } from './look-up.ts';
import { Problem } from './problem.ts';
import type { Acknowledgement, Found } from './tasks.ts';

/** How long to wait for a worker, in milliseconds; then the result file is marked here, which the task finds later. */
const UPDATE_TIMEOUT_MS = 5_000;

/** Records that the user has seen a notification. */
export async function acknowledge(
  context: TaskContext,
  { task_id, notification }: TaskReference,
): Promise<Acknowledgement> {
  const { results } = context;
  let found: Found | undefined;
  const isOpen = await context
    .withClient(async (client) => {
      found = await lookUp(client, task_id);
      if (!found && !(await results.read(task_id))) throw new Problem('unknown_task', { task_id });
      return await acknowledgeInTask(client, task_id, notification);
    })
    .catch(async (error: unknown) => {
      // With a result, an open task wakes the agent once more at worst; without one, the task is unknown.
      if (error instanceof EngineUnreachable && (await results.read(task_id))) return false;
      throw error;
    });
  const result = await results.readIfSound(task_id);
  if (!isOpen) {
    if (!result) throw found ? noResult(context, task_id, found) : new Problem('unfinished', { task_id });
    await results.acknowledge(task_id, undefined, notification);
  }
  const newest = result ? notificationId(result) : notification;
  if (notification !== task_id && newest !== notification) throw new Problem('not_late', { task_id });
  return { notification, ...(newest !== notification && !result?.acknowledged && { newer: newest }) };
}

/** Sends the acknowledgement to an open task, which then stops waking the agent. @returns whether it was accepted. */
async function acknowledgeInTask(client: Client, task_id: string, notification: string): Promise<boolean> {
  try {
    await client.connection.withDeadline(
      Date.now() + UPDATE_TIMEOUT_MS,
      async () =>
        await client.workflow
          .getHandle(task_id)
          .executeUpdate<TaskView, [string]>(ACKNOWLEDGE_UPDATE, { args: [notification] }),
    );
    return true;
  } catch (error) {
    // Closed, unfinished, or without a worker: the result file shows which.
    const isUnfinished = rejectionIn(error)?.type === 'unfinished';
    if (error instanceof WorkflowNotFoundError || isUnfinished || grpcErrorIn(error)) return false;
    throw error;
  }
}
