import type { Response } from 'express';
import type { ResultFile } from '../shared/result.ts';
import { notificationId } from '../shared/task-id.ts';
import type { Tasks } from '../tasks/tasks.ts';
import { tokenOf } from './callers.ts';

/**
 * Acknowledges a result once it was sent to the program that started its task, if that asks for the result itself (`wake: false`).
 * Other results are acknowledged by the agent or the chat that they notify, and rows by their map. Callers that are not the owner, and
 * those that may only read, acknowledge nothing.
 *
 * @param marked called with what settles when that is saved
 */
export function acknowledgeOnceSent(
  tasks: Pick<Tasks, 'acknowledge'>,
  result: ResultFile,
  response: Response,
  marked?: (marking: Promise<unknown>) => void,
): void {
  const { task_id, wake, row, owner, acknowledged } = result;
  const { req: request } = response;
  if (wake !== false || row || acknowledged || request.method === 'HEAD' || owner !== tokenOf(request)) return;
  response.on('finish', () => {
    const marking = tasks.acknowledge({ task_id, notification: notificationId(result) }).catch(() => {});
    marked?.(marking);
  });
}
