import { ApplicationFailure } from '@temporalio/activity';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import type { Logger } from 'pino';
import { request } from 'undici';
import { beating } from '../activities/heartbeat.ts';
import { callbackUrl } from '../kimi/client.ts';
import { describe } from '../service/outbound.ts';
import { directAgent } from '../service/outbound.ts';
import { isErrorCallback, type Callback } from '../shared/callback.ts';
import { deliveryMetrics } from '../shared/metrics.ts';
import { FAILURE } from '../shared/names.ts';
import { SIGNATURE_HEADER, sign, standardHeaders } from '../webhook/signature.ts';
import type { ReceivedStore } from './recordings.ts';

export interface DeliveryDependencies {
  received: Pick<ReceivedStore, 'delivered'>;
  /** Current address of the webhook, e.g. `http://localhost:9001`: it may have moved since a task was dispatched. */
  callbackBaseUrl: string;
  /** Signs the callbacks. */
  secret: string;
  log: Logger;
  /** Nothing is measured if it is absent. */
  meter?: MetricMeter;
}

/** @returns the function that posts the signed callback of a task, then removes the recorded answer. */
export function createDelivery({
  received,
  callbackBaseUrl,
  secret,
  log,
  meter = noopMetricMeter,
}: DeliveryDependencies) {
  const metrics = deliveryMetrics(meter);
  return async (task_id: string, callback: Callback): Promise<void> => {
    const url = callbackUrl(callbackBaseUrl, task_id);
    try {
      // Not aborted by a cancellation: a cancelled request calls back too.
      await beating(async () => await sendCallback(url, callback, secret));
    } catch (error) {
      if (!(error instanceof CallbackError)) throw error;
      metrics.delivery(error.retryable ? 'failed' : 'refused');
      log[error.retryable ? 'warn' : 'error']({ task_id, url }, error.message);
      throw ApplicationFailure.create({
        message: error.message,
        type: error.retryable ? FAILURE.callbackFailed : FAILURE.callbackRefused,
        nonRetryable: !error.retryable,
      });
    }
    metrics.delivery('delivered');
    log.info({ task_id }, 'callback delivered');
    await received.delivered(task_id, outcomeOf(callback));
  };
}

/** @returns `answered`, or the type of the error. */
export function outcomeOf(callback: Callback): string {
  return isErrorCallback(callback) ? callback.error.type : 'answered';
}

const agent = directAgent();

/** How long the webhook may take, in milliseconds: it answers within seconds, with or without the engine. */
const TIMEOUT_MS = 30_000;

/** Answers that a retry would meet again: the webhook cannot read the callback, or does not know the task. */
const FINAL_STATUSES = new Set([400, 404, 405, 410, 413, 415]);

/** A callback that the webhook did not accept. The message is one sentence. */
class CallbackError extends Error {
  override readonly name = 'CallbackError';

  constructor(
    message: string,
    readonly retryable: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Posts a callback, signed in both ways (docs/http-api.md: our own, and Standard Webhooks).
 *
 * @throws {CallbackError}
 */
export async function sendCallback(url: string, callback: Callback, secret: string): Promise<void> {
  const body = JSON.stringify(callback);
  const { task_id } = callback.metadata;
  let status: number;
  try {
    const response = await request(url, {
      dispatcher: agent,
      method: 'POST',
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
