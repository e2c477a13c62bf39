import { ApplicationFailure, Context } from '@temporalio/activity';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import type { Logger } from 'pino';
import type { Callback } from '../shared/callback.ts';
import type { RelayRequest } from '../shared/relay.ts';
import { FAILURE } from '../shared/names.ts';
import { beating } from '../activities/heartbeat.ts';
import { callbackUrl } from '../kimi/client.ts';
import { deliveryMetrics } from '../shared/metrics.ts';
import { CallbackError, sendCallback } from './callback-sender.ts';
import type { ReceivedStore } from './recordings.ts';

/** What a callback is delivered with. */
export interface DeliveryDependencies {
  received: Pick<ReceivedStore, 'remove'>;
  /** Where the webhook is now, e.g. `http://localhost:9001`: it may have moved since a task was dispatched. */
  callbackBaseUrl: string;
  /** What callbacks are signed with. */
  secret: string;
  log: Logger;
  /** Where what is counted goes; nowhere if not given. */
  meter?: MetricMeter;
}

/** Delivers answers to the webhook. */
export function createDeliveryActivities({
  received,
  callbackBaseUrl,
  secret,
  log,
  meter = noopMetricMeter,
}: DeliveryDependencies) {
  const metrics = deliveryMetrics(meter);
  return {
    /** Posts the signed callback until it is accepted. */
    async deliver({ task_id }: RelayRequest, callback: Callback): Promise<void> {
      const url = callbackUrl(callbackBaseUrl, task_id);
      try {
        await beating(async () => {
          await sendCallback(url, callback, secret, Context.current().cancellationSignal);
        });
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
      await received.remove(task_id);
    },
  };
}

export type DeliveryActivities = ReturnType<typeof createDeliveryActivities>;
