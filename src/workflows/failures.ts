import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  TimeoutFailure,
  isCancellation,
  type ActivityOptions,
} from '@temporalio/workflow';
import { readDetails } from '../shared/failure-details.ts';
import type { Throttled } from '../shared/limits.ts';
import { FAILURE } from '../shared/names.ts';
import type { Holder, LostAttempt, TaskError } from '../shared/task.ts';

/** How a dispatch activity failed. */
export interface DispatchFailure {
  error: TaskError;
  /** Whether Kimi may have received the request, and may answer it. */
  mayHaveArrived: boolean;
  /** Whether a request was, or may have been, sent, even if Kimi rejected it: it counts against the limits. */
  wasSent: boolean;
  /** Set if Kimi answered 429: the limiter decides when to send again. */
  throttled?: Throttled;
}

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

/** @returns why an activity failed; `undefined` for other errors: a cancellation, or a bug in the workflow. */
export function readFailure(failure: unknown): TaskError | undefined {
  const cause = causeOf(failure);
  if (cause instanceof ApplicationFailure) return taskError(cause);
  return cause instanceof TimeoutFailure ? { type: 'timed_out', message: cause.message } : undefined;
}

/** @returns the delay before a retry, in milliseconds; `undefined` if the failure is not retryable. */
export function readRetry(failure: unknown): number | undefined {
  const cause = causeOf(failure);
  if (cause instanceof TimeoutFailure) return 0;
  if (!(cause instanceof ApplicationFailure) || cause.nonRetryable) return undefined;
  const [, retry_after_ms] = cause.details ?? [];
  return typeof retry_after_ms === 'number' ? retry_after_ms : 0;
}

/**
 * Runs an activity that Temporal does not retry after a timeout (`SENDING`). After an attempt whose heartbeat timed out, the next
 * one joins the work in its process, if that still runs.
 *
 * @param attempt schedules the activity, with the previous attempt if that was lost
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
 * A local activity throws its failure as it is, a regular one inside an ActivityFailure. After a schedule-to-close timeout the
 * failure of the last attempt is the timeout's cause.
 */
function causeOf(failure: unknown): unknown {
  const cause = failure instanceof ActivityFailure ? failure.cause : failure;
  return cause instanceof TimeoutFailure && cause.cause instanceof ApplicationFailure ? cause.cause : cause;
}

function taskError({ details, type, message }: ApplicationFailure): TaskError {
  return { type: type ?? 'error', message, ...readDetails(details) };
}

/**
 * Options of activities that send a paid request. Retried while nothing was sent; not after a timeout, since the request may
 * have been sent: see `unlessLost`.
 */
export const SENDING = {
  // A cancelled activity reports what was sent or received before the workflow continues.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '1m',
    // The server's names of these timeouts.
    nonRetryableErrorTypes: ['TemporalTimeout:StartToClose', 'TemporalTimeout:Heartbeat'],
  },
} satisfies ActivityOptions;
