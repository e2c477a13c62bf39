/** Reads error responses of OpenAI-compatible servers: the message, in any form, and what it means for the request. */
import type { IncomingHttpHeaders } from 'node:http';
import { field, firstCharacters } from '../shared/format.ts';
import { retryAfter } from '../service/http.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { KimiError } from './errors.ts';

/** An error as the server states it. */
export interface StatedError {
  /** e.g. `rate_limit_reached_error`. */
  type?: string;
  /** HTTP status in the body; the response may have another one. */
  status?: number;
  /** One line, without control characters. */
  message: string;
}

/** Length of a server's message that is kept, in characters. */
const MESSAGE_CHARS = 500;

/** Members that hold a message, or an object with one, the most specific first. */
const MEMBERS = ['message', 'msg', 'detail', 'error_description', 'error_msg', 'error', 'errors'];

/**
 * Reads an error body in any form that OpenAI-compatible servers send: `{error: {type, message}}`, `{error: "…"}`,
 * `{object: "error", message}`, `{code, message}`, `{detail: "…"}`, a list of these, JSON inside `metadata.raw`, or plain text.
 *
 * @param body parsed JSON, or the text if it is not JSON.
 * @returns `undefined` if there is no message, e.g. in a web page.
 */
export function statedError(body: unknown): StatedError | undefined {
  const message = messageIn(body);
  if (message === undefined) return undefined;
  const inner = member(body, 'error') ?? member(member(body, 'errors'), '0') ?? body;
  const [type] = [inner, body].flatMap((part) => [nameIn(part, 'type'), nameIn(part, 'code')]).filter(Boolean);
  const [status] = [inner, body].flatMap((part) => [statusIn(part, 'code'), statusIn(part, 'status')]).filter(Boolean);
  return { ...(type && { type }), ...(status && { status }), message };
}

function messageIn(value: unknown, depth = 0): string | undefined {
  if (depth > 5) return undefined;
  if (typeof value === 'string') return messageInText(value, depth);
  if (typeof value !== 'object' || value === null) return undefined;
  const parts = Array.isArray(value) ? [value[0]] : MEMBERS.map((name) => member(value, name));
  const message = parts.map((part) => messageIn(part, depth + 1)).find((found) => found !== undefined);
  // The message of the server behind a gateway (OpenRouter).
  const raw = messageIn(member(member(value, 'metadata'), 'raw'), depth + 1);
  return raw === undefined || raw === message ? message : message === undefined ? raw : `${message}: ${raw}`;
}

function messageInText(text: string, depth: number): string | undefined {
  const json = /^\s*[[{]/.test(text) ? parseJson(text) : undefined;
  if (json !== undefined) return messageIn(json, depth + 1);
  if (/^\s*</.test(text)) return undefined;
  const line = field(firstCharacters(text.slice(0, 8 * MESSAGE_CHARS), MESSAGE_CHARS)).trim();
  return line === '' ? undefined : line;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function nameIn(value: unknown, name: string): string | undefined {
  const found = member(value, name);
  return typeof found === 'string' && found !== 'error' && /^(?=.*[a-z])[\w.-]{1,64}$/i.test(found) ? found : undefined;
}

function statusIn(value: unknown, name: string): number | undefined {
  const status = Number(member(value, name) ?? Number.NaN);
  return status >= 400 && status <= 599 ? status : undefined;
}

/** Parses the JSON of a body, also inside an event of a stream: `data: {…}`, `error: {…}`. */
export function parseJson(text: string): unknown {
  const framed = /^(?:data|error): ?(?<json>[[{].*)$/m.exec(text)?.groups?.['json'];
  for (const candidate of [text, framed]) {
    try {
      if (candidate !== undefined) return JSON.parse(candidate);
    } catch {
      // Try the next candidate.
    }
  }
  return undefined;
}

/** Errors about money are not retried: Moonshot's documentation says "never retry". */
const OUT_OF_MONEY =
  /balance|quota|insufficient|billing|credits?\b|suspended|arrears|recharge|余额|餘額|欠费|欠費|配额|配額|额度|額度/i;

/** Rate limits, which some servers call a quota. */
const OVER_A_RATE =
  /per[ -](?:second|minute|hour|day)|\brate\b|\b[RT]P[SMD]\b|concurren|try again|retry (?:after|in)|频率|頻率|并发|併發/i;

/** Messages of servers that did not process the request: a retry is not paid for twice. */
const NOTHING_WAS_DONE =
  /overload|unavailable|over capacity|at capacity|no (?:available|healthy) |connection (?:refused|error|failure)|connect(?:ion)? timeout|upstream connect error|starting up|is loading|繁忙|过载|過載|无可用|無可用/i;

/** Error types that a retry would meet again. */
const FINAL =
  /^(?:content_filter|invalid_request_error|invalid_authentication_error|incorrect_api_key_error|permission_denied_error|resource_not_found_error|exceeded_current_quota_error|insufficient_quota)$/;

/** Error types that a later request may not meet. */
const BUSY = /overload|rate_limit|too_many_requests|unavailable/i;

/**
 * Reads an error response.
 *
 * One policy for all servers: 429, 503 and 529 were not processed and are retried, unless they are about money; any other 5xx is retried
 * if its message says that nothing was done, else its outcome is unknown; everything else is final.
 *
 * @param body parsed JSON, or the text if it is not JSON.
 */
export function readRefusal(statusCode: number, headers: IncomingHttpHeaders, body: unknown): KimiError {
  const stated = statedError(body);
  const type = stated?.type ?? `http_${statusCode}`;
  const isElsewhere =
    (!stated || typeof body === 'string') &&
    ((statusCode >= 300 && statusCode < 400) || statusCode === 404 || statusCode === 405);
  const detail = {
    code: 'answered',
    status: statusCode,
    ...(stated && { words: stated.message }),
    ...(isElsewhere && { elsewhere: true as const }),
  } as const;
  return refusalOf({ status: statusCode, type, words: stated?.message ?? '' }, detail, headers);
}

/** Reads an error inside a response with a success status. @param hasBegun whether a part of the answer was received. */
export function readStated(stated: StatedError, hasBegun: boolean): KimiError {
  const { status = 0, type = 'stream_error', message } = stated;
  const detail = { code: 'reported', words: message } as const;
  if (FINAL.test(type)) return new KimiError('refused', type, detail);
  if (hasBegun) return new KimiError('interrupted', type, detail);
  const error = refusalOf({ status: status || (BUSY.test(type) ? 429 : 500), type, words: message }, detail, {});
  return error.kind === 'outcome_unknown' ? new KimiError('interrupted', type, detail) : error;
}

function refusalOf(
  { status, type, words }: { status: number; type: string; words: string },
  detail: ErrorDetail,
  headers: IncomingHttpHeaders,
): KimiError {
  const isFinal = FINAL.test(type) || (OUT_OF_MONEY.test(`${type} ${words}`) && !OVER_A_RATE.test(words));
  const isBusy = [429, 503, 529].includes(status) || (status >= 500 && NOTHING_WAS_DONE.test(words));
  if (isBusy && !isFinal) {
    const retryAfterMs = retryAfter(headers, words);
    return new KimiError('turned_away', type, detail, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
  return new KimiError(status >= 500 && !isFinal ? 'outcome_unknown' : 'refused', type, detail);
}
