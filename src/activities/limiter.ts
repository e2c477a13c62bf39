import { ApplicationFailure, Context } from '@temporalio/activity';
import type { Config } from '../config/index.ts';
import { mostCost, priceOf } from '../kimi/most-cost.ts';
import { KimiError } from '../kimi/errors.ts';
import {
  endedTasks,
  missingAgents,
  release,
  startLimiter,
  tasksInFlight,
  type LimiterStart,
} from '../limiter/client.ts';
import type { Money, Paid } from '../shared/budget.ts';
import { failureDetails } from '../shared/failure-details.ts';
import type { ReleaseReport } from '../shared/limits.ts';
import { FAILURE } from '../shared/names.ts';
import type { Task } from '../shared/task.ts';

export interface LimiterDependencies {
  /** How a limiter is started that does not run. */
  limiter: LimiterStart;
  /** Base address of Kimi's API, whose prices apply. */
  apiUrl: string;
  config: Pick<Config, 'KIMI_FALLBACK'>;
}

export function limiterActivities({ limiter, apiUrl, config }: LimiterDependencies) {
  return {
    /** Starts the limiter with a workflow id if it does not run. */
    async startLimiter(id: string): Promise<void> {
      await startLimiter(Context.current().client, { ...limiter, id });
    },

    /** Releases a task's slot; does nothing if the limiter has ended. @param paid what the cost of a task with a reservation depends on */
    async release(id: string, report: ReleaseReport, paid?: Paid): Promise<void> {
      // What is not known may be as much as the reservation.
      const known = paid?.tokens ? priceOf(paid, apiUrl)?.amount : 0;
      const spent = paid?.unknown || known === undefined ? 'reserved' : known;
      await release(Context.current().client, id, paid ? { ...report, spent } : report);
    },

    /** See {@link mostCostOrFailure}. */
    async mostCost(task: Task): Promise<Money> {
      return mostCostOrFailure(task, apiUrl, config.KIMI_FALLBACK);
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

/** @returns what a task may cost at most: nothing if it is simulated. @throws {ApplicationFailure} if no price is known */
export function mostCostOrFailure(task: Task, apiUrl: string, fallback: Config['KIMI_FALLBACK']): Money {
  if (task.simulated) return { amount: 0, currency: 'CNY' };
  try {
    return mostCost(task, apiUrl, fallback);
  } catch (error) {
    if (!(error instanceof KimiError)) throw error;
    const { message } = error;
    const details = failureDetails(error);
    throw ApplicationFailure.create({ message, type: FAILURE.notSent, nonRetryable: true, details });
  }
}
