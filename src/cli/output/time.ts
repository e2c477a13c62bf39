import type { Lang } from '../../shared/task.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** From the largest; a time that is further away is shown as a date. */
const UNITS = [
  { unit: 'day', ms: DAY_MS },
  { unit: 'hour', ms: HOUR_MS },
  { unit: 'minute', ms: MINUTE_MS },
  { unit: 'second', ms: 1_000 },
] as const;

/** A date is easier to read than a larger number of days, in milliseconds. */
const FAR_MS = 7 * DAY_MS;

/**
 * @param time ISO 8601
 * @returns a time as its reader says it: `3 minutes ago`, or a date and time in the reader's time zone.
 */
export function when(time: string, lang: Lang, now = Date.now()): string {
  const ms = Date.parse(time) - now;
  if (Number.isNaN(ms)) return time;
  const { unit, ms: length } = UNITS.find((each) => Math.abs(ms) >= each.ms) ?? { unit: 'second', ms: 1_000 };
  if (Math.abs(ms) >= FAR_MS) return localTime(time, lang);
  return new Intl.RelativeTimeFormat(lang, { numeric: 'auto' }).format(Math.trunc(ms / length) || 0, unit);
}

/** @returns a date and time in the reader's time zone, e.g. `2026/11/30 14:05`. */
function localTime(time: string, lang: Lang): string {
  return new Intl.DateTimeFormat(lang, {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).format(new Date(time));
}
