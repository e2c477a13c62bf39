/** Formats of times, amounts and excerpts. */
import type { Cost } from './result.ts';
import type { FileNote } from './task.ts';

/** @returns ISO 8601 in UTC with whole seconds, the form in docs/results.md (and the one `jq` can parse). */
export function isoSeconds(time: Date | number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Created on first use, which takes some milliseconds. */
let segmenter: Intl.Segmenter | undefined;

/** @returns where to cut a text, at most so many UTF-16 units from its beginning: not within a pair of surrogates. */
export function cutAt(text: string, units: number): number {
  return units < text.length && /[\uD800-\uDBFF]/.test(text.charAt(units - 1)) ? units - 1 : units;
}

/**
 * Upper bound of a character's average length, in UTF-16 units. Emoji of several people take about 20; without a bound, one
 * letter with a million accents would be one character.
 */
const UNITS_OF_CHARACTER = 32;

/**
 * @returns the first characters (grapheme clusters) of a text: an emoji or an accented letter counts as one, and is not cut.
 * The segmenter reads all of its input, so the input is bounded.
 */
export function firstCharacters(text: string, count: number): string {
  if (text.length <= count) return text;
  segmenter ??= new Intl.Segmenter();
  // Not within a pair of surrogates.
  const beginning = text.slice(0, count * UNITS_OF_CHARACTER).replace(/[\uD800-\uDBFF]$/, '');
  const isAll = beginning.length === text.length;
  let end = 0;
  let seen = 0;
  for (const { segment, index } of segmenter.segment(beginning)) {
    // The last cluster may continue after the bound.
    if (seen === count || (!isAll && seen > 0 && index + segment.length === beginning.length)) break;
    end += segment.length;
    seen += 1;
  }
  return beginning
    .slice(0, end)
    .toWellFormed()
    .replace(/\uFFFD$/, (last) => (text[end - 1] === last ? last : ''));
}

/**
 * Characters that a single-line value must not contain: control characters (ESC, C1), line separators, bidirectional controls,
 * and zero-width characters that make two names look the same. Joiners are allowed: scripts and emoji need them.
 */
const UNSAFE_IN_FIELD =
  /[\p{Cc}\u00AD\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\u{E0000}-\u{E007F}]/gu;

/** @returns an external short text (a model, an id, an error's message) as one line that is safe to print. */
export function field(text: string): string {
  return text.toWellFormed().replaceAll(UNSAFE_IN_FIELD, ' ');
}

/** @returns the beginning of a text of several lines as one line that is safe to print, with `…` if it is cut. */
export function oneLine(text: string, count: number): string {
  const head = firstCharacters(text, 2 * count);
  const line = field(head.replaceAll(/\s+/g, ' ').trim());
  const beginning = firstCharacters(line, count);
  const isWhole = beginning === line && head === text;
  return isWhole ? line : `${beginning}…`;
}

/** @returns the first characters of a Markdown text. A code block that is cut is closed. */
export function excerptOf(markdown: string, count: number): string {
  return closeCodeBlock(firstCharacters(markdown, count));
}

/** Closes a fenced code block (CommonMark) that is still open at the end. */
function closeCodeBlock(markdown: string): string {
  let open: string | undefined;
  for (const line of markdown.split('\n')) {
    const [, fence = '', rest = ''] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open === undefined) open = fence || undefined;
    else if (fence.startsWith(open) && rest.trim() === '') open = undefined;
  }
  return open === undefined ? markdown : `${markdown}\n${open}`;
}

/** @returns an amount, e.g. `¥0.0364`, with two to six decimals: a task costs less than a cent. */
export function money({ amount, currency }: Pick<Cost, 'amount' | 'currency'>): string {
  return new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: 2,
    maximumFractionDigits: 6,
  }).format(amount);
}

/** Units of a size. */
const UNITS = ['B', 'KB', 'MB', 'GB'];

/** @returns a size, e.g. `1.2 MB`. */
export function size(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${UNITS[power]}`;
}

/** @returns a file for its user, e.g. `report.pdf (1.2 MB)`. */
export function fileNote({ name, bytes }: FileNote): string {
  return `${field(name)} (${size(bytes)})`;
}

/** @returns a duration as a clock shows it: `0:42`, or `25:00:00` from an hour on. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return `${hours > 0 ? `${hours}:${twoDigits(minutes)}` : minutes}:${twoDigits(seconds % 60)}`;
}

function twoDigits(part: number): string {
  return String(part).padStart(2, '0');
}
