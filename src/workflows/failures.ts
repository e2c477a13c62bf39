import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  TimeoutFailure,
  isCancellation,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { Throttled } from '../shared/limits.ts';
import { FAILURE } from '../shared/names.ts';
import type { Holder, LostAttempt, TaskError } from '../shared/task.ts';

/** What became of a request whose dispatch activity failed. */
export interface DispatchFailure {
  error: TaskError;
  /** Whether Kimi may have the request all the same, and may answer it. */
  mayHaveArrived: boolean;
  /** Whether a request was, or may have been, on its way, whatever Kimi said to it: it counts against the limits. */
  wasSent: boolean;
  /** Set where Kimi was too busy to take it and the limiter says when to try again. */
  throttled?: Throttled;
}

/** Reads how a dispatch activity failed. */
export function readDispatchFailure(failure: unknown): DispatchFailure {
  const cause = causeOf(failure);
  if (cause instanceof ApplicationFailure) {
    const [, retry_after_ms] = cause.details ?? [];
    return {
      error: taskError(cause),
      mayHaveArrived: cause.type === FAILURE.outcomeUnknown,
      wasSent: cause.type !== FAILURE.notSent,
      ...(cause.type === FAILURE.throttled && {
        throttled: typeof retry_after_ms === 'number' ? { retry_after_ms } : {},
      }),
    };
  }
  if (isCancellation(failure)) {
    return { error: { type: 'cancelled', message: 'not sent' }, mayHaveArrived: false, wasSent: false };
  }
  const message =
    cause instanceof TimeoutFailure
      ? 'the worker that was sending the request was lost; it is not known whether Kimi received it'
      : String(failure);
  return { error: { type: 'outcome_unknown', message }, mayHaveArrived: true, wasSent: true };
}

/** @returns why an activity gave up; `undefined` for what else may be thrown: a cancellation, or a fault of the workflow's own. */
export function readFailure(failure: unknown): TaskError | undefined {
  const cause = causeOf(failure);
  if (cause instanceof ApplicationFailure) return taskError(cause);
  return cause instanceof TimeoutFailure ? { type: 'timed_out', message: cause.message } : undefined;
}

/** @returns how long whoever was asked wants to be left alone, in milliseconds; `undefined` where asking again is no use. */
export function readRetry(failure: unknown): number | undefined {
  const cause = causeOf(failure);
  if (cause instanceof TimeoutFailure) return 0;
  if (!(cause instanceof ApplicationFailure) || cause.nonRetryable) return undefined;
  const [, retry_after_ms] = cause.details ?? [];
  return typeof retry_after_ms === 'number' ? retry_after_ms : 0;
}

/**
 * Runs an activity whose attempts are not repeated by the engine. After an attempt whose heartbeats ran out, another one asks
 * its process for the work.
 *
 * @param attempt schedules the activity, with the attempt before it where that was lost.
 */
export async function unlessLost<T>(attempt: (lost?: LostAttempt) => Promise<T>): Promise<T> {
  for (let lost: LostAttempt | undefined; ;) {
    try {
      return await attempt(lost);
    } catch (error) {
      const failure = error instanceof ActivityFailure ? error.cause : undefined;
      if (!(failure instanceof TimeoutFailure) || failure.timeoutType === 'SCHEDULE_TO_CLOSE') throw error;
      const { holder } = (failure.lastHeartbeatDetails ?? lost ?? {}) as { holder?: Holder };
      lost = holder ? { holder } : {};
    }
  }
}

/**
 * A local activity's failure comes as it is, that of an activity inside of another. One that was repeated until its time was
 * up has the failure of its last attempt inside.
 */
function causeOf(failure: unknown): unknown {
  const cause = failure instanceof ActivityFailure ? failure.cause : failure;
  return cause instanceof TimeoutFailure && cause.cause instanceof ApplicationFailure ? cause.cause : cause;
}

/** Activities put the word for what happened into the first detail. */
function taskError({ details, type, message }: ApplicationFailure): TaskError {
  const [word] = details ?? [];
  return { type: typeof word === 'string' ? word : (type ?? 'error'), message };
}

/**
 * For activities that send what is paid for. Tried again while nothing was sent; an attempt whose heartbeats ran out is not
 * repeated by the engine, since the request may have been sent: see `unlessLost`.
 */
export const SENDING = {
  // A cancelled one tells what was sent, or has come, before anything is made of it.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '1m',
    // The server names timeouts so in this list.
    nonRetryableErrorTypes: ['TemporalTimeout:StartToClose', 'TemporalTimeout:Heartbeat'],
  },
} satisfies ActivityOptions;
