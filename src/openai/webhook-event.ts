/** Events of webhooks in OpenAI's form: they name the response, which the receiver fetches. */
import type {
  ResponseCancelledWebhookEvent,
  ResponseCompletedWebhookEvent,
  ResponseFailedWebhookEvent,
  ResponseIncompleteWebhookEvent,
} from 'openai/resources/webhooks/webhooks';
import type { ResultFile } from '../shared/result.ts';
import { notificationId } from '../shared/task-id.ts';
import { secondsOf } from './chat.ts';
import { statusOf } from './response-object.ts';
import { responseId } from './responses.ts';

type ResponseEvent =
  | ResponseCompletedWebhookEvent
  | ResponseFailedWebhookEvent
  | ResponseCancelledWebhookEvent
  | ResponseIncompleteWebhookEvent;

/** @returns the event of a result: always the same one, however often it is sent. */
export function webhookEventOf(result: ResultFile): ResponseEvent {
  return {
    id: `evt_${notificationId(result)}`,
    object: 'event',
    type: `response.${statusOf(result)}` as ResponseEvent['type'],
    created_at: secondsOf(result.completed_at),
    data: { id: responseId(result.task_id) },
  };
}
