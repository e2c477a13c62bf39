import { ApplicationFailure, Context } from '@temporalio/activity';
import { noopMetricMeter } from '@temporalio/common';
import { traced } from '../service/tracing.ts';
import type { Callback } from '../shared/callback.ts';
import type { AnsweredRows, RowBatch, RowsToAsk } from '../shared/map.ts';
import { streamMetrics } from '../shared/metrics.ts';
import { FAILURE } from '../shared/names.ts';
import { relayFailure, type RelayRequest, type RelaySummary } from '../shared/relay.ts';
import type { Batches } from './batches.ts';
import { createAnswering, type AnsweringDependencies } from './answering.ts';
import { startDelivery, stateOf } from './client.ts';
import { createDelivery, outcomeOf, type DeliveryDependencies } from './delivery.ts';
import type { MapBatches } from './map-batches.ts';
import { TaskReports } from './reports.ts';
import { RequestState, hasType } from './request-state.ts';

type Dependencies = Omit<AnsweringDependencies, 'reports' | 'metrics'> &
  DeliveryDependencies & {
    batches: Pick<Batches, 'answer' | 'forget'>;
    mapBatches: Pick<MapBatches, 'make' | 'answers' | 'cancel' | 'forget'>;
  };

export interface RelayDependencies extends Dependencies {
  /** Task queue of deliveries. */
  taskQueue: string;
}

const NOT_RECORDED = 'the end of the request could not be recorded';

/** Retry delay while a cancelled request may still call back by itself, in milliseconds. */
const CHECK_AGAIN_MS = 2_000;

/** The relay's activities. Those of tasks belong to no workflow: see client.ts. Those of batches of rows are their map's. */
export function createRelayActivities({ taskQueue, ...others }: RelayDependencies) {
  const { received, documents, batches, mapBatches, log, meter = noopMetricMeter } = others;
  const callbackFor = createAnswering({ ...others, reports: new TaskReports(log), metrics: streamMetrics(meter) });
  const deliver = createDelivery(others);

  /** Delivers a callback now, or by an activity of its own: streams do not wait for the webhook. */
  async function handOver({ task_id }: RelayRequest, callback: Callback): Promise<void> {
    try {
      await traced(task_id, 'deliver', async () => await deliver(task_id, callback));
    } catch (error) {
      if (!hasType(error, FAILURE.callbackFailed)) throw error;
      await startDelivery(Context.current().client, taskQueue, task_id, callback);
    }
  }

  return {
    /**
     * One request of the relay for a task: streams Kimi's answer, then calls back, in any case: with the answer, or with the reason
     * why there is none. The engine retries it while nothing was sent or Kimi throttles, after an interruption, and after the loss of
     * its relay.
     */
    async complete(request: RelayRequest): Promise<RelaySummary> {
      const { task_id } = request;
      const state = new RequestState();
      const known = state.isFirstAttempt ? undefined : await received.endOf(task_id);
      if (known && 'delivered' in known) {
        if (request.batch) await batches.forget(request);
        await received.delivered(task_id, known.delivered);
        return summary(task_id, known.delivered, state);
      }
      const callback =
        known?.callback ?? (request.batch ? await batches.answer(request) : await callbackFor(request, state));
      if (!known)
        await received.end(task_id, callback).catch((err: unknown) => log.warn({ task_id, err }, NOT_RECORDED));
      await handOver(request, callback);
      if (request.batch) await batches.forget(request);
      return summary(task_id, outcomeOf(callback), state);
    },

    /** Posts the signed callback, then removes the recorded answer. */
    deliver,

    /** Calls back for a cancelled request that did not: it waited for its next attempt, or its relay was lost. */
    async deliverCancelled(request: RelayRequest): Promise<void> {
      const { task_id } = request;
      const state = await stateOf(Context.current().client, task_id);
      if (state === 'COMPLETED') return;
      if (state === 'RUNNING') throw beingCancelled();
      await documents.forget(request);
      if (request.batch) await batches.forget(request);
      await deliver(task_id, relayFailure(request, { type: 'cancelled', message: 'the task was cancelled' }));
    },

    ...rowBatchActivities(mapBatches),
  };
}

function beingCancelled(): ApplicationFailure {
  const message = 'the request is being cancelled';
  return ApplicationFailure.create({ message, type: FAILURE.held, nextRetryDelay: CHECK_AGAIN_MS });
}

/** Batches for the rows of maps: activities of their workflows. */
function rowBatchActivities(batches: Dependencies['mapBatches']) {
  return {
    /** Makes a batch for rows of a map. @returns Kimi's id of it, and for how many */
    async makeBatch(rows: RowsToAsk): Promise<{ id: string; rows: number }> {
      return await batches.make(rows);
    },

    /** @returns the answers of a batch, once Kimi has ended it */
    async answersOfBatch(rows: Omit<RowsToAsk, 'numbers'>, batch: RowBatch): Promise<AnsweredRows[]> {
      return await batches.answers(rows, batch);
    },

    async cancelBatch(task_id: string): Promise<void> {
      await batches.cancel(task_id);
    },

    /** Removes a batch whose answers are safe, or are not wanted. */
    async forgetBatch(task_id: string): Promise<void> {
      await batches.forget(task_id);
    },
  };
}

export type RelayActivities = ReturnType<typeof createRelayActivities>;

function summary(task_id: string, outcome: string, { interruptions, rounds }: RequestState): RelaySummary {
  return { task_id, outcome, interruptions, ...(rounds > 0 && { rounds }) };
}
