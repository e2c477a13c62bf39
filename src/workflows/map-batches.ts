import {
  ActivityCancellationType,
  CancellationScope,
  isCancellation,
  scheduleActivity,
  workflowInfo,
} from '@temporalio/workflow';
import type { RelayActivities } from '../relay/activities.ts';
import type { AnsweredRows, BatchesProgress, MapInput, RowBatch } from '../shared/map.ts';
import { relayQueue } from '../shared/names.ts';
import { rowTaskId } from '../shared/task-id.ts';
import type { TaskError } from '../shared/task.ts';
import type { Text } from '../text/index.ts';
import { readFailure } from './failures.ts';
import { SEND_WITHIN_MS } from './task/activity-options.ts';

/** How long Kimi may take to end a batch that was cancelled, in milliseconds. */
const ENDING_MS = 900_000;

/** How long the removal of what is left at Kimi is tried, in milliseconds. */
const FORGET_MS = 60_000;

/**
 * Batches in which Kimi answers the rows of a map: as few as hold them, one after the other. They are waited for together. What is
 * answered is paid: that is saved after a cancellation too.
 */
export class RowBatches {
  /** Why some rows are not answered. */
  failure: TaskError | undefined;
  /** Answered rows that are not started. */
  readonly answered: AnsweredRows[];
  isMaking = false;
  private asked: number;
  private readonly waiting: RowBatch[];
  private removing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly map: MapInput,
    private readonly rows: number[],
    private readonly text: Text,
    /** Waits until they may be made. */
    private readonly permission: () => Promise<void>,
    { asked, waiting, answered }: BatchesProgress = { asked: 0, waiting: [], answered: [] },
  ) {
    this.asked = asked;
    this.waiting = [...waiting];
    this.answered = [...answered];
  }

  get progress(): BatchesProgress {
    const { asked, waiting, answered } = this;
    return { asked, waiting, answered };
  }

  /** Whether Kimi will not answer any more rows. */
  get hasEnded(): boolean {
    return !this.isMaking && this.waiting.length === 0;
  }

  /** Makes the batches that are not made, and waits for all. It does not return a promise: the map looks at the state. */
  begin(isCancelled: boolean): void {
    for (const batch of this.waiting) void this.waitFor(batch);
    if (!isCancelled) void this.makeAll();
  }

  /** Waits until nothing is being removed at Kimi. */
  async settled(): Promise<void> {
    await this.removing;
  }

  private async makeAll(): Promise<void> {
    const { map, rows } = this;
    this.isMaking = true;
    try {
      if (this.asked < rows.length) await this.permission();
      while (this.asked < rows.length && !CancellationScope.current().consideredCancelled) {
        const numbers = rows.slice(this.asked);
        const task_id = rowTaskId(map.task.task_id, numbers[0] ?? 0);
        try {
          const toAsk = { map: map.task.task_id, order: map.order, numbers };
          const made = await this.run('makeBatch', [toAsk], SEND_WITHIN_MS, this.text.activity.makeBatch);
          const until = Date.now() + map.task.timeout_ms;
          const batch = { id: made.id, task_id, numbers: numbers.slice(0, made.rows), until };
          this.asked += batch.numbers.length;
          this.waiting.push(batch);
          void this.waitFor(batch);
        } catch (error) {
          this.failure ??= reasonOf(error);
          this.remove(task_id);
          return;
        }
      }
    } catch (error) {
      // No permission: it was cancelled, or no price is known.
      this.failure ??= reasonOf(error);
    } finally {
      this.isMaking = false;
    }
  }

  private async waitFor(batch: RowBatch): Promise<void> {
    let answers: AnsweredRows[] = [];
    try {
      answers = await this.answersOf(batch, batch.until - Date.now());
      const isWhole = answers.flatMap(({ numbers }) => numbers).length === batch.numbers.length;
      if (!isWhole) this.failure ??= { type: 'batch_failed', message: 'the batch was cancelled at Kimi' };
    } catch (error) {
      this.failure ??= Date.now() < batch.until ? reasonOf(error) : this.timedOut;
      answers = await CancellationScope.nonCancellable(async () => await this.answersOfEnding(batch));
    }
    this.answered.push(...answers);
    this.waiting.splice(this.waiting.indexOf(batch), 1);
    this.remove(batch.task_id);
  }

  private get timedOut(): TaskError {
    return { type: 'timed_out', message: this.text.error.timedOut(this.map.task.timeout_ms) };
  }

  /** Cancels a batch. @returns what Kimi had answered */
  private async answersOfEnding(batch: RowBatch): Promise<AnsweredRows[]> {
    try {
      await this.run('cancelBatch', [batch.task_id], ENDING_MS);
      return await this.answersOf(batch, ENDING_MS);
    } catch {
      return [];
    }
  }

  private async answersOf(batch: RowBatch, withinMs: number): Promise<AnsweredRows[]> {
    const { task, order } = this.map;
    const summary = this.text.activity.answersOfBatch(batch.numbers.length);
    return await this.run('answersOfBatch', [{ map: task.task_id, order }, batch], Math.max(1, withinMs), summary);
  }

  private remove(task_id: string): void {
    const removing = CancellationScope.nonCancellable(async () => await this.run('forgetBatch', [task_id], FORGET_MS));
    this.removing = Promise.allSettled([this.removing, removing]);
  }

  /** Runs an activity of the relay, which has the key. */
  private async run<Name extends 'makeBatch' | 'answersOfBatch' | 'cancelBatch' | 'forgetBatch'>(
    name: Name,
    args: Parameters<RelayActivities[Name]>,
    withinMs: number,
    summary?: string,
  ): Promise<Awaited<ReturnType<RelayActivities[Name]>>> {
    return (await scheduleActivity<unknown>(name, args, {
      taskQueue: relayQueue(workflowInfo().taskQueue),
      startToCloseTimeout: '15m',
      heartbeatTimeout: '10s',
      scheduleToCloseTimeout: withinMs,
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
      retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
      ...(summary !== undefined && { summary }),
    })) as Awaited<ReturnType<RelayActivities[Name]>>;
  }
}

/** @returns why there is no answer; `undefined` after a cancellation. */
function reasonOf(error: unknown): TaskError | undefined {
  if (isCancellation(error)) return undefined;
  return readFailure(error) ?? { type: 'error', message: String(error) };
}
