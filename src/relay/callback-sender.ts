import { request } from 'undici';
import type { Callback } from '../shared/callback.ts';
import { describe } from '../kimi/http.ts';
import { directAgent } from '../service/outbound.ts';
import { SIGNATURE_HEADER, sign, standardHeaders } from '../webhook/signature.ts';

const agent = directAgent();

/** How long the webhook may take, in milliseconds: it answers within seconds, whatever the engine does. */
const TIMEOUT_MS = 30_000;

/** What a webhook says that will not take a callback later either: it cannot be read, or its task is not there. */
const FINAL_STATUSES = new Set([400, 404, 405, 410, 413, 415]);

/** A callback that was not taken. Its message is one sentence. */
export class CallbackError extends Error {
  override readonly name = 'CallbackError';

  constructor(
    message: string,
    /** Whether it may be taken later. */
    readonly retryable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Posts a callback, signed in both ways (contract section 3, and Standard Webhooks).
 *
 * @throws {CallbackError}
 */
export async function sendCallback(
  url: string,
  callback: Callback,
  secret: string,
  signal: AbortSignal,
): Promise<void> {
  const body = JSON.stringify(callback);
  const { task_id } = callback.metadata;
  let status: number;
  try {
    const response = await request(url, {
      dispatcher: agent,
      method: 'POST',
      signal,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      headers: {
        'content-type': 'application/json',
        [SIGNATURE_HEADER]: sign(body, secret),
        ...standardHeaders(body, secret, task_id),
      },
      body,
    });
    status = response.statusCode;
    await response.body.dump();
  } catch (error) {
    const message = `cannot reach the webhook with the answer to ${task_id}: ${describe(error)}`;
    throw new CallbackError(message, true, { cause: error });
  }
  if (status >= 200 && status < 300) return;
  const message = `the webhook answered ${status} to the callback of ${task_id}`;
  throw new CallbackError(message, !FINAL_STATUSES.has(status));
}
