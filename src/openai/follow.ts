/** Follows a task to its outcome. */
import { setTimeout as pause } from 'node:timers/promises';
import { anySignal } from '../service/any-signal.ts';
import { overBudget } from './errors.ts';
import type { BudgetPause } from '../shared/budget.ts';
import { READ_MS, type LiveAnswer } from '../relay/recordings.ts';
import type { ResultFile } from '../shared/result.ts';
import { isOutcome } from '../shared/task.ts';
import { unlessAway } from '../tasks/away.ts';
import type { Standing, Tasks } from '../tasks/tasks.ts';
import { onceSaved } from '../tasks/worker-here.ts';

/** What becomes of a task. */
export type Update =
  /** Kimi has the request. */
  | { begun: true }
  /** A budget is exceeded: Kimi gets the request once a user allows it, or on another day. */
  | { paused: BudgetPause }
  /** What was received of the answer since the last update. */
  | { content: string; reasoning: string }
  /** The last one. */
  | { result: ResultFile };

/** How often it is checked whether a task has a result, in milliseconds: another process may have saved it. This one's are known at once. */
const CHECK_MS = { first: 500, longest: 5_000 };

/**
 * Waits through an engine or services that are away.
 *
 * @param signal aborted when the client has left
 * @param live what is received of the answer; absent if only its end matters
 * @throws {Problem} if the task will have no result
 */
export async function* follow(
  tasks: Tasks,
  task_id: string,
  signal: AbortSignal,
  live?: Pick<LiveAnswer, 'read'>,
): AsyncGenerator<Update, void> {
  const saved = new AbortController();
  const stop = onceSaved(task_id, () => saved.abort());
  const wakes = anySignal([signal, saved.signal]);
  let [hasBegun, checkAt, checkMs] = [false, 0, CHECK_MS.first];
  try {
    for (;;) {
      const news = await live?.read();
      if (news && (news.content !== '' || news.reasoning !== '')) yield news;
      if (saved.signal.aborted || performance.now() >= checkAt) {
        const now = saved.signal.aborted ? undefined : await unlessAway(tasks.find(task_id));
        const result = now && !hasOutcome(now) ? undefined : await unlessAway(tasks.result(task_id));
        if (result) {
          yield { result };
          return;
        }
        // Until it is known what running tasks cost, it may be sent by itself.
        if (now?.paused && !now.paused.waits) yield { paused: now.paused };
        if (now?.state === 'dispatched' && !hasBegun) {
          hasBegun = true;
          yield { begun: true };
        }
        checkMs = Math.min(checkMs * 1.5, CHECK_MS.longest);
        checkAt = performance.now() + checkMs;
      }
      const wake = saved.signal.aborted ? signal : wakes;
      await pause(live ? READ_MS : checkMs, undefined, { signal: wake }).catch(() => {});
      signal.throwIfAborted();
    }
  } finally {
    stop();
  }
}

/** @returns whether a task has an outcome, which may not be saved yet, or will have none. */
export function hasOutcome({ state, ended, missing_file: missing }: Standing): boolean {
  return isOutcome(state) || ended !== undefined || missing !== undefined;
}

/** @returns the result of a task, once it has one. @throws {OpenAiError} if it is paused */
export async function outcomeOf(tasks: Tasks, task_id: string, signal: AbortSignal): Promise<ResultFile> {
  for await (const update of follow(tasks, task_id, signal)) {
    if ('result' in update) return update.result;
    if ('paused' in update) throw overBudget(task_id, update.paused);
  }
  throw new Error('a task is followed to its result');
}
