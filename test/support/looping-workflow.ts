/** The workflows; one of them loops forever for a task of this name. */
import type { Task, TaskSummary } from '../../src/shared/task.ts';
import { kimiTask as unchangedTask } from '../../src/workflows/task.ts';

export { kimiLimiter } from '../../src/workflows/limiter.ts';

export async function kimiTask(task: Task): Promise<TaskSummary> {
  while (task.task_name === 'endless');
  return await unchangedTask(task);
}
