import type { Logger } from 'pino';
import { labelOf } from '../kimi/models.ts';
import { priceOf } from '../kimi/most-cost.ts';
import { NoResult, type ResultStore } from '../results/store.ts';
import { tildePath } from '../service/files.ts';
import { traceTask } from '../service/tracing.ts';
import { paidIn } from '../shared/budget.ts';
import type { EventOptions } from '../shared/delivery.ts';
import type { workerMetrics } from '../shared/metrics.ts';
import type { PendingFile, Saved, TaskResult, Timings } from '../shared/result.ts';
import { noteSaved } from '../tasks/worker-here.ts';
import { startDelivery, type EventDependencies } from './events.ts';
import { beating } from './heartbeat.ts';

export interface ResultDependencies extends Pick<EventDependencies, 'config'> {
  results: Pick<ResultStore, 'recordPending' | 'persist' | 'acknowledge' | 'resultPath'>;
  /** Base address of Kimi's API, whose prices apply. */
  apiUrl: string;
  metrics: ReturnType<typeof workerMetrics>;
  log: Logger;
}

export function resultActivities({ results, apiUrl, config, metrics, log }: ResultDependencies) {
  return {
    /** Writes `pending-<task_id>.json`, if the dispatch activity could not. */
    async recordPending(pending: PendingFile): Promise<void> {
      await beating(async () => await results.recordPending(pending));
    },

    /** Writes the result and `latest.json`, removes the pending file, and starts the delivery of its event. */
    async persist(result: TaskResult, event?: EventOptions): Promise<Saved> {
      // The price is saved with the result: a later price table does not change it.
      const cost = priceOf(paidIn(result, result), apiUrl);
      const priced = { ...result, ...(cost && { cost }) };
      const { saved, isNew } = await beating(async () => await results.persist(priced));
      noteSaved(saved.task_id);
      await startDelivery(config, saved, { event, metadata: result.metadata });
      const { task_id, status, late, model, fallback, error, tokens, finish_reason } = saved;
      log.info({ task_id, status, ...(late && { late }), ...(error && { type: error.type }) }, 'saved');
      if (isNew) {
        // A late answer, or what a cancelled one had cost, belongs to the same trace, whose span is exported already.
        if (!late && !(status === 'cancelled' && tokens)) traceTask(saved);
        if (tokens) metrics.answered(labelOf(model), tokens, cost);
      }
      const isOther = status !== result.status || late !== result.late;
      return {
        completed_at: saved.completed_at,
        ...(saved.cost && { cost: saved.cost }),
        file: tildePath(results.resultPath(task_id)),
        ...(isOther && { instead: { status, late, model, fallback, error, tokens, finish_reason } }),
      };
    },

    /**
     * Marks the result as shown to the user, and adds the timings that are known by then.
     *
     * @param notification id of the notification; a result that has another one by now is not marked
     * @returns `no_result` if the file was removed or damaged since it was saved
     */
    async acknowledge(
      task_id: string,
      timings: Timings | undefined,
      notification: string,
    ): Promise<'no_result' | undefined> {
      try {
        const isMarked = await beating(async () => await results.acknowledge(task_id, timings, notification));
        if (isMarked) log.info({ task_id }, 'acknowledged');
        return undefined;
      } catch (error) {
        if (!(error instanceof NoResult)) throw error;
        log.warn({ task_id }, error.message);
        return 'no_result';
      }
    },
  };
}
