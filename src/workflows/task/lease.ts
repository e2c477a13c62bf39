import {
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { backoffMs } from '../../shared/backoff.ts';
import type { Paid, Reservation } from '../../shared/budget.ts';
import type { Admission, LeaseRequest, SentReport, Throttled } from '../../shared/limits.ts';
import { ADMISSION_SIGNAL, LIMITER_SIGNALS, isSharedLimiter } from '../../shared/names.ts';
import { TaskBudget } from './budget.ts';
import type { TaskRun } from './state.ts';

const admissionSignal = defineSignal<[Admission]>(ADMISSION_SIGNAL);
const requestSignal = defineSignal<[LeaseRequest]>(LIMITER_SIGNALS.request);
const sentSignal = defineSignal<[SentReport]>(LIMITER_SIGNALS.sent);

/** How long a task waits for the limiter's answer before it asks again: doubled up to the longest. Milliseconds. */
const ASK_AGAIN_MS = { first: 30_000, longest: 600_000 };

/** Permission of the limiter to send one request to Kimi at a time, and a slot among the tasks in flight. */
export interface Lease {
  /**
   * Waits for permission to send: of the task's own budget, and of the limiter.
   *
   * @param throttled set if Kimi answered the previous request with 429
   * @returns the queue's limit if the queue is full
   * @throws if a budget needs a price that is not known
   */
  obtain(throttled?: Throttled): Promise<{ full: number } | undefined>;
  /** The number of the current permission, for the report of its request. */
  readonly round: number | undefined;
  /** Reports that the request is no longer on its way, unless the dispatch activity has. */
  sent(accepted: boolean): void;
  /** Releases the slot. To be awaited before the workflow closes. @param paid what the task cost; absent while an answer may follow */
  release(sent: boolean, paid?: Paid): Promise<void>;
  /** Reports what the task cost, if an answer might have followed when it released its slot. A number is the cost itself. */
  settle(paid: Paid | number): Promise<void>;
}

/** @param isSlotless of a batch, which Kimi’s limits do not count: only a budget may keep it */
export function leaseFor(run: TaskRun, isSlotless = false): Lease {
  const { limiter } = run.task;
  return limiter === undefined ? new Unlimited(run) : new LimiterLease(run, limiter, isSlotless);
}

/** Of a task without a limiter. */
class Unlimited implements Lease {
  readonly round = undefined;
  private readonly budget: TaskBudget;

  constructor(run: TaskRun) {
    this.budget = new TaskBudget(run);
  }

  async obtain(): Promise<undefined> {
    await this.budget.hold();
    await this.budget.end();
  }

  sent(): void {}

  async release(): Promise<void> {
    await this.budget.end();
  }

  async settle(): Promise<void> {}
}

class LimiterLease implements Lease {
  private readonly limiter: ReturnType<typeof getExternalWorkflowHandle>;
  round = 0;
  /** The limiter's decision on this round. */
  private decision: 'granted' | { full: number } | undefined;
  /** The request has to be repeated now: the limiter wants to know what the task may cost, or its user has allowed it. */
  private isOutdated = false;
  /** What the limiter may have reserved for the task. */
  private cost: Reservation | undefined;
  private needsCost = false;
  private readonly budget: TaskBudget;
  /** Settles once the limiter has received the last report of a request. */
  private reported: Promise<void> = Promise.resolve();

  constructor(
    private readonly run: TaskRun,
    private readonly limiterId: string,
    private readonly isSlotless: boolean,
  ) {
    this.limiter = getExternalWorkflowHandle(limiterId);
    this.budget = new TaskBudget(run, () => {
      this.isOutdated = true;
    });
    setHandler(admissionSignal, (admission) => this.receive(admission));
  }

  async obtain(throttled?: Throttled): Promise<{ full: number } | undefined> {
    await this.budget.hold();
    this.round += 1;
    this.decision = undefined;
    const isDecided = (): boolean => this.decision !== undefined;
    for (let repeats = 0; !isDecided(); repeats += 1) {
      this.isOutdated = false;
      if (this.needsCost) this.cost = await this.budget.reservation();
      await Promise.all([
        this.request(throttled),
        condition(() => isDecided() || this.isOutdated, backoffMs(ASK_AGAIN_MS, repeats)),
      ]);
    }
    await this.budget.end();
    return this.decision === 'granted' ? undefined : this.decision;
  }

  sent(accepted: boolean): void {
    const { task_id } = this.run.task;
    this.reported = this.limiter
      .signal(sentSignal, { task_id, round: this.round, accepted })
      .catch(ignoreMissingLimiter);
  }

  async release(sent: boolean, paid?: Paid): Promise<void> {
    await this.budget.end();
    // Temporal rejects the completion of a workflow while the outcome of a signal is pending, and repeats that workflow task.
    await this.reported;
    // An activity and not a signal: Temporal drops the signal of a workflow that closes before it is delivered.
    const report = { task_id: this.run.task.task_id, sent };
    await this.run.activities.release(this.cost && paid ? [this.limiterId, report, paid] : [this.limiterId, report]);
  }

  async settle(paid: Paid | number): Promise<void> {
    if (typeof paid !== 'number') {
      if (this.cost) await this.release(true, paid);
      return;
    }
    // An earlier run of the workflow may have the reservation.
    const report = { task_id: this.run.task.task_id, sent: true, spent: paid };
    await this.run.activities.release([this.limiterId, report]);
  }

  private receive(admission: Admission): void {
    // An answer to an earlier round is outdated.
    if (admission.round !== this.round || this.decision) return;
    if (admission.state === 'granted') this.decision = 'granted';
    else if (admission.state === 'refused') this.decision = { full: admission.limit };
    else if (admission.state === 'unpriced') {
      this.needsCost = true;
      this.isOutdated = true;
    } else if (admission.state === 'paused') this.budget.pause(admission.pause);
    else {
      const { place, expected_wait_ms } = admission;
      if (this.run.view.paused) void this.budget.end();
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
      ...(this.isSlotless && { slotless: true as const }),
      ...(throttled && { turned_away: throttled }),
      ...(this.cost && { cost: this.cost }),
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
