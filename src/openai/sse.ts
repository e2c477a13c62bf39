/** Sends server-sent events as fast as the client reads them. */
import { once } from 'node:events';
import type { Response } from 'express';

/**
 * @param event its name; absent as in streams of chat completions
 * @throws if the stream has ended, e.g. since the token of its client was revoked
 */
export async function sendEvent(
  { response, signal }: { response: Response; signal: AbortSignal },
  data: object | '[DONE]',
  event?: string,
): Promise<void> {
  if (response.writableEnded) throw new Error('the stream has ended');
  const text = data === '[DONE]' ? data : JSON.stringify(data);
  const isTaken = response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`);
  if (!isTaken) await once(response, 'drain', { signal });
}
