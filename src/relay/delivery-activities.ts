import { ApplicationFailure, Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { FAILURE, type RelayActivities } from '../contract.ts';
import { beating } from '../heartbeat.ts';
import { CallbackError, sendCallback } from './callback-sender.ts';
import type { ReceivedStore } from './received.ts';

/** What a callback is delivered with. */
export interface DeliveryDependencies {
  received: Pick<ReceivedStore, 'remove'>;
  /** What callbacks are signed with. */
  secret: string;
  log: Logger;
}

/** Delivers answers to the webhook. */
export function createDeliveryActivities({
  received,
  secret,
  log,
}: DeliveryDependencies): Pick<RelayActivities, 'deliver'> {
  return {
    async deliver(request, callback) {
      try {
        await beating(async () => {
          await sendCallback(request.callback_url, callback, secret, Context.current().cancellationSignal);
        });
      } catch (error) {
        if (!(error instanceof CallbackError)) throw error;
        if (!error.retryable) log.error({ task_id: request.task_id }, error.message);
        throw ApplicationFailure.create({
          message: error.message,
          type: error.retryable ? FAILURE.callbackFailed : FAILURE.callbackRefused,
          nonRetryable: !error.retryable,
        });
      }
      log.info({ task_id: request.task_id }, 'callback delivered');
      await received.remove(request.task_id);
    },
  };
}
