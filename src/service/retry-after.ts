/** How long a server asks to be left alone: the one reader of `Retry-After`, for Kimi and the gateway alike. */
import type { IncomingHttpHeaders } from 'node:http';

/** Longest wait that a server is believed to ask for, in milliseconds. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Reads for how long a server asks to be left alone: from its headers (`retry-after-ms`, or `retry-after` in seconds or as a
 * date), or from its words, `please try again after 1 seconds`, `in 4.2s`, `in 1m2s`, since not every 429 has a header (kimi-api.md).
 *
 * @returns milliseconds, or `undefined` where it does not say.
 */
export function retryAfter(headers: IncomingHttpHeaders, words = ''): number | undefined {
  const value = (headers['retry-after'] ?? '').trim();
  const stated = [
    Number(headers['retry-after-ms'] ?? Number.NaN),
    /^\d+(?:\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now(),
    durationIn(words),
  ];
  const ms = stated.find((candidate) => candidate > 0);
  return ms === undefined ? undefined : Math.min(Math.ceil(ms), LONGEST_RETRY_AFTER_MS);
}

function durationIn(words: string): number {
  const [, said = ''] =
    /(?:try again|retry) (?:after|in) ((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b ?)+|(?:\d+(?:\.\d+)?[hms]s?)+)/i.exec(
      words,
    ) ?? [];
  const parts = [...said.matchAll(/(\d+(?:\.\d+)?) ?(ms|milli|h|m|s)/gi)];
  return parts.reduce(
    (sum, [, count, unit = '']) =>
      sum + Number(count) * (UNIT_MS[unit.toLowerCase() === 'milli' ? 'ms' : unit.toLowerCase()] ?? 0),
    0,
  );
}
