/** The shapes of schedules in the API. */
import * as z from 'zod';
import { MISSED_POLICIES } from '../shared/schedule.ts';
import type { Schedule } from '../schedules/schedules.ts';
import { named, taskId, time } from './schema-parts.ts';
import { listed, newTask, route } from './schemas.ts';

const missed = z
  .enum(MISSED_POLICIES)
  .describe(
    'What becomes of due times at which the machine or the services were off: the last one is made up for, all are, or none is.',
  );
const when = z
  .string()
  .min(1)
  .max(200)
  .describe('Five fields of cron, or words, e.g. `每天 8:00`, `every Monday 9:30`.');
const timezone = z.string().min(1).max(100).describe('IANA name.');

export const newSchedule = named(
  'NewSchedule',
  'A schedule to add.',
  z.strictObject({
    when,
    timezone: timezone.optional().describe('IANA name; that of the services’ machine if absent.'),
    missed: missed.default('last'),
    task: newTask
      .omit({ wait_ms: true, notify_as: true })
      .describe('What is started. The schedule has its name; `{{date}}` in the prompt is the date when it is due.'),
  }),
);

export const schedule = named(
  'Schedule',
  'A schedule, and what became of it.',
  z.object({
    name: z.string(),
    id: z.string().describe('In the engine.'),
    when,
    timezone,
    missed,
    created_at: time,
    paused: z.boolean(),
    next: time.optional().describe('When it is due next; absent while it is paused.'),
    question: z.string().describe('Beginning of the prompt.'),
    owner: z.string().optional().describe('Name of the token that added it; absent if no token did.'),
    last_task: listed.omit({ status: true }).optional().describe('The newest task that it started.'),
    last_run: z
      .object({
        due_at: time,
        task_ids: z.array(taskId),
        missed: z.int().optional().describe('Due times that started no task, since nothing ran then.'),
        overlapped: taskId.optional().describe('The earlier task that was still in progress: none was started.'),
        problem: z.string().optional().describe('`code` of the problem because of which none was started.'),
      })
      .optional()
      .describe('What it did when it was last due.'),
  }) satisfies z.ZodType<Schedule>,
);

export const scheduleList = named('ScheduleList', 'Schedules, by name.', z.object({ schedules: z.array(schedule) }));

export const removedSchedule = named(
  'RemovedSchedule',
  'The schedule is removed. A task that it started continues.',
  z.object({ name: z.string() }),
);

export const newRun = named(
  'NewRun',
  'A run of a schedule now.',
  z.strictObject({ wait_ms: newTask.shape.wait_ms, route: route.optional() }),
);

export const scheduleParams = z.strictObject({
  name: z.string().min(1).max(400).describe('Name or id of the schedule.'),
});
