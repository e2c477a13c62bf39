import type { TaskError } from '../shared/task.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { messageOf } from '../text/error-details.ts';

/** Why a request returned no API id, or no complete answer. */
export type KimiErrorKind =
  /** Kimi refused the request: no answer will come. */
  | 'refused'
  /** The request may have been accepted: a retry could be paid for twice. */
  | 'outcome_unknown'
  /** The answer ended early. */
  | 'interrupted'
  /** Throttled (429): Kimi is overloaded, or the account is over a limit. May be retried later. */
  | 'turned_away'
  /** The request was certainly not accepted: may be retried. */
  | 'not_sent';

/** An error of a request to Kimi. Its message never contains the key. */
export class KimiError extends Error {
  override readonly name = 'KimiError';
  readonly detail?: ErrorDetail;

  constructor(
    readonly kind: KimiErrorKind,
    /** Kimi's own type (`rate_limit_reached_error`), or one of Kimi Dispatch (`no_api_key`). */
    readonly type: string,
    said: string | ErrorDetail,
    readonly options: {
      cause?: unknown;
      /** Kimi's Retry-After, in milliseconds. */
      retryAfterMs?: number;
    } = {},
  ) {
    super(messageOf(said), options);
    if (typeof said !== 'string') this.detail = said;
  }

  /** @returns the same error of a call that may be repeated, whatever became of it. */
  asNotSent(type = this.type): KimiError {
    return new KimiError('not_sent', type, this.detail ?? this.message, { cause: this });
  }

  get taskError(): TaskError {
    const { type, message, detail } = this;
    return { type, message, ...(detail && { detail }) };
  }
}
