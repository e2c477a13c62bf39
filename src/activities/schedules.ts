import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import type { Config } from '../config/index.ts';
import { resolveModel } from '../kimi/models.ts';
import { dueNow, taskDue, type Due } from '../schedules/due.ts';
import type { ScheduledTask } from '../schedules/schedules.ts';
import { taskContext, type TaskContext } from '../tasks/context.ts';
import { continued } from '../tasks/conversation.ts';
import { startChecked } from '../tasks/local.ts';
import { Problem } from '../tasks/problem.ts';
import { keyAt } from '../tasks/task-id.ts';

export interface ScheduleDependencies {
  config: Config;
  log: Logger;
}

/** Problems that pass: the start is repeated, under the same id. */
const PASSING = ['engine_silent', 'engine_lost', 'no_worker'];

/** How long a start waits until Kimi has accepted the task, in milliseconds; the task continues by itself. */
const ACCEPTED_WITHIN_MS = 1_000;

export function scheduleActivities({ config, log }: ScheduleDependencies) {
  return {
    /** @returns the due times, from the first one on, at which the schedule starts a task. */
    async dueTimes(scheduled: ScheduledTask, first: string): Promise<Due> {
      return await dueNow(Context.current().client, config.KIMI_TASK_QUEUE, scheduled, Date.parse(first));
    },

    /** Starts the task of a due time: one, however often this is repeated. */
    async startScheduled(
      scheduled: ScheduledTask,
      due_at: string,
      missed: number,
    ): Promise<{ task_id: string } | { problem: string }> {
      const { client } = Context.current();
      const context: TaskContext = {
        ...taskContext(config, undefined, false, async (work) => await work(client)),
        simulated: scheduled.simulated ?? false,
      };
      try {
        return { task_id: await startDue(context, scheduled, due_at, missed) };
      } catch (error) {
        if (!(error instanceof Problem) || PASSING.includes(error.code)) throw error;
        log.warn({ schedule: scheduled.schedule, due_at, problem: error.code }, 'a schedule could not start its task');
        return { problem: error.code };
      }
    },
  };
}

/**
 * Starts the task of a due time under an id that schedule and time give.
 *
 * The task was checked when the schedule was added. What Kimi refuses since then, e.g. a model that it has retired, the worker
 * refuses before it is sent: so the task ends with a notification.
 */
async function startDue(
  context: TaskContext,
  scheduled: ScheduledTask,
  due_at: string,
  missed: number,
): Promise<string> {
  const { config, apiUrl, simulated } = context;
  const { name, ...due } = taskDue(scheduled, due_at, missed);
  const task = await continued(context, due);
  const model = task.model ?? config.KIMI_MODEL ?? resolveModel(undefined, apiUrl, simulated);
  const key = keyAt(scheduled.key, Date.parse(due_at));
  const started = await context.withClient(
    async (client) => await startChecked(client, context, { ...task, name, model }, ACCEPTED_WITHIN_MS, key),
  );
  return started.task_id;
}
