import type { ResultFile } from '../shared/result.ts';
import { isOutcome, type TaskView } from '../shared/task.ts';
import type { Standing } from './tasks.ts';

/** The view of a task from its result, for tasks past the engine's retention. */
export function viewOfResult(result: ResultFile): TaskView {
  return {
    task_id: result.task_id,
    task_name: result.task_name,
    model: result.model,
    ...(result.fallback && { fallback: result.fallback }),
    state: result.status,
    step: 'closed',
    created_at: result.created_at,
    completed_at: result.completed_at,
    tokens: result.tokens?.total,
    finish_reason: result.finish_reason,
    error: result.error,
    acknowledged: result.acknowledged ?? false,
    ...(result.simulated && { simulated: true }),
    ...(result.row && { row: result.row }),
    ...(result.owner !== undefined && { owner: result.owner }),
    ...(result.continues !== undefined && { continues: result.continues }),
    ...(result.schedule && { schedule: result.schedule }),
  };
}

/** @returns whether only the engine's record of a task is known: no worker answers, and it has no result. */
export function isUnheard({ live, result_file: file }: Standing): boolean {
  return live === false && file === undefined;
}

/**
 * @returns whether the result of a task is saved, or was and its file is gone. `state` alone does not say so: it is an outcome before the
 *   result is saved.
 */
export function hasResult({ state, result_file: file, missing_file: missing }: Standing): boolean {
  return isOutcome(state) && (file !== undefined || missing !== undefined);
}

/** @returns whether nothing more will happen to a task: it has its result, or will have none. */
export function isOver(task: Standing): boolean {
  return task.ended !== undefined || hasResult(task);
}
