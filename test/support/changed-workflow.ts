/** The task workflow with one more step at its start: what a careless change looks like. */
import { sleep } from '@temporalio/workflow';
import type { Task, TaskSummary } from '../../src/contract.ts';
import { kimiTask as unchanged } from '../../src/workflows/task.ts';

export async function kimiTask(task: Task): Promise<TaskSummary> {
  await sleep('1s');
  return await unchanged(task);
}
