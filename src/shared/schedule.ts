/** Schedules: what a task and its texts know of them. */
import type { Lang } from './task.ts';

/**
 * What becomes of due times at which the machine or the services were off: the last one is made up for, all are, or none is.
 */
export const MISSED_POLICIES = ['last', 'all', 'skip'] as const;

export type MissedPolicy = (typeof MISSED_POLICIES)[number];

/** A due time counts as missed if its task starts this much later, in milliseconds. */
export const MISSED_AFTER_MS = 60_000;

/** Put into a prompt, it stands for the date when the task is due. */
const DATE = '{{date}}';

/** @returns the prompt of the task that is due then. */
export function promptOn(prompt: string, due_at: string, timezone: string): string {
  return prompt.replaceAll(DATE, () => dateIn(due_at, timezone));
}

/** @returns the prompt without the date, to name a schedule by. */
export function promptWithoutDate(prompt: string): string {
  // `{{date}} 的新聞` is 新聞.
  return prompt.replaceAll(/\{\{date\}\}\s*的?/g, ' ');
}

/** @returns a date in a time zone, `2026-12-01`. */
export function dateIn(time: string, timezone: string): string {
  const { year, month, day } = partsOf(time, timezone, 'en', { year: 'numeric', month: '2-digit', day: '2-digit' });
  return `${year}-${month}-${day}`;
}

/**
 * @param now the year is left out if it is that of this time, in milliseconds since 1970
 * @returns a time in a time zone, as its reader writes it: `12/1（二）08:00`, `Tue 1 Dec 08:00`
 */
export function dueTime(time: string, timezone: string, lang: Lang, now: number): string {
  const isChinese = lang === 'zh-TW';
  const { year, month, day, weekday, hour, minute } = partsOf(time, timezone, lang, {
    year: 'numeric',
    month: isChinese ? 'numeric' : 'short',
    day: 'numeric',
    weekday: isChinese ? 'narrow' : 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const isOtherYear = year !== partsOf(new Date(now).toISOString(), timezone, lang, { year: 'numeric' })['year'];
  return isChinese
    ? `${isOtherYear ? `${year}/` : ''}${month}/${day}（${weekday}）${hour}:${minute}`
    : `${weekday} ${day} ${month}${isOtherYear ? ` ${year}` : ''} ${hour}:${minute}`;
}

/** @returns the name of a time zone, e.g. `台北標準時間`, `Taiwan Standard Time`; its IANA name if it has no other. */
export function zoneName(timezone: string, lang: Lang): string {
  const { timeZoneName = '' } = partsOf(new Date(0).toISOString(), timezone, lang, { timeZoneName: 'longGeneric' });
  return /^(?:GMT.*)?$/.test(timeZoneName) ? timezone : timeZoneName;
}

function partsOf(
  time: string,
  timeZone: string,
  lang: Lang,
  options: Intl.DateTimeFormatOptions,
): Partial<Record<Intl.DateTimeFormatPartTypes, string>> {
  const parts = new Intl.DateTimeFormat(lang, { ...options, timeZone, calendar: 'gregory' }).formatToParts(
    new Date(time),
  );
  // Chinese adds `年`, `月` and `日` to numbers; Sunday is `日` alone.
  return Object.fromEntries(parts.map(({ type, value }) => [type, value.replace(/(?<=\d)[年月日]$/, '')]));
}
