/** Which errors of channels prove that nothing was shown. */

/** `final`: a retry would be refused too. `for_now`: a retry may succeed. */
export type Refusal = 'final' | 'for_now';

/** Members of the errors of the channels' clients. */
interface ChannelError {
  code?: unknown;
  /** Of Telegram. */
  error_code?: unknown;
  /** Of LINE and Discord. */
  status?: unknown;
  statusCode?: unknown;
  /** Of Feishu (axios). */
  response?: { status?: unknown; data?: { code?: unknown } };
  /** Of Slack. */
  data?: { ok?: unknown; error?: unknown };
  retryable?: unknown;
  /** The client of Telegram's API names the cause `error`. */
  error?: unknown;
}

/** The gateway’s own proof (`PlatformMessageNotDispatchedError`). */
const NOT_DISPATCHED = 'OPENCLAW_PLATFORM_MESSAGE_NOT_DISPATCHED';

/** Errors before any byte was sent. */
const NO_PEER = new Set<unknown>(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Slack’s errors after which the message may have been posted. */
const SLACK_UNCERTAIN = new Set<unknown>(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout']);

/** Statuses of HTTP that do not say whether the message was accepted. */
const UNCERTAIN = new Set([408, 409]);

/** @returns how the channel refused; `undefined` if the message may have been shown. */
export function refusalOf(error: unknown): Refusal | undefined {
  for (let cause = error; cause instanceof Error;) {
    const said = cause as Error & ChannelError;
    if (said.code === NOT_DISPATCHED) return said.retryable === false ? 'final' : 'for_now';
    if (isRefusal(said)) return 'for_now';
    cause = said.cause ?? said.error;
  }
  return undefined;
}

function isRefusal(error: Error & ChannelError): boolean {
  const { code, error_code, response, data } = error;
  if (NO_PEER.has(code) || typeof error_code === 'number' || code === 'slack_webapi_rate_limited_error') return true;
  if (code === 'slack_webapi_platform_error') return data?.ok === false && !SLACK_UNCERTAIN.has(data.error);
  // Feishu answers 200 with a code; its client keeps only the words of a message that was refused.
  if (typeof response?.data?.code === 'number' && response.data.code !== 0) return true;
  if (/^Feishu [\w ]+ failed: /.test(error.message) && error.cause === undefined) return true;
  return [error.status, error.statusCode, response?.status].some(
    (status) => typeof status === 'number' && status >= 400 && status < 500 && !UNCERTAIN.has(status),
  );
}
