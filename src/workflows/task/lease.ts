import {
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { backoffMs } from '../../shared/backoff.ts';
import type { Admission, LeaseRequest, SentReport, Throttled } from '../../shared/limits.ts';
import { ADMISSION_SIGNAL, LIMITER_SIGNALS, isSharedLimiter } from '../../shared/names.ts';
import type { TaskRun } from './state.ts';

const admissionSignal = defineSignal<[Admission]>(ADMISSION_SIGNAL);
const requestSignal = defineSignal<[LeaseRequest]>(LIMITER_SIGNALS.request);
const sentSignal = defineSignal<[SentReport]>(LIMITER_SIGNALS.sent);

/** How long a task waits for the limiter's answer before it asks again: doubled up to the longest. Milliseconds. */
const ASK_AGAIN_MS = { first: 30_000, longest: 600_000 };

/** Permission of the limiter to send one request to Kimi at a time, and a slot among the tasks in flight. */
export interface Lease {
  /**
   * Waits for permission to send.
   *
   * @param throttled set if Kimi answered the previous request with 429
   * @returns the queue's limit if the queue is full
   */
  obtain(throttled?: Throttled): Promise<{ full: number } | undefined>;
  /** The number of the current permission, for the report of its request. */
  readonly round: number | undefined;
  /** Reports that the request is no longer on its way, unless the dispatch activity has. */
  sent(accepted: boolean): void;
  /** Releases the slot. To be awaited before the workflow closes. */
  release(sent: boolean): Promise<void>;
}

/** Of a task without a limiter. */
const UNLIMITED: Lease = { round: undefined, obtain: async () => undefined, sent: () => {}, release: async () => {} };

export function leaseFor(run: TaskRun): Lease {
  const { limiter } = run.task;
  return limiter === undefined ? UNLIMITED : new LimiterLease(run, limiter);
}

class LimiterLease implements Lease {
  private readonly limiter: ReturnType<typeof getExternalWorkflowHandle>;
  round = 0;
  /** The limiter's decision on this round. */
  private decision: 'granted' | { full: number } | undefined;
  /** Settles once the limiter has received the last report of a request. */
  private reported: Promise<void> = Promise.resolve();

  constructor(
    private readonly run: TaskRun,
    private readonly limiterId: string,
  ) {
    this.limiter = getExternalWorkflowHandle(limiterId);
    setHandler(admissionSignal, (admission) => this.receive(admission));
  }

  async obtain(throttled?: Throttled): Promise<{ full: number } | undefined> {
    this.round += 1;
    this.decision = undefined;
    const isDecided = (): boolean => this.decision !== undefined;
    for (let repeats = 0; !isDecided(); repeats += 1) {
      await Promise.all([this.request(throttled), condition(isDecided, backoffMs(ASK_AGAIN_MS, repeats))]);
    }
    return this.decision === 'granted' ? undefined : this.decision;
  }

  sent(accepted: boolean): void {
    const { task_id } = this.run.task;
    this.reported = this.limiter
      .signal(sentSignal, { task_id, round: this.round, accepted })
      .catch(ignoreMissingLimiter);
  }

  async release(sent: boolean): Promise<void> {
    // Temporal rejects the completion of a workflow while the outcome of a signal is pending, and repeats that workflow task.
    await this.reported;
    // An activity and not a signal: Temporal drops the signal of a workflow that closes before it is delivered.
    await this.run.activities.release([this.limiterId, { task_id: this.run.task.task_id, sent }]);
  }

  private receive(admission: Admission): void {
    // An answer to an earlier round is outdated.
    if (admission.round !== this.round || this.decision) return;
    if (admission.state === 'granted') this.decision = 'granted';
    else if (admission.state === 'refused') this.decision = { full: admission.limit };
    else {
      const { place, expected_wait_ms } = admission;
      this.run.setQueuePosition({ place, ...(expected_wait_ms !== undefined && { expected_wait_ms }) });
    }
  }

  private async request(throttled: Throttled | undefined): Promise<void> {
    const { task_id, priority = 3 } = this.run.task;
    const request = {
      task_id,
      ...(isSharedLimiter(this.limiterId) && { agent: workflowInfo().taskQueue }),
      priority,
      round: this.round,
      ...(throttled && { turned_away: throttled }),
    };
    try {
      await this.limiter.signal(requestSignal, request);
    } catch (error) {
      if (isCancellation(error)) throw error;
      await this.run.activities.startLimiter([this.limiterId]);
      await this.limiter.signal(requestSignal, request).catch(ignoreMissingLimiter);
    }
  }
}

/** A limiter that is gone holds no slot; the next request starts it again. */
function ignoreMissingLimiter(): void {}
