import { ApplicationFailure } from '@temporalio/activity';
import type { Logger } from 'pino';
import type { KimiClient } from '../kimi/client.ts';
import { KimiError, type KimiErrorKind } from '../kimi/errors.ts';
import type { Dispatched } from '../shared/callback.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { FAILURE } from '../shared/names.ts';
import type { LostAttempt, Task } from '../shared/task.ts';
import { HeldWork } from './held-work.ts';

export interface DispatchDependencies {
  kimi: Pick<KimiClient, 'dispatch' | 'isRelayed'>;
  log: Logger;
}

export function dispatchActivities({ kimi, log }: DispatchDependencies) {
  const sending = new HeldWork<Dispatched>();

  async function send(task: Task, signal: AbortSignal): Promise<Dispatched> {
    const { task_id, model } = task;
    try {
      const dispatched = await kimi.dispatch(task, signal);
      log.info({ task_id, model, api_id: dispatched.api_id }, 'dispatched');
      return dispatched;
    } catch (error) {
      if (!(error instanceof KimiError)) throw error;
      const { kind, type, message } = error;
      log.warn({ task_id, model, kind, type }, message);
      throw dispatchFailure(error, task.limiter !== undefined);
    }
  }

  return {
    /**
     * Sends the task to Kimi. Never sends twice: it is retried only if the request was not sent.
     *
     * @param lost the previous attempt, whose heartbeats timed out
     */
    async dispatch(task: Task, lost?: LostAttempt): Promise<Dispatched> {
      const { task_id } = task;
      const joined = lost && sending.join(task_id, lost);
      if (joined) return await joined;
      // The relay accepts a task once, however often it is sent.
      if (lost && !kimi.isRelayed) {
        const message = 'the worker that was sending the request was lost; it is not known whether Kimi received it';
        throw dispatchFailure(new KimiError('outcome_unknown', 'outcome_unknown', message), false);
      }
      return await sending.begin(task_id, async (signal) => await send(task, signal));
    },
  };
}

const FAILURE_TYPE: Record<KimiErrorKind, string> = {
  refused: FAILURE.refused,
  outcome_unknown: FAILURE.outcomeUnknown,
  interrupted: FAILURE.outcomeUnknown,
  turned_away: FAILURE.throttled,
  not_sent: FAILURE.notSent,
};

/**
 * `details`: the error's type (`no_api_key`, or Kimi's own), and Kimi's Retry-After in milliseconds (`failureDetails`). If the task has a limiter, the
 * limiter decides when a throttled task is sent again.
 */
function dispatchFailure(error: KimiError, isLimited: boolean): ApplicationFailure {
  const { retryAfterMs } = error.options;
  return ApplicationFailure.create({
    message: error.message,
    type: FAILURE_TYPE[error.kind],
    nonRetryable: error.kind === 'turned_away' ? isLimited : error.kind !== 'not_sent',
    details: failureDetails(error, retryAfterMs),
    ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
  });
}
