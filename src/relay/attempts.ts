/** The attempts to obtain one answer, and the text that they received together. */
import type { Answer } from './answer.ts';
import { hasEnded } from './finish-reason.ts';

/** One request to Kimi, and what was received. An interrupted request is followed by another one. */
export interface Attempt {
  /** Whether it continues the text of the attempts before it; otherwise it starts over. */
  continues: boolean;
  /** Whether it was written to a connection. */
  sent: boolean;
  answer: Answer;
}

/** @returns the number of requests that were sent, or may have been. */
export function requestsIn(attempts: readonly (Attempt | undefined)[]): number {
  return attempts.filter((attempt) => attempt?.sent ?? true).length;
}

/** @returns the attempts since the answer was last started over. */
function current(attempts: readonly (Attempt | undefined)[]): readonly (Attempt | undefined)[] {
  return attempts.slice(
    Math.max(
      0,
      attempts.findLastIndex((attempt) => attempt?.continues === false),
    ),
  );
}

/** @returns the answer's text so far. */
export function textOf(attempts: readonly (Attempt | undefined)[]): { content: string; reasoning: string } {
  const answers = current(attempts).flatMap((attempt) => attempt?.answer ?? []);
  return {
    content: answers.reduce(
      (before, { content, finish_reason }) => joinTexts(before, content, hasEnded(finish_reason)),
      '',
    ),
    reasoning: answers.map(({ reasoning }) => reasoning).join(''),
  };
}

/** Text on both sides of an interruption that is equal for at least so many UTF-16 units is a repetition, not a coincidence. */
const MIN_OVERLAP = 24;

/** Longest repetition that is detected, in UTF-16 units. */
const MAX_OVERLAP = 4_000;

/**
 * Joins the text before an interruption with the text after it. In partial mode that is the rest; but some servers echo the
 * prefix, repeat its last words, or ignore the mode and start the answer over.
 *
 * @param isEnded whether the text after it has ended: an answer that was started over is complete then.
 */
function joinTexts(before: string, after: string, isEnded: boolean): string {
  if (after.startsWith(before)) return after;
  if (before === '' || after === '') return before;
  if (commonStart(before, after) >= Math.min(2 * MIN_OVERLAP, before.length)) {
    return isEnded || after.length > before.length ? after : before;
  }
  const most = Math.min(before.length, after.length, MAX_OVERLAP);
  for (let length = most; length >= MIN_OVERLAP; length -= 1) {
    const overlap = after.slice(0, length);
    if (before.endsWith(overlap) && new Set(overlap).size > MIN_OVERLAP / 3) return before + after.slice(length);
  }
  return before + after;
}

function commonStart(one: string, other: string): number {
  const most = Math.min(one.length, other.length, 2 * MIN_OVERLAP);
  let length = 0;
  while (length < most && one[length] === other[length]) length += 1;
  return length;
}
