/** Reads what a server says in place of an answer: its words, in whichever form, and what they mean for the request. */
import type { IncomingHttpHeaders } from 'node:http';
import { field, firstCharacters } from '../shared/format.ts';
import { retryAfter } from '../service/http.ts';
import { KimiError } from './errors.ts';

/** What a server says went wrong. */
export interface StatedError {
  /** Its name for it, e.g. `rate_limit_reached_error`. */
  type?: string;
  /** The HTTP status that it writes into a body, which may come under another one. */
  status?: number;
  /** In one line that drives no terminal. */
  message: string;
}

/** Longest words of a server that are passed on, in characters. */
const WORDS_CHARS = 500;

/** Members that hold words, or an object that does, the most telling first. */
const MEMBERS = ['message', 'msg', 'detail', 'error_description', 'error_msg', 'error', 'errors'];

/**
 * Reads an error body in any form that OpenAI-compatible servers send: `{error: {type, message}}`, `{error: "…"}`,
 * `{object: "error", message}`, `{code, message}`, `{detail: "…"}`, a list of these, JSON inside `metadata.raw`, or plain text.
 *
 * @param body parsed JSON, or the text where it is none.
 * @returns `undefined` where it has no words, as a web page.
 */
export function statedError(body: unknown): StatedError | undefined {
  const message = wordsIn(body);
  if (message === undefined) return undefined;
  const inner = member(body, 'error') ?? member(member(body, 'errors'), '0') ?? body;
  const [type] = [inner, body].flatMap((part) => [nameIn(part, 'type'), nameIn(part, 'code')]).filter(Boolean);
  const [status] = [inner, body].flatMap((part) => [statusIn(part, 'code'), statusIn(part, 'status')]).filter(Boolean);
  return { ...(type && { type }), ...(status && { status }), message };
}

function wordsIn(value: unknown, depth = 0): string | undefined {
  if (depth > 5) return undefined;
  if (typeof value === 'string') return wordsInText(value, depth);
  if (typeof value !== 'object' || value === null) return undefined;
  const parts = Array.isArray(value) ? [value[0]] : MEMBERS.map((name) => member(value, name));
  const words = parts.map((part) => wordsIn(part, depth + 1)).find((found) => found !== undefined);
  // What the server behind a gateway said (OpenRouter).
  const raw = wordsIn(member(member(value, 'metadata'), 'raw'), depth + 1);
  return raw === undefined || raw === words ? words : words === undefined ? raw : `${words}: ${raw}`;
}

function wordsInText(text: string, depth: number): string | undefined {
  const json = /^\s*[[{]/.test(text) ? parseJson(text) : undefined;
  if (json !== undefined) return wordsIn(json, depth + 1);
  if (/^\s*</.test(text)) return undefined;
  const line = field(firstCharacters(text.slice(0, 8 * WORDS_CHARS), WORDS_CHARS)).trim();
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

/** Parses the JSON of a body, also where it stands in an event of a stream: `data: {…}`, `error: {…}`. */
export function parseJson(text: string): unknown {
  const framed = /^(?:data|error): ?(?<json>[[{].*)$/m.exec(text)?.groups?.['json'];
  for (const candidate of [text, framed]) {
    try {
      if (candidate !== undefined) return JSON.parse(candidate);
    } catch {
      // The next one, then.
    }
  }
  return undefined;
}

/** Money does not come back by waiting: Kimi's docs say "never retry" (kimi-api.md), others say it in their words. */
const OUT_OF_MONEY =
  /balance|quota|insufficient|billing|credits?\b|suspended|arrears|recharge|余额|餘額|欠费|欠費|配额|配額|额度|額度/i;

/** A limit that time lifts, though some call it a quota. */
const OVER_A_RATE =
  /per[ -](?:second|minute|hour|day)|\brate\b|\b[RT]P[SMD]\b|concurren|try again|retry (?:after|in)|频率|頻率|并发|併發/i;

/** Words of a server that has not begun with a request: sending it again is not paid twice. */
const NOTHING_WAS_DONE =
  /overload|unavailable|over capacity|at capacity|no (?:available|healthy) |connection (?:refused|error|failure)|connect(?:ion)? timeout|upstream connect error|starting up|is loading|繁忙|过载|過載|无可用|無可用/i;

/** Names of errors that a repeat would meet again. */
const FINAL =
  /^(?:content_filter|invalid_request_error|invalid_authentication_error|incorrect_api_key_error|permission_denied_error|resource_not_found_error|exceeded_current_quota_error|insufficient_quota)$/;

/** Names of errors that a later request may not meet. */
const BUSY = /overload|rate_limit|too_many_requests|unavailable/i;

/**
 * Reads an answer that is an error: what it means for the request, in the server's words where it said any.
 *
 * One policy for all: 429, 503 and 529 were not begun and are sent again, unless they speak of money; any other 5xx is sent again
 * where its words say that nothing was done, and its outcome is unknown where they do not; everything else is final.
 *
 * @param body parsed JSON, or the text where it is none.
 */
export function readRefusal(statusCode: number, headers: IncomingHttpHeaders, body: unknown): KimiError {
  const stated = statedError(body);
  const type = stated?.type ?? `http_${statusCode}`;
  const isElsewhere =
    (!stated || typeof body === 'string') &&
    ((statusCode >= 300 && statusCode < 400) || statusCode === 404 || statusCode === 405);
  const words = `${stated ? `: ${stated.message}` : ''}${isElsewhere ? '; is KIMI_API_URL right?' : ''}`;
  return refusalOf(
    { status: statusCode, type, words: stated?.message ?? '' },
    `Kimi answered ${statusCode}${words}`,
    headers,
  );
}

/** Reads an error in the body of an answer that began as a success, before any of the answer came or after. */
export function readStated(stated: StatedError, hasBegun: boolean): KimiError {
  const { status = 0, type = 'stream_error', message } = stated;
  const said = `Kimi reported an error in its answer: ${message}`;
  if (FINAL.test(type)) return new KimiError('refused', type, said);
  if (hasBegun) return new KimiError('interrupted', type, said);
  const error = refusalOf({ status: status || (BUSY.test(type) ? 429 : 500), type, words: message }, said, {});
  return error.kind === 'outcome_unknown' ? new KimiError('interrupted', type, said) : error;
}

function refusalOf(
  { status, type, words }: { status: number; type: string; words: string },
  message: string,
  headers: IncomingHttpHeaders,
): KimiError {
  const isFinal = FINAL.test(type) || (OUT_OF_MONEY.test(`${type} ${words}`) && !OVER_A_RATE.test(words));
  const isBusy = [429, 503, 529].includes(status) || (status >= 500 && NOTHING_WAS_DONE.test(words));
  if (isBusy && !isFinal) {
    const retryAfterMs = retryAfter(headers, words);
    return new KimiError('turned_away', type, message, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
  return new KimiError(status >= 500 && !isFinal ? 'outcome_unknown' : 'refused', type, message);
}
