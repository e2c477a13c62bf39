/** Ids of tasks and their notifications. Loaded by workflows and the plugin: no packages here. */
import type { TaskResult } from './result.ts';

const ID = String.raw`kimi-\d{1,12}-\d{1,9}`;

/** A task id. Checked before an id is used in a path or a workflow id. */
export const TASK_ID = new RegExp(`^${ID}$`);

/** Finds a task id in a text. */
export const TASK_ID_IN = new RegExp(`\\b${ID}\\b`);

/**
 * Id of a notification: the task id for the outcome, `<id>-late` for an answer that came after it, `<id>-budget` for a task that
 * exceeds a budget. The `Idempotency-Key` of a repeated wake ends in `-again-<n>`.
 */
export const NOTIFICATION = new RegExp(`^${ID}(?:-late|-budget)?(?:-again-\\d{1,2})?$`);

/** A task named by a user, an agent or a gateway. */
export interface TaskReference {
  task_id: string;
  /** Id of the notification, without `-again-<n>`. */
  notification: string;
}

/** Parses a task id or the id of a notification. @returns `undefined` if the word is neither. */
export function parseTaskId(word: string): TaskReference | undefined {
  if (!NOTIFICATION.test(word)) return undefined;
  const notification = word.replace(/-again-\d+$/, '');
  return { task_id: notification.replace(/-(?:late|budget)$/, ''), notification };
}

/** Numbers of nine digits, which are never drawn at random (tasks/task-id.ts). */
const NINE_DIGITS = { from: 100_000_000, count: 900_000_000 };

/** @returns the task id of a row of a map: the map's, and the row's number added. Always the same, so that no row is started twice. */
export function rowTaskId(map: string, number: number): string {
  const [, seconds = '', own = ''] = map.split('-');
  return `kimi-${seconds}-${NINE_DIGITS.from + ((Number(own) - NINE_DIGITS.from + number) % NINE_DIGITS.count)}`;
}

/** @returns the id of a result's notification. An answer after a cancellation has no notification of its own. */
export function notificationId({ task_id, status, late }: Pick<TaskResult, 'task_id' | 'status' | 'late'>): string {
  return late && status !== 'cancelled' ? `${task_id}-late` : task_id;
}

/** @returns the id of the notification that a task exceeds a budget. */
export function budgetNotification(task_id: string): string {
  return `${task_id}-budget`;
}

/** @returns the `Idempotency-Key` of the nth repeat of a notification. */
export function repeatKey(notification: string, n: number): string {
  return `${notification}-again-${n}`;
}

/** @returns the task that a workflow belongs to: the workflow ids of its relay and its events are `relay-<task id>`, `notify-<task id>`. */
export function taskIdIn(id = ''): string | undefined {
  const task_id = id.replace(/^(?:relay|notify)-/, '').replace(/-(?:delivery|cancelled|late)$/, '');
  return TASK_ID.test(task_id) ? task_id : undefined;
}
