/** Ids of responses and batches: the id of their task, behind a prefix. */
import { TASK_ID } from '../shared/task-id.ts';
import { Problem } from '../tasks/problem.ts';
import type { Standing, Tasks } from '../tasks/tasks.ts';
import { noSuch } from './errors.ts';

const PREFIXES = { Response: 'resp_', Batch: 'batch_' } as const;

type What = keyof typeof PREFIXES;

export function idOf(what: What, task_id: string): string {
  return PREFIXES[what] + task_id;
}

/** @throws {OpenAiError} 404 */
export function taskIdOf(what: What, id: string): string {
  const prefix = PREFIXES[what];
  const task_id = id.slice(prefix.length);
  if (!id.startsWith(prefix) || !TASK_ID.test(task_id)) throw noSuch(what, id);
  return task_id;
}

/** @returns the task of a response or a batch. @throws {OpenAiError} 404 */
export async function findTask(tasks: Pick<Tasks, 'find'>, what: What, id: string): Promise<Standing> {
  return await tasks.find(taskIdOf(what, id)).catch((error: unknown) => {
    throw error instanceof Problem && error.code === 'unknown_task' ? noSuch(what, id) : error;
  });
}
