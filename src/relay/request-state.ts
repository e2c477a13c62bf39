import { ApplicationFailure, CancelledFailure, activityInfo, heartbeat } from '@temporalio/activity';
import { backoffMs } from '../shared/backoff.ts';
import { FAILURE } from '../shared/names.ts';
import type { Holder, LostAttempt } from '../shared/task.ts';

/** Backoff before an interrupted stream is resumed, in milliseconds: doubled up to the longest. */
const RESUME_MS = { first: 1_000, longest: 60_000 };

/** What one attempt of the activity leaves to the next one, in its heartbeats. */
interface Left {
  /** How often the answer was interrupted: the number of the current request to Kimi. */
  interruptions: number;
  /** Why it was interrupted the last time. */
  why?: string;
  /** Since when the current request is tried, in milliseconds since 1970. */
  since: number;
  /** Process of the last attempt. Absent if that attempt ended by itself, or was lost before it began. */
  holder?: Holder;
}

/**
 * How far a request of the relay is, over all attempts of its activity. The engine retries the activity after an interruption too;
 * what it does not know is in the heartbeats, and, more precisely, in the recordings.
 */
export class RequestState {
  private readonly left: Left;

  constructor(private readonly info = activityInfo()) {
    this.left = (info.heartbeatDetails as Left | undefined) ?? {
      interruptions: 0,
      since: info.scheduledTimestampMs,
    };
  }

  get interruptions(): number {
    return this.left.interruptions;
  }

  get why(): string | undefined {
    return this.left.why;
  }

  get isFirstAttempt(): boolean {
    return this.info.attempt === 1;
  }

  /** The last attempt that began, if its end is not known. */
  get lost(): Required<LostAttempt> | undefined {
    const { holder } = this.left;
    return holder && { holder };
  }

  /** Details of the heartbeats of this attempt. */
  get details(): Omit<Left, 'holder'> {
    const { interruptions, why, since } = this.left;
    return { interruptions, since, ...(why !== undefined && { why }) };
  }

  /** How long the current request has been tried, in milliseconds. */
  get triedForMs(): number {
    return Date.now() - this.left.since;
  }

  /** The recordings are ahead of the last heartbeat. */
  catchUp(interruptions: number): void {
    this.left.interruptions = Math.max(this.left.interruptions, interruptions);
  }

  interrupted(why: string): void {
    this.left.interruptions += 1;
    this.left.why = why;
    this.left.since = Date.now();
  }

  /** @returns whether the work goes on: the engine has given up this attempt, or another process has it. The next one looks for it. */
  isElsewhere(error: unknown): boolean {
    return error instanceof CancelledFailure || hasType(error, FAILURE.held);
  }

  /**
   * Records the end of this attempt for the next one.
   *
   * @returns the error for the engine, with the delay before the next attempt
   */
  afterFailure(error: unknown): unknown {
    if (this.isElsewhere(error)) return error;
    const interruption = hasType(error, FAILURE.interrupted) ? error : undefined;
    const nextRetryDelay = backoffMs(RESUME_MS, this.interruptions);
    if (interruption) this.interrupted(interruption.message);
    heartbeat(this.details);
    if (!interruption) return error;
    const { message, details } = interruption;
    return ApplicationFailure.create({ message, type: FAILURE.interrupted, details: details ?? [], nextRetryDelay });
  }
}

export function hasType(error: unknown, type: string): error is ApplicationFailure {
  return error instanceof ApplicationFailure && error.type === type;
}
