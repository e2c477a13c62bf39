import { activityInfo, ApplicationFailure, Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import type { Config } from '../config/index.ts';
import { retryDelayMs, startDelivering } from '../notify/deliveries.ts';
import { NotAccepted, sendEvent } from '../notify/delivery.ts';
import { eventOf } from '../notify/event.ts';
import { AllowedHosts } from '../notify/receiver.ts';
import { webhookEventOf } from '../openai/webhook-event.ts';
import { ServiceError } from '../service/exit.ts';
import type { Delivered, Delivery, EventOptions } from '../shared/delivery.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { FAILURE } from '../shared/names.ts';
import type { ResultFile } from '../shared/result.ts';
import { notificationId } from '../shared/task-id.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { beating } from './heartbeat.ts';

export interface EventDependencies {
  config: Pick<Config, 'KIMI_NOTIFY_URL' | 'KIMI_NOTIFY_SECRET' | 'KIMI_NOTIFY_ALLOW'>;
  /** Addresses of receivers. */
  contents: Pick<ContentStore, 'get'>;
  log: Logger;
}

/**
 * Starts the delivery of the event of a saved result, if there is a receiver: a workflow of its own, which a repetition does not start
 * again. The task does not wait for it. A row of a map has no event: the map has one.
 *
 * @param saved absent if its file is gone
 * @param task how it is reported, and the words of the program that started it: a saved result may have them encrypted
 */
export async function startDelivery(
  { KIMI_NOTIFY_URL: ofAll }: EventDependencies['config'],
  saved: ResultFile | undefined,
  { event: { receiver, form } = {}, metadata }: { event?: EventOptions | undefined; metadata?: ResultFile['metadata'] },
): Promise<void> {
  const origin = receiver?.origin ?? (ofAll === undefined ? undefined : new URL(ofAll).origin);
  if (origin === undefined || !saved || saved.row) return;
  const { client, info } = Context.current();
  const { task_id, task_name } = saved;
  const body = JSON.stringify(form === 'openai' ? webhookEventOf(saved) : eventOf(saved, metadata));
  const delivery: Delivery = { task_id, id: notificationId(saved), body, ...(receiver && { receiver }) };
  await startDelivering(client, info.taskQueue, delivery, { task_name, origin });
}

export function eventActivities({ config, contents, log }: EventDependencies) {
  const { KIMI_NOTIFY_URL: ofAll, KIMI_NOTIFY_SECRET: secrets, KIMI_NOTIFY_ALLOW } = config;
  const allowed = new AllowedHosts(KIMI_NOTIFY_ALLOW);

  return {
    /** Sends an event to its receiver. Temporal repeats it, with the same `webhook-id`. */
    async deliverEvent({ task_id, id, body, receiver }: Delivery): Promise<Delivered> {
      return await beating(async () => {
        try {
          const url = receiver ? (await contents.get(receiver.claim)).toString() : ofAll;
          if (url === undefined) throw new NotAccepted('no_receiver', { code: 'no_receiver' }, true);
          if (!secrets) throw new NotAccepted('no_notify_secret', { code: 'no_notify_secret' }, true);
          const status = await sendEvent({ url, id, body }, { secrets, allowed });
          log.info({ task_id, event: id, receiver: new URL(url).origin, status }, 'event delivered');
          return { status };
        } catch (error) {
          const { attempt } = activityInfo();
          const failure = failureOf(error, attempt);
          log.warn({ task_id, event: id, attempt, type: failure.type }, `event not delivered: ${failure.message}`);
          throw failure;
        }
      });
    },
  };
}

/** `details`: the error's type, and the receiver's Retry-After in milliseconds. */
function failureOf(error: unknown, attempt: number): ApplicationFailure {
  if (error instanceof ServiceError) {
    // The stored address was removed, or its key is missing.
    const { code: type, message } = error;
    const details = failureDetails({ type });
    const nextRetryDelay = retryDelayMs(attempt);
    return ApplicationFailure.create({ message, type: FAILURE.eventFailed, details, nextRetryDelay });
  }
  if (!(error instanceof NotAccepted)) throw error;
  const { message, retryable, retryAfterMs } = error;
  return ApplicationFailure.create({
    message,
    type: retryable ? FAILURE.eventFailed : FAILURE.eventRefused,
    nonRetryable: !retryable,
    details: failureDetails(error, retryAfterMs),
    nextRetryDelay: retryDelayMs(attempt, retryAfterMs),
  });
}
