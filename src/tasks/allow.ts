import { WorkflowNotFoundError, WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { ALLOW_UPDATE } from '../shared/names.ts';
import type { TaskView } from '../shared/task.ts';
import { grpcErrorIn } from '../temporal/client.ts';
import { Problem } from './problem.ts';
import type { Allowance } from './tasks.ts';

/** How long a worker may take to answer, in milliseconds. */
const ANSWER_MS = 5_000;

/** Lets a task be sent that exceeds a budget. A second time changes nothing. */
export async function allow(client: Client, task_id: string): Promise<Allowance> {
  try {
    await client.connection.withDeadline(
      Date.now() + ANSWER_MS,
      async () => await client.workflow.getHandle(task_id).executeUpdate<TaskView, []>(ALLOW_UPDATE),
    );
    return { task_id, status: 'allowed' };
  } catch (error) {
    const isRejected =
      error instanceof WorkflowUpdateFailedError &&
      error.cause instanceof ApplicationFailure &&
      error.cause.type === 'not_paused';
    // One that has ended is not paused either.
    if (isRejected || error instanceof WorkflowNotFoundError) throw new Problem('not_paused', { task_id });
    if (grpcErrorIn(error)) throw new Problem('no_worker', { task_id });
    throw error;
  }
}
