/** Events of webhooks in OpenAI's form: they name the response or the batch, which the receiver fetches. */
import type {
  BatchCancelledWebhookEvent,
  BatchCompletedWebhookEvent,
  BatchExpiredWebhookEvent,
  ResponseCancelledWebhookEvent,
  ResponseCompletedWebhookEvent,
  ResponseFailedWebhookEvent,
  ResponseIncompleteWebhookEvent,
} from 'openai/resources/webhooks/webhooks';
import type { ResultFile } from '../shared/result.ts';
import { notificationId } from '../shared/task-id.ts';
import { statusOfEnded } from './batch-object.ts';
import { secondsOf } from './chat.ts';
import { idOf } from './ids.ts';
import { statusOf } from './response-object.ts';

type WebhookEvent =
  | BatchCompletedWebhookEvent
  | BatchCancelledWebhookEvent
  | BatchExpiredWebhookEvent
  | ResponseCompletedWebhookEvent
  | ResponseFailedWebhookEvent
  | ResponseCancelledWebhookEvent
  | ResponseIncompleteWebhookEvent;

/** @returns the event of a result: always the same one, however often it is sent. */
export function webhookEventOf(result: ResultFile): WebhookEvent {
  const [type, id] = result.map
    ? [`batch.${statusOfEnded(result)}`, idOf('Batch', result.task_id)]
    : [`response.${statusOf(result)}`, idOf('Response', result.task_id)];
  return {
    id: `evt_${notificationId(result)}`,
    object: 'event',
    type: type as WebhookEvent['type'],
    created_at: secondsOf(result.completed_at),
    data: { id },
  };
}
