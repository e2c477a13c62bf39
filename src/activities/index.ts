import { createHash } from 'node:crypto';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import { pino, type Logger } from 'pino';
import { isProven } from '../webhook/proof.ts';
import type { Callback, Dispatched } from '../shared/callback.ts';
import { isoSeconds } from '../shared/format.ts';
import { FAILURE } from '../shared/names.ts';
import type { ReleaseReport } from '../shared/limits.ts';
import type { Saved, TaskResult, Timings } from '../shared/result.ts';
import type { LostAttempt, Task } from '../shared/task.ts';
import { writeDeadLetter } from '../webhook/dead-letters.ts';
import type { Gateway } from '../notify/gateway.ts';
import { GatewayError } from '../notify/gateway.ts';
import { beating } from './heartbeat.ts';
import { HeldWork } from './held-work.ts';
import type { KimiClient } from '../kimi/client.ts';
import { KimiError, type KimiErrorKind } from '../kimi/errors.ts';
import {
  endedTasks,
  missingAgents,
  release,
  startLimiter,
  tasksInFlight,
  type LimiterStart,
} from '../limiter/client.ts';
import { labelOf } from '../kimi/models.ts';
import { workerMetrics } from '../shared/metrics.ts';
import { tildePath } from '../service/files.ts';
import type { PluginWake } from '../notify/protocol.ts';
import { pluginWake } from '../notify/message.ts';
import { traceTask } from '../service/tracing.ts';
import { NoResult, type ResultStore } from '../results/store.ts';

/** Whom a wake is for. */
type Chat = Pick<Task, 'route' | 'lang'>;

/** What the activities reach the world with. */
export interface ActivityDependencies {
  kimi: Pick<KimiClient, 'dispatch' | 'costOf' | 'isRelayed'>;
  results: Pick<
    ResultStore,
    | 'recordPending'
    | 'persist'
    | 'acknowledge'
    | 'read'
    | 'sizeOf'
    | 'noteWoken'
    | 'wasWoken'
    | 'resultPath'
    | 'pathToShow'
  >;
  gateway: Pick<Gateway, 'wake'>;
  /** How the gateway's plugin is to tell the user; absent where the gateway itself is woken. */
  reply?: PluginWake['reply'] | undefined;
  /** What proofs of callbacks are made with, and where those without a valid one are kept. */
  callbacks: { secrets: readonly string[]; deadLetters: string };
  /** How the limiter is started where a task does not find it. */
  limiter: LimiterStart;
  /** Where what is counted goes, and what happens is told; nowhere if not given. */
  meter?: MetricMeter;
  log?: Logger;
}

/** Results from this size on are large, in bytes. */
const LARGE_RESULT_BYTES = 1024 * 1024;

