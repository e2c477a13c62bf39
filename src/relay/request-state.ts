import { ApplicationFailure, CancelledFailure, activityInfo, heartbeat } from '@temporalio/activity';
import { backoffMs } from '../shared/backoff.ts';
import { FAILURE } from '../shared/names.ts';
import type { FallbackNote } from '../shared/result.ts';
import type { Holder, LostAttempt } from '../shared/task.ts';

/** Backoff before an interrupted stream is resumed, in milliseconds: doubled up to the longest. */
const RESUME_MS = { first: 1_000, longest: 60_000 };

/** Backoff while Kimi is overloaded, unless it names a time itself: that of the engine (relay/client.ts). */
const OVERLOADED_MS = { first: 1_000, longest: 60_000 };

/** What one attempt of the activity leaves to the next one, in its heartbeats. */
interface Left {
  /** Number of the current request to Kimi: how many there were before it. */
  requests: number;
  /** How many of those ended with calls of tools; absent if none. The others were interrupted. */
  rounds_ended?: number;
  /** Why it was interrupted the last time. */
  why?: string;
  /** Since when the current request is tried, in milliseconds since 1970. */
  since: number;
  /** Time of the first refusal by the current model since it last accepted, in milliseconds since 1970; absent if there was none. */
  overloaded_since?: number;
  /** Number of the fallback in use; absent or 0 if it is none. */
  fallback_number?: number;
  /** How long Kimi had been overloaded when it was chosen, in milliseconds. */
  overloaded_ms?: number;
  fallback?: FallbackNote;
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
      requests: 0,
      since: info.scheduledTimestampMs,
    };
  }

  get requests(): number {
    return this.left.requests;
  }

  get rounds(): number {
    return this.left.rounds_ended ?? 0;
  }

  get interruptions(): number {
    return this.requests - this.rounds;
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
    const { holder: _, ...details } = this.left;
    return details;
  }

  /** How long the current request has been tried, in milliseconds. */
  get triedForMs(): number {
    return Date.now() - this.left.since;
  }

  /** Number of the fallback in use; 0 for the task's own request. */
  get fallback(): number {
    return this.left.fallback_number ?? 0;
  }

  /** The note for the user while a fallback is in use. */
  get fallenBack(): { fallback?: FallbackNote } {
    const { fallback } = this.left;
    return fallback ? { fallback } : {};
  }

  /** How long the current model has refused every request, in milliseconds. */
  get overloadedForMs(): number {
    return Date.now() - (this.left.overloaded_since ?? Date.now());
  }

  /**
   * Something else is asked from now on.
   *
   * @param number of the fallback; 0 for the task's own request
   * @param note for the user
   */
  fallBack(number: number, note: Omit<FallbackNote, 'overloaded_ms'>): void {
    const { left } = this;
    left.overloaded_ms = (left.overloaded_ms ?? 0) + this.overloadedForMs;
    left.fallback_number = number;
    delete left.overloaded_since;
    delete left.fallback;
    if (number > 0) left.fallback = { ...note, overloaded_ms: left.overloaded_ms };
  }

  /**
   * Another request is the current one. The recordings may be ahead of the last heartbeat.
   *
   * @param requests before it
   * @param rounds those of them that ended with calls of tools
   */
  catchUp(requests: number, rounds = this.rounds): void {
    const { left } = this;
    if (rounds > this.rounds) left.rounds_ended = rounds;
    if (requests <= left.requests) return;
    left.requests = requests;
    left.since = Date.now();
  }

  interrupted(why: string): void {
    this.left.requests += 1;
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
   * @param fallBackAfterMs how long Kimi has to be overloaded before something else is asked; `undefined` if nothing else may be
   * @returns the error for the engine, with the delay before the next attempt
   */
  afterFailure(error: unknown, fallBackAfterMs?: number): unknown {
    if (this.isElsewhere(error)) return error;
    const interruption = hasType(error, FAILURE.interrupted) ? error : undefined;
    const nextRetryDelay = backoffMs(RESUME_MS, this.interruptions);
    if (interruption) this.interrupted(interruption.message);
    const isOverloaded = hasType(error, FAILURE.throttled);
    if (isOverloaded) this.left.overloaded_since ??= Date.now();
    else delete this.left.overloaded_since;
    heartbeat(this.details);
    if (isOverloaded && fallBackAfterMs !== undefined) return this.retriedWithin(fallBackAfterMs, error);
    if (!interruption) return error;
    const { message, details } = interruption;
    return ApplicationFailure.create({ message, type: FAILURE.interrupted, details: details ?? [], nextRetryDelay });
  }

  /** @returns the error, with a delay that ends when something else is asked: Kimi may name a later time. */
  private retriedWithin(fallBackAfterMs: number, error: ApplicationFailure): ApplicationFailure {
    const { message, details, nextRetryDelay: named } = error;
    const delay = typeof named === 'number' ? named : backoffMs(OVERLOADED_MS, this.info.attempt - 1);
    const nextRetryDelay = Math.min(delay, Math.max(1, fallBackAfterMs - this.overloadedForMs));
    return ApplicationFailure.create({ message, type: FAILURE.throttled, details: details ?? [], nextRetryDelay });
  }
}

export function hasType(error: unknown, type: string): error is ApplicationFailure {
  return error instanceof ApplicationFailure && error.type === type;
}
