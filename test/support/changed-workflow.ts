/** The workflows with an additional step at the start: an incompatible change. */
import { sleep } from '@temporalio/workflow';
import type { ScheduledTask, ScheduleRun } from '../../src/schedules/schedules.ts';
import type { Task, TaskSummary } from '../../src/shared/task.ts';
import { kimiLimiter as unchangedLimiter, type LimiterStart } from '../../src/workflows/limiter.ts';
import { kimiSchedule as unchangedSchedule } from '../../src/workflows/schedule.ts';
import { kimiTask as unchangedTask } from '../../src/workflows/task.ts';

export async function kimiTask(task: Task): Promise<TaskSummary> {
  await sleep('1s');
  return await unchangedTask(task);
}

export async function kimiSchedule(scheduled: ScheduledTask): Promise<ScheduleRun> {
  await sleep('1s');
  return await unchangedSchedule(scheduled);
}

export async function kimiLimiter(start: LimiterStart): Promise<void> {
  await sleep('1s');
  await unchangedLimiter(start);
}
