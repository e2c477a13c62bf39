import { Context } from '@temporalio/activity';
import {
  endedTasks,
  missingAgents,
  release,
  startLimiter,
  tasksInFlight,
  type LimiterStart,
} from '../limiter/client.ts';
import type { ReleaseReport } from '../shared/limits.ts';

/** @param limiter how a limiter is started that does not run. */
export function limiterActivities(limiter: LimiterStart) {
  return {
    /** Starts the limiter with a workflow id if it does not run. */
    async startLimiter(id: string): Promise<void> {
      await startLimiter(Context.current().client, { ...limiter, id });
    },

    /** Releases a task's slot; does nothing if the limiter has ended. */
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
