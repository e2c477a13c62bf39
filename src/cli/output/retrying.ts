import type { StreamProgress } from '../../shared/relay.ts';
import type { Retrying } from '../../tasks/tasks.ts';
import { explain, type Text } from '../../text/index.ts';
import type { CliText } from '../text/index.ts';

/** @returns why the last attempt failed. */
export function sayFailure({ why: message = '', type = '', detail }: Partial<Retrying>, text: Text): string {
  return explain({ type, message, ...(detail && { detail }) }, text);
}

/** @returns the last failure and the time of the next attempt. */
export function sayRetrying(retrying: Retrying, say: CliText, text: Text): string {
  const { attempt, next_attempt_at } = retrying;
  const seconds = next_attempt_at && Math.max(0, Math.ceil((Date.parse(next_attempt_at) - Date.now()) / 1_000));
  return say.progress.attempt(sayFailure(retrying, text), attempt, seconds || undefined);
}

/** @returns the last words of an answer that comes in, on one line. Of a batch the tail is Kimi's own word for its state. */
export function lastLine({ phase, tail }: Pick<StreamProgress, 'phase' | 'tail'>): string {
  const lines = phase === 'batch' ? [] : tail.trim().split(/\s*\n\s*/);
  return lines.at(-1) ?? '';
}
