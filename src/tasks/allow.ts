import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { ALLOW_UPDATE } from '../shared/names.ts';
import type { TaskView } from '../shared/task.ts';
import { grpcErrorIn, rejectionIn } from '../temporal/client.ts';
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
    const isNotPaused = rejectionIn(error)?.type === 'not_paused';
    // One that has ended is not paused either.
    if (isNotPaused || error instanceof WorkflowNotFoundError) throw new Problem('not_paused', { task_id });
    if (grpcErrorIn(error)) throw new Problem('no_worker', { task_id });
    throw error;
  }
}
