/** How fast callbacks are signalled: not during a burst, large ones one at a time, and no faster than a worker processes them. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { isWorkerHere, onceSaved } from '../tasks/worker-here.ts';
import { isErrorCallback, type Callback } from '../shared/callback.ts';

/**
 * More than `callbacks` within `withinMs` milliseconds are a burst; it ends when none has arrived for `lastsMs`. During a burst
 * every callback is journaled, and the journal waits for at most `waitMs`: engine and worker would compete for the processor.
 */
const BURST = { callbacks: 4, withinMs: 20, lastsMs: 100, waitMs: 2_000 };

/**
 * A worker needs some 150 MB and two seconds for an answer of 16 MiB. Callbacks whose texts have at least `length` UTF-16 units are
 * signalled one at a time: each waits until the worker has processed the one before, or for `waitMs`. At most `waiting` wait;
 * the rest are journaled. Other callbacks do not wait for them.
 */
const LARGE = { length: 1024 * 1024, waitMs: 30_000, waiting: 16 };

/** How long callbacks are signalled without waiting after a worker took too long, in milliseconds. */
const UNPACED_MS = 10_000;

/** First interval between two checks whether a worker has processed a callback, in milliseconds; it doubles up to the longest. */
export const POLL_MS = 20;

/** Longest interval between two checks, in milliseconds: the end of a wait is noticed half a second late at most. */
const LONGEST_POLL_MS = 500;

/**
 * The same for a worker of this process, which reports each saved answer: only a callback that brings no answer waits for these checks.
 * They are rare, since each is a call to the engine.
 */
const POLL_HERE_MS = 2_000;

/** How long one callback waits for the worker, in milliseconds. A worker of this process is there, and only slow. */
const WAIT_MS = { here: 5_000, elsewhere: 1_000 };

/** Activities that hold the whole answer in memory. A wake is not one of them: it may take days. */
const SAVING = new Set(['verifyCallback', 'persist']);

/** Detects bursts of callbacks. Times are those of `performance.now()`. */
export class BurstDetector {
  /** When the latest callbacks arrived, as many as make a burst. */
  private readonly arrivals: number[] = [];
  private since = 0;
  private until = 0;

  noteArrival(): void {
    const now = performance.now();
    const before = this.arrivals.length < BURST.callbacks ? 0 : (this.arrivals.shift() ?? 0);
    this.arrivals.push(now);
    if (now - before >= BURST.withinMs) return;
    if (!this.isBurst) this.since = now;
    this.until = now + BURST.lastsMs;
  }

  get isBurst(): boolean {
    return performance.now() < this.until;
  }

  /** Whether the journal waits for the burst to end. */
  get holdsJournal(): boolean {
    return performance.now() < Math.min(this.until, this.since + BURST.waitMs);
  }
}

/** Waits for the worker, so that callbacks queue up in the journal and not in the engine. */
export class WorkerPace {
  private unpacedUntil = 0;

  constructor(
    private readonly client: Client,
    private readonly stopping: AbortSignal,
    private readonly waitMs?: number,
  ) {}

  /**
   * Waits until the worker has processed a callback: until it has saved the answer, if it belongs to this process, else
   * {@link untilIdle}. The engine accepts signals several times as fast as a worker processes them, and a workflow task that is pending
   * for over 2 s (temporal/worker.ts) costs the worker a replay. Without a worker, or with a slow one, the callbacks wait in the engine.
   */
  async untilProcessed(task_id: string): Promise<void> {
    if (performance.now() < this.unpacedUntil) return;
    if (!isWorkerHere()) {
      await this.untilIdle(task_id, this.waitMs ?? WAIT_MS.elsewhere);
      return;
    }
    const over = new AbortController();
    const end = (): void => over.abort();
    const forget = onceSaved(task_id, end);
    this.stopping.addEventListener('abort', end);
    if (this.stopping.aborted) end();
    try {
      await this.untilIdle(task_id, this.waitMs ?? WAIT_MS.here, POLL_HERE_MS, over.signal);
    } finally {
      forget();
      this.stopping.removeEventListener('abort', end);
    }
  }

  /**
   * Waits until a task has no pending workflow task and saves nothing. The task is not queried: it may have ended by then, and a query
   * would replay it.
   *
   * @param waitMs how long at most, in milliseconds
   * @param firstMs when it is asked first
   * @param over ends the wait
   */
  async untilIdle(task_id: string, waitMs: number, firstMs = POLL_MS, over = this.stopping): Promise<void> {
    const { connection, workflowService, options } = this.client;
    const giveUpAt = performance.now() + waitMs;
    const request = { namespace: options.namespace, execution: { workflowId: task_id } };
    try {
      for (
        let wait = firstMs;
        performance.now() + wait < giveUpAt;
        wait = Math.max(wait, Math.min(2 * wait, LONGEST_POLL_MS))
      ) {
        await rest(wait, over);
        if (over.aborted) return;
        const task = await connection.withDeadline(
          Date.now() + giveUpAt - performance.now(),
          async () => await workflowService.describeWorkflowExecution(request),
        );
        const isSaving = task.pendingActivities?.some(({ activityType }) => SAVING.has(activityType?.name ?? ''));
        if (!task.pendingWorkflowTask && !isSaving) return;
      }
    } catch {
      // An engine that cannot be asked is treated as a worker that took too long.
    }
    this.unpacedUntil = performance.now() + UNPACED_MS;
  }
}

/** Signals large callbacks one at a time. */
export class LargeCallbacks {
  /** Settles when the worker has processed the large callbacks so far. */
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  /** @param onProcessed called when one of them has been processed, or could not be signalled. */
  constructor(
    private readonly pace: WorkerPace,
    private readonly onProcessed: () => void,
  ) {}

  get isIdle(): boolean {
    return this.waiting === 0;
  }

  get isFull(): boolean {
    return this.waiting >= LARGE.waiting;
  }

  /**
   * Runs `signal` when the previous large callback has been processed.
   *
   * @returns what `signal` returns; it does not wait for the worker.
   */
  async inTurn<T extends string>(task_id: string, signal: () => Promise<T>): Promise<T> {
    this.waiting += 1;
    const turn = this.last.then(signal);
    this.last = turn
      .then(async (status) => status === 'signalled' && (await this.pace.untilIdle(task_id, LARGE.waitMs)))
      .catch(() => {})
      .finally(() => {
        this.waiting -= 1;
        this.onProcessed();
      });
    return await turn;
  }
}

export function isLarge(callback: Callback): boolean {
  const texts = isErrorCallback(callback)
    ? [callback.partial, callback.partial_reasoning]
    : callback.choices.flatMap(({ message }) => [message.content, message.reasoning_content]);
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0) >= LARGE.length;
}

/** Waits for so many milliseconds, or until the signal. */
export async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal, ref: false }).catch(() => {});
}
