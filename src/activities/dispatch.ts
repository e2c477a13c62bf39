import { ApplicationFailure, Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import type { KimiClient } from '../kimi/client.ts';
import { reportSent } from '../limiter/client.ts';
import { KimiError, type KimiErrorKind } from '../kimi/errors.ts';
import type { Callback, Dispatched } from '../shared/callback.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { FAILURE, relayApiId } from '../shared/names.ts';
import { pendingOf, type PendingFile } from '../shared/result.ts';
import type { LostAttempt, Task } from '../shared/task.ts';
import type { ResultStore } from '../results/store.ts';
import { noteSent } from '../tasks/worker-here.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { HeldWork } from './held-work.ts';

export interface DispatchDependencies {
  kimi: Pick<KimiClient, 'dispatch' | 'isRelayed'>;
  results: Pick<ResultStore, 'recordPending'>;
  /** Answers of batches. */
  contents: Pick<ContentStore, 'get'>;
  log: Logger;
}

/** Of one request of a task. */
export interface Sending {
  /** When the task was started, ISO 8601. */
  created_at: string;
  /** The limiter's round, if the task has a limiter. */
  round?: number;
}

export function dispatchActivities(dependencies: DispatchDependencies) {
  const { kimi, contents, log } = dependencies;
  const sending = new HeldWork<Dispatched>();

  async function send(task: Task, { created_at, round }: Sending, signal: AbortSignal): Promise<Dispatched> {
    const { task_id, model } = task;
    try {
      const dispatched =
        task.answers === undefined ? await kimi.dispatch(task, signal) : await answeredIn(contents, task.answers, task);
      const { api_id } = dispatched;
      log.info({ task_id, model, api_id }, 'dispatched');
      // Whoever started it does not wait for the disk.
      noteSent(task_id, { task_id, api_id });
      const [isPending, isReported] = await Promise.all([
        !dispatched.answer && recordPending(dependencies, pendingOf(task, created_at)),
        round !== undefined && report(dependencies, task, round),
      ]);
      return { ...dispatched, ...(isPending && { pending: true }), ...(isReported && { reported: true }) };
    } catch (error) {
      noteSent(task_id);
      if (!(error instanceof KimiError)) throw error;
      const { kind, type, message } = error;
      log.warn({ task_id, model, kind, type }, message);
      throw dispatchFailure(error, task.limiter !== undefined);
    }
  }

  return {
    /**
     * Sends the task to Kimi, then writes `pending-<task_id>.json` and reports to the limiter. Never sends twice: it is retried only if the request was not sent.
     *
     * @param lost the previous attempt, whose heartbeats timed out
     */
    async dispatch(task: Task, request: Sending, lost?: LostAttempt): Promise<Dispatched> {
      const { task_id } = task;
      const joined = lost && sending.join(task_id, lost);
      if (joined) return await joined;
      // The relay accepts a task once, however often it is sent.
      if (lost?.holder && !kimi.isRelayed) {
        const message = 'the worker that was sending the request was lost; it is not known whether Kimi received it';
        throw dispatchFailure(new KimiError('outcome_unknown', 'outcome_unknown', message), false);
      }
      return await sending.begin(task_id, async (signal) => await send(task, request, signal));
    },
  };
}

/** @returns the answer of a task that Kimi has answered in a batch. */
async function answeredIn(contents: Pick<ContentStore, 'get'>, claim: string, { task_id }: Task): Promise<Dispatched> {
  for (const line of (await contents.get(claim)).toString().split('\n')) {
    const answer = JSON.parse(line) as Callback;
    if (answer.metadata.task_id === task_id) return { api_id: relayApiId(task_id), answer };
  }
  throw new KimiError('refused', 'batch_failed', 'Kimi’s batch has no answer to it');
}

/** @returns false if it failed: the request is sent, so the task records it by an activity that is retried. */
async function recordPending({ results, log }: DispatchDependencies, pending: PendingFile): Promise<boolean> {
  try {
    await results.recordPending(pending);
    return true;
  } catch (error) {
    log.warn({ task_id: pending.task_id, err: error }, 'the pending file could not be written; it is retried');
    return false;
  }
}

/** @returns false if it failed: the task reports it. */
async function report({ log }: DispatchDependencies, { task_id, limiter }: Task, round: number): Promise<boolean> {
  try {
    if (limiter !== undefined) {
      await reportSent(Context.current().client, limiter, { task_id, round, accepted: true });
    }
    return true;
  } catch (error) {
    log.warn({ task_id, err: error }, 'the request could not be reported to the limiter; the task reports it');
    return false;
  }
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
