/** The workflows; one whose task is named so never gives its thread back. */
import type { Task, TaskSummary } from '../../src/shared/task.ts';
import { kimiTask as unchangedTask } from '../../src/workflows/task.ts';

export { kimiLimiter } from '../../src/workflows/limiter.ts';

export async function kimiTask(task: Task): Promise<TaskSummary> {
  while (task.task_name === 'endless');
  return await unchangedTask(task);
}
