/** Why a request brought no API id, or no whole answer. */
export type KimiErrorKind =
  /** Kimi said no; nothing will come. */
  | 'refused'
  /** The request may have been accepted; sending it again could be paid for twice. */
  | 'outcome_unknown'
  /** A part of the answer came, then no more. */
  | 'interrupted'
  /** Kimi is too busy, or this account sends too much: it may be sent again later. */
  | 'turned_away'
  /** The request was certainly not accepted: it may be sent again. */
  | 'not_sent';

/** The one error of this room. Its message never holds the key. */
export class KimiError extends Error {
  override readonly name = 'KimiError';

  constructor(
    readonly kind: KimiErrorKind,
    /** Kimi's own word (`rate_limit_reached_error`) or ours (`no_api_key`). */
    readonly type: string,
    message: string,
    readonly options: {
      cause?: unknown;
      /** How long Kimi asked us to wait, in milliseconds. */
      retryAfterMs?: number;
    } = {},
  ) {
    super(message, options);
  }
}
