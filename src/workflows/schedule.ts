import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { Activities } from '../activities/index.ts';
import type { ScheduledTask, ScheduleRun } from '../schedules/schedules.ts';
import { isoSeconds } from '../shared/format.ts';

/** The engine adds it to what a schedule starts: when that was due. */
const DUE_AT = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);

/** Retried until the engine answers: a due time must not be lost. */
const { dueTimes, startScheduled } = proxyActivities<Pick<Activities, 'dueTimes' | 'startScheduled'>>({
  startToCloseTimeout: '1m',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
});

/**
 * One run of a schedule. Temporal starts one at a time: after a time in which nothing ran, the one for the first due time that was
 * missed. It makes up for all of them, by the schedule's policy, and starts each task under an id of its own.
 */
export async function kimiSchedule(scheduled: ScheduledTask): Promise<ScheduleRun> {
  const { typedSearchAttributes, startTime } = workflowInfo();
  const first = isoSeconds(typedSearchAttributes.get(DUE_AT) ?? startTime);
  const { due, due_at, missed, overlapped } = await dueTimes(scheduled, first);
  const task_ids: string[] = [];
  let problem: string | undefined;
  for (const time of due) {
    const started = await startScheduled(scheduled, time, missed);
    if ('task_id' in started) task_ids.push(started.task_id);
    else problem = started.problem;
  }
  return {
    due_at,
    task_ids,
    ...(missed > 0 && { missed }),
    ...(overlapped !== undefined && { overlapped }),
    ...(problem !== undefined && { problem }),
  };
}
