import { createHash } from 'node:crypto';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import { pino, type Logger } from 'pino';
import { isProven } from '../webhook/proof.ts';
import {
  FAILURE,
  isoSeconds,
  type Callback,
  type Dispatched,
  type LimiterActivities,
  type Task,
  type TaskActivities,
} from '../shared/contract.ts';
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
import { tildePath } from '../service/paths.ts';
import type { PluginWake } from '../notify/protocol.ts';
import { pluginWake } from '../notify/message.ts';
import { traceTask } from '../service/tracing.ts';
import { NoResult, type ResultStore } from '../results/store.ts';

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

export type Activities = TaskActivities & LimiterActivities;

/** Every input and output of a task, and of the limiter. A second run of any of them changes nothing. */
export function createActivities({
  kimi,
  results,
  gateway,
  reply,
  callbacks,
  limiter,
  meter = noopMetricMeter,
  log = pino({ level: 'silent' }),
}: ActivityDependencies): Activities {
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

  const wakeOnce: Activities['wake'] = async (task_id, text, news, told) => {
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
    async verifyCallback(task_id, callback) {
      if (isProven(task_id, callback, callbacks.secrets)) return true;
      await keepUnproven(task_id, callback);
      return false;
    },

    async dispatch(task, lost) {
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

    async recordPending(task_id, created_at) {
      await beating(async () => await results.recordPending(task_id, created_at));
    },

    async persist(result) {
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

    async wake(task_id, text, news, told) {
      return await beating(async () => {
        const isLarge = (await results.sizeOf(task_id)) > LARGE_RESULT_BYTES;
        const work = async () => await wakeOnce(task_id, text, news, told);
        return isLarge ? await inTurn(work) : await work();
      });
    },

    async acknowledge(task_id, timings, news) {
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

    async startLimiter(id) {
      await startLimiter(Context.current().client, { ...limiter, id });
    },

    async release(id, report) {
      await release(Context.current().client, id, report);
    },

    async endedTasks(task_ids) {
      return await endedTasks(Context.current().client, task_ids);
    },

    async missingAgents(taskQueues) {
      return await missingAgents(Context.current().client, taskQueues);
    },

    async tasksInFlight(taskQueue = limiter.taskQueue) {
      return await tasksInFlight(Context.current().client, taskQueue);
    },
  };
}

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
