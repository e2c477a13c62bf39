import type { KeptTasks } from '../results/kept.ts';
import type { Question } from '../shared/result.ts';
import type { Tasks } from '../tasks/tasks.ts';
import type { CliText } from './text/index.ts';

/** Reports on standard error what could not be read. */
export function reportUnread({ damaged, locked }: KeptTasks, say: CliText): void {
  if (damaged > 0) console.error(say.usageTable.damaged(damaged));
  if (locked > 0) console.error(say.kept.locked(locked));
}

/** @returns what was asked; `undefined` if it was not kept, or cannot be decrypted here. */
export async function questionIfKept(tasks: Tasks, task_id: string): Promise<Question | undefined> {
  return await tasks.question(task_id).catch((error: unknown) => {
    // By name: the parts that are loaded on demand have classes of their own.
    if (['Problem', 'ServiceError'].includes((error as Error).name)) return undefined;
    throw error;
  });
}
