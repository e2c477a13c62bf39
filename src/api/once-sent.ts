import type { Response } from 'express';
import type { ResultFile } from '../shared/result.ts';
import { notificationId } from '../shared/task-id.ts';
import type { Tasks } from '../tasks/tasks.ts';

/**
 * Acknowledges a result once it was sent, if its program asks for it itself. Others are acknowledged by the agent or the chat that
 * they notify, and rows by their map. A caller that may only read acknowledges nothing.
 *
 * @param marked called with what settles when that is saved
 */
export function acknowledgeOnceSent(
  tasks: Pick<Tasks, 'acknowledge'>,
  result: ResultFile,
  response: Response,
  marked?: (marking: Promise<unknown>) => void,
): void {
  const { task_id, wake, row, acknowledged } = result;
  if (wake !== false || row || acknowledged || response.req.method === 'HEAD') return;
  response.on('finish', () => {
    const marking = tasks.acknowledge({ task_id, notification: notificationId(result) }).catch(() => {});
    marked?.(marking);
  });
}