/** Activities of the task workflow and of the limiter. Each is idempotent. */
export function createActivities({
  kimi,
  results,
  gateway,
  reply,
  callbacks,
  limiter,
  meter = noopMetricMeter,
  log = pino({ level: 'silent' }),
}: ActivityDependencies) {
  const metrics = workerMetrics(meter);

  /** A disk that is full does not make a wake fail that the gateway has taken. */
  function noteWoken(task_id: string, news: string): void {
    try {
      results.noteWoken(task_id, news);
    } catch (error) {
      log.warn({ task_id, err: error }, 'that the agent was woken could not be noted');
    }
  }

  /** Whatever it is: were it an answer after all, since webhook and worker have different secrets, it would be paid for. */
  async function keepUnproven(task_id: string, callback: Callback): Promise<void> {
    const { deadLetters } = callbacks;
    const message = `a callback of task ${task_id} was dropped, since its proof is missing or wrong: either somebody who reaches the engine made it up, or webhook and worker have different WEBHOOK_SECRETs`;
    metrics.forged();
    log.error({ task_id }, `${message}; it lies in ${deadLetters}`);
    const name = createHash('sha256')
      .update(JSON.stringify(callback ?? null))
      .digest('hex')
      .slice(0, 16);
    const letter = { task_id, reason: 'unproven' as const, message, received_at: isoSeconds(Date.now()), callback };
    await writeDeadLetter(deadLetters, name, letter).catch((error: unknown) => {
      log.error({ task_id, err: error }, 'a callback without valid proof could not be kept');
    });
  }

  /** The wake with a large answer that is under way, and those behind it. */
  let lastLarge: Promise<unknown> = Promise.resolve();

  /** A wake takes several times its answer in memory, here and in the gateway: large ones go one after the other. */
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = lastLarge.then(work);
    lastLarge = turn.catch(() => {});
    return await turn;
  }

  const wakeOnce = async (
    task_id: string,
    text: string,
    news: string,
    told: Chat,
  ): Promise<'woken' | 'acknowledged'> => {
    const { cancellationSignal } = Context.current();
    cancellationSignal.throwIfAborted();
    const result = await results.read(task_id).catch(() => undefined);
    // Noted in the file alone where the task could not be told: the engine or all workers were away.
    if (result?.acknowledged) {
      metrics.wake('acknowledged');
      return 'acknowledged';
    }
    // Taken, and then the process ended before the engine knew.
    if (await results.wasWoken(task_id, news)) return 'woken';
    const wake = reply
      ? pluginWake(reply, text, task_id, told, result, await results.pathToShow(task_id))
      : { text, mode: 'now' as const };
    try {
      await gateway.wake(wake, news, cancellationSignal);
      noteWoken(task_id, news);
      metrics.wake('woken');
      log.info({ task_id }, 'agent woken');
      return 'woken' as const;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // What its own task has called off says nothing of the gateway.
      if (!cancellationSignal.aborted) {
        metrics.wake(error.retryable ? 'failed' : 'refused');
        log.warn({ task_id, type: error.type }, error.message);
      }
      throw wakeFailure(error);
    }
  };

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
    /** @returns whether the webhook passed this callback on: its proof is valid for this task. One without is a dead letter. */
    async verifyCallback(task_id: string, callback: Callback): Promise<boolean> {
      if (isProven(task_id, callback, callbacks.secrets)) return true;
      await keepUnproven(task_id, callback);
      return false;
    },

    /**
     * Sends the task to Kimi. Never sends twice: what is retried was not sent.
     *
     * @param lost the previous attempt, whose heartbeats timed out
     */
    async dispatch(task: Task, lost?: LostAttempt): Promise<Dispatched> {
      const { task_id } = task;
      const joined = lost && sending.join(task_id, lost);
      if (joined) return await joined;
      // The relay takes a task once, however often it is sent.
      if (lost && !kimi.isRelayed) {
        const message = 'the worker that was sending the request was lost; it is not known whether Kimi received it';
        throw dispatchFailure(new KimiError('outcome_unknown', 'outcome_unknown', message), false);
      }
      return await sending.begin(task_id, async (signal) => await send(task, signal));
    },

    /** Writes `pending-<task_id>.json`. */
    async recordPending(task_id: string, created_at: string): Promise<void> {
      await beating(async () => await results.recordPending(task_id, created_at));
    },

    /** Writes the result and `latest.json`, removes the pending file. */
    async persist(result: TaskResult): Promise<Saved> {
      // With the price of today: a later table changes nothing of what was paid.
      const cost = kimi.costOf(result);
      const priced = { ...result, ...(cost && { cost }) };
      const { saved, isNew } = await beating(async () => await results.persist(priced));
      const { task_id, status, late, model, error, tokens, finish_reason } = saved;
      log.info({ task_id, status, ...(late && { late }), ...(error && { type: error.type }) }, 'saved');
      if (isNew) {
        // A late answer belongs to the same trace, whose span has been told.
        if (!late) traceTask(saved);
        if (tokens) metrics.answered(labelOf(model), tokens, cost);
      }
      const isOther = status !== result.status || late !== result.late;
      return {
        completed_at: saved.completed_at,
        ...(saved.cost && { cost: saved.cost }),
        file: tildePath(results.resultPath(task_id)),
        ...(isOther && { instead: { status, late, model, error, tokens, finish_reason } }),
      };
    },

    /**
     * Wakes the agent's gateway, unless the result is acknowledged by then.
     *
     * @param news id of the notification, sent as `Idempotency-Key`: a gateway that has seen it need not show it again
     * @param told the chat that is notified, and its language
     */
    async wake(task_id: string, text: string, news: string, told: Chat): Promise<'woken' | 'acknowledged'> {
      return await beating(async () => {
        const isLarge = (await results.sizeOf(task_id)) > LARGE_RESULT_BYTES;
        const work = async () => await wakeOnce(task_id, text, news, told);
        return isLarge ? await inTurn(work) : await work();
      });
    },

    /**
     * Marks the result as shown, and adds how long its steps took, as far as it is known by then.
     *
     * @param news id of the notification; a result that has another one by now is not marked
     * @returns `no_result` if the file was removed or damaged since it was saved
     */
    async acknowledge(task_id: string, timings: Timings | undefined, news: string): Promise<'no_result' | undefined> {
      try {
        const isMarked = await beating(async () => await results.acknowledge(task_id, timings, news));
        if (isMarked) log.info({ task_id }, 'acknowledged');
        return undefined;
      } catch (error) {
        if (!(error instanceof NoResult)) throw error;
        log.warn({ task_id }, error.message);
        return 'no_result';
      }
    },

    /** Starts the limiter with a workflow id if it does not run. */
    async startLimiter(id: string): Promise<void> {
      await startLimiter(Context.current().client, { ...limiter, id });
    },

    /** Releases a task's slot. A limiter that is gone has none to release. */
    async release(id: string, report: ReleaseReport): Promise<void> {
      await release(Context.current().client, id, report);
    },

    /** @returns those of the tasks that need no slot any more: closed in any way, or with an outcome. */
    async endedTasks(task_ids: string[]): Promise<string[]> {
      return await endedTasks(Context.current().client, task_ids);
    },

    /** @returns those of the agents' task queues that no worker has polled for a while. */
    async missingAgents(taskQueues: string[]): Promise<string[]> {
      return await missingAgents(Context.current().client, taskQueues);
    },

    /** @returns the tasks of a task queue that Kimi works on; of the worker's own queue by default. */
    async tasksInFlight(taskQueue = limiter.taskQueue): Promise<string[]> {
      return await tasksInFlight(Context.current().client, taskQueue);
    },
  };
}

