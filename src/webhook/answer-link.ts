import { createHmac } from 'node:crypto';
import { secretCheck } from '../service/http.ts';

/** Domain separation: a link's signature is not a callback's, nor the reverse. */
const DOMAIN = 'kimi-dispatch/answer-link/v1';

/** How long a link is valid, in milliseconds. A wake is retried for as long (the `wake` activity). */
const VALID_MS = 7 * 24 * 3600 * 1000;

/**
 * @param dashboard its address
 * @returns the address of a task's page that needs no password. It is for that task alone, and expires.
 */
export function answerLink(dashboard: string, task_id: string, secret: string, now = Date.now()): string {
  const until = String(Math.floor((now + VALID_MS) / 1000));
  const query = new URLSearchParams({ until, signature: signatureOf(task_id, until, secret) });
  return `${dashboard.replace(/\/+$/, '')}/tasks/${task_id}?${query.toString()}`;
}

/**
 * @param target of the request, with its query
 * @returns the query, if it is that of a valid link to this task
 */
export function linkIn(
  target: string,
  task_id: string,
  secrets: readonly string[],
  now = Date.now(),
): string | undefined {
  const query = target.slice(target.indexOf('?') + 1);
  const { until = '', signature = '' } = Object.fromEntries(new URLSearchParams(query));
  if (!/^\d{1,12}$/.test(until) || Number(until) * 1000 < now) return undefined;
  const matches = secrets.map((secret) => secretCheck(signatureOf(task_id, until, secret))(signature));
  return matches.includes(true) ? `?${new URLSearchParams({ until, signature }).toString()}` : undefined;
}

function signatureOf(task_id: string, until: string, secret: string): string {
  const key = createHmac('sha256', secret).update(DOMAIN).digest();
  return createHmac('sha256', key).update(`${task_id}\n${until}`).digest('base64url');
}
