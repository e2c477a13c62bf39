import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { cancelRequest } from '../relay/client.ts';
import { relayQueue } from '../shared/names.ts';
import type { TaskView } from '../shared/task.ts';
import type { TaskContext } from './context.ts';
import { lookUp } from './look-up.ts';
import { Problem } from './problem.ts';
import type { Cancellation } from './tasks.ts';

/** How long to wait for the end of the task, in milliseconds. */
const CONFIRM_MS = 10_000;

/** Cancels a task, and waits for its end. */
export async function cancel(
  client: Client,
  { results, taskQueue }: Pick<TaskContext, 'results' | 'taskQueue'>,
  task_id: string,
): Promise<Cancellation> {
  const found = await lookUp(client, task_id);
  const saved = await results.readIfSound(task_id);
  if (!found && !saved) throw new Problem('unknown_task', { task_id });
  if (found?.view.state === 'timed_out' && found.view.relay && (await stopStream(client, taskQueue, found.view))) {
    return { task_id, status: 'stream_closed', received: (found.progress?.tokens ?? 0) > 0 };
  }
  if (found?.ended) throw new Problem('already_ended', { task_id, how: found.ended });
  if (!found || saved) throw new Problem('already_ended', { task_id, ...(saved && { state: saved.status }) });

  await client.workflow.getHandle(task_id).cancel();
  const giveUpAt = performance.now() + CONFIRM_MS;
  let isLive = false;
  while (performance.now() < giveUpAt) {
    const { view, live = false } = (await lookUp(client, task_id)) ?? {};
    isLive = live;
    if (view?.state === 'cancelled') return { task_id, status: 'cancelled' };
    // The task has ended in the meantime.
    if (view?.completed_at || view?.step === 'closed') {
      throw new Problem('already_ended', { task_id, state: view.state });
    }
    await pause(50);
  }
  throw new Problem(isLive ? 'still_ending' : 'no_worker', { task_id });
}

/** Closes the connection that waits for a late answer. @returns whether there was one. */
async function stopStream(client: Client, taskQueue: string, view: TaskView): Promise<boolean> {
  const { task_id, task_name, model } = view;
  return await cancelRequest(client, relayQueue(taskQueue), { task_id, task_name, body: { model, messages: [] } });
}
