/** The workflows with an additional step at the start: an incompatible change. */
import { sleep } from '@temporalio/workflow';
import type { ScheduledTask, ScheduleRun } from '../../src/schedules/schedules.ts';
import type { MapInput, MapProgress } from '../../src/shared/map.ts';
import type { Delivered, Delivery } from '../../src/shared/delivery.ts';
import type { Task, TaskSummary } from '../../src/shared/task.ts';
import { kimiLimiter as unchangedLimiter, type LimiterStart } from '../../src/workflows/limiter.ts';
import { kimiMap as unchangedMap } from '../../src/workflows/map.ts';
import { kimiNotify as unchangedNotify } from '../../src/workflows/notify.ts';
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

export async function kimiNotify(delivery: Delivery): Promise<Delivered> {
  await sleep('1s');
  return await unchangedNotify(delivery);
}

export async function kimiRow(task: Task): Promise<TaskSummary> {
  return await kimiTask(task);
}

export async function kimiMap(map: MapInput, before?: MapProgress): Promise<TaskSummary> {
  await sleep('1s');
  return await unchangedMap(map, before);
}

export async function kimiLimiter(start: LimiterStart): Promise<void> {
  await sleep('1s');
  await unchangedLimiter(start);
}
