/** What a schedule starts when it is due, and after a time in which nothing ran. */
import type { Client } from '@temporalio/client';
import { msToTs, requiredTsToMs } from '@temporalio/common/lib/time.js';
import { firstCharacters, isoSeconds } from '../shared/format.ts';
import { scheduleId } from '../shared/names.ts';
import { dateIn, MISSED_AFTER_MS, promptOn } from '../shared/schedule.ts';
import { STATES_IN_FLIGHT, type ScheduleNote } from '../shared/task.ts';
import { MAX_NAME_CHARS } from '../tasks/task-name.ts';
import type { NewTask } from '../tasks/tasks.ts';
import { GRPC, grpcErrorIn } from '../temporal/client.ts';
import { newestTasks } from '../temporal/task-list.ts';
import type { ScheduledTask, ScheduleRun } from './schedules.ts';

/** What a run starts. Times are ISO 8601, UTC, whole seconds. */
export type Due = Pick<ScheduleRun, 'due_at' | 'overlapped'> & {
  /** The due times that start a task, the earliest first. */
  due: string[];
  /** How many due times are left out. */
  missed: number;
};

/** Most times that the engine returns in one answer (1.32.0). */
const PAGE = 1_000;

/** Most missed due times that are made up for: as many tasks as may be queued by default. */
const MOST = 1_000;

/**
 * @param first when it was due, in milliseconds since 1970; later due times until now are found here
 * @returns the due times that start a task. None while the task of an earlier one is in progress.
 */
export async function dueNow(
  client: Client,
  taskQueue: string,
  { schedule, missed: policy }: ScheduledTask,
  first: number,
  now = Date.now(),
): Promise<Due> {
  const times = [first, ...(await timesBetween(client, scheduleId(taskQueue, schedule), first, now))];
  const due = {
    last: times.slice(-1),
    all: times.slice(-MOST),
    skip: times.filter((time) => now - time < MISSED_AFTER_MS),
  }[policy];
  const [before] = await newestTasks(client, taskQueue, { schedule, status: [...STATES_IN_FLIGHT] }, 1);
  return {
    due_at: isoSeconds(times.at(-1) ?? first),
    due: before ? [] : due.map(isoSeconds),
    missed: before ? 0 : times.length - due.length,
    ...(before && { overlapped: before.task_id }),
  };
}

/** @returns the times, after one and up to another, at which the engine has a schedule due. None if it was removed. */
export async function timesBetween(client: Client, schedule: string, after: number, until: number): Promise<number[]> {
  const { namespace } = client.options;
  const found: number[] = [];
  for (;;) {
    const page = await client.workflowService
      .listScheduleMatchingTimes({
        namespace,
        scheduleId: schedule,
        startTime: msToTs(found.at(-1) ?? after),
        endTime: msToTs(until),
      })
      .catch((error: unknown) => {
        if (grpcErrorIn(error)?.code === GRPC.NOT_FOUND) return { startTime: [] };
        throw error;
      });
    for (const time of page.startTime) found.push(requiredTsToMs(time, 'startTime'));
    if (page.startTime.length < PAGE) return found;
  }
}

/** @returns the task of a due time. Its name carries the date. */
export function taskDue(
  { schedule, timezone, task }: ScheduledTask,
  due_at: string,
  missed = 0,
): NewTask & Required<Pick<NewTask, 'name'>> {
  const date = dateIn(due_at, timezone);
  const note: ScheduleNote = { name: schedule, due_at, timezone, ...(missed > 0 && { missed }) };
  return {
    ...task,
    prompt: promptOn(task.prompt, due_at, timezone),
    name: `${firstCharacters(schedule, MAX_NAME_CHARS - date.length - 1)} ${date}`,
    schedule: note,
  };
}
