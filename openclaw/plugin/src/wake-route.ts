import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PluginApi } from 'openclaw/plugin-sdk/plugin-entry';
import { parseTaskId } from '../../../src/shared/task-id.ts';
import { MAX_WAKE_BYTES, type PluginWake } from '../../../src/notify/protocol.ts';
import { readAtMost, secretCheck } from '../../../src/service/http.ts';
import { field } from '../../../src/shared/format.ts';
import { OUTCOMES } from '../../../src/shared/task.ts';
import type { Notifier, Delivery } from './notifier.ts';
import type { ProgressLines } from './progress.ts';

/**
 * Statuses for the worker: 2xx is delivered, 5xx is retried, others are not. A message that was shown in part is not retried, since
 * it would be shown again.
 */
const STATUS: Record<Delivery['outcome'], number> = {
  sent: 200,
  failed: 502,
  suppressed: 422,
  partial_failed: 422,
  refused: 422,
  no_chat: 422,
  no_agent: 422,
};

/** `POST /kimi-dispatch/wake`, authorised by the gateway's `hooks.token`. Responds with the outcome, `{outcome, error?}`. */
export function wakeRoute(
  { runtime, logger }: Pick<PluginApi, 'runtime' | 'logger'>,
  notifier: Notifier,
  progress: Pick<ProgressLines, 'ended'>,
) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<true> => {
    const { status, body } = await answer(request, runtime.config.current().hooks?.token);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return true;
  };

  async function answer(request: IncomingMessage, token: unknown): Promise<{ status: number; body: unknown }> {
    if (request.method !== 'POST') return refusal(405, 'only POST is answered here');
    if (!isAuthorized(request, token)) return refusal(401, 'the token is not the gateway’s hooks.token');
    const key = String(request.headers['idempotency-key'] ?? '');
    const wake = await readWake(request);
    if (wake === 'too_long') return refusal(413, `the wake is longer than ${MAX_WAKE_BYTES} bytes`);
    if (!wake || parseTaskId(key)?.task_id !== wake.task.task_id) return refusal(400, 'this is no wake');
    const { task_id, task_name, status } = wake.task;
    const outcome = OUTCOMES.find((known) => known === status);
    if (outcome) progress.ended(task_id, task_name, outcome);
    try {
      const delivery = wake.reply === 'agent' ? notifier.wakeAgent(wake, key) : await notifier.deliver(wake, key);
      if (delivery.outcome !== 'sent')
        logger.warn(`kimi-dispatch: ${key} was not delivered (${delivery.outcome}): ${field(delivery.error ?? '')}`);
      return { status: STATUS[delivery.outcome], body: { outcome: delivery.outcome, error: delivery.error } };
    } catch (error) {
      return { status: 500, body: { outcome: 'failed', error: (error as Error).message } };
    }
  }
}

function refusal(status: number, error: string): { status: number; body: unknown } {
  return { status, body: { error } };
}

function isAuthorized({ headers }: IncomingMessage, token: unknown): boolean {
  const [, shown] = /^Bearer (.+)$/i.exec(headers.authorization ?? '') ?? [];
  if (typeof token !== 'string' || token === '' || shown === undefined) return false;
  return secretCheck(token)(shown);
}

/** Reads and validates a wake. */
async function readWake(request: IncomingMessage): Promise<PluginWake | 'too_long' | undefined> {
  const body = await readAtMost(request, MAX_WAKE_BYTES);
  if (!body) return 'too_long';
  try {
    const wake = JSON.parse(body.toString()) as PluginWake;
    const { message, maybe_repeated, rest, reply, task, route, file } = wake;
    const isWake =
      areTexts(message, maybe_repeated, rest, task.task_id) &&
      ['deliver', 'agent'].includes(reply) &&
      (!route || areTexts(route.channel, route.to)) &&
      (!file || (areTexts(file.name, file.content) && /^[^/\\]+$/.test(file.name)));
    return isWake ? wake : undefined;
  } catch {
    return undefined;
  }
}

function areTexts(...values: unknown[]): boolean {
  return values.every((value) => typeof value === 'string' && value !== '');
}