/** What workflows call. */
export type Activities = ReturnType<typeof createActivities>;

const DISPATCH_FAILURE: Record<KimiErrorKind, string> = {
  refused: FAILURE.refused,
  outcome_unknown: FAILURE.outcomeUnknown,
  interrupted: FAILURE.outcomeUnknown,
  turned_away: FAILURE.turnedAway,
  not_sent: FAILURE.notSent,
};

/**
 * The word for what happened (`no_api_key`, Kimi's own error type) travels in `details`, and how long Kimi asked to be
 * left alone. Where a limiter speaks for everybody, it says when a task that was turned away tries again.
 */
function dispatchFailure(error: KimiError, isLimited: boolean): ApplicationFailure {
  const { retryAfterMs } = error.options;
  return ApplicationFailure.create({
    message: error.message,
    type: DISPATCH_FAILURE[error.kind],
    nonRetryable: error.kind === 'turned_away' ? isLimited : error.kind !== 'not_sent',
    details: retryAfterMs === undefined ? [error.type] : [error.type, retryAfterMs],
    ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
  });
}

function wakeFailure(error: GatewayError): ApplicationFailure {
  return ApplicationFailure.create({
    message: error.message,
    type: error.retryable ? FAILURE.wakeFailed : FAILURE.wakeRefused,
    nonRetryable: !error.retryable,
    details: error.retryAfterMs === undefined ? [error.type] : [error.type, error.retryAfterMs],
    ...(error.retryAfterMs !== undefined && { nextRetryDelay: error.retryAfterMs }),
  });
}
