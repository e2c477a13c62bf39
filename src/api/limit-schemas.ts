/** The shapes of limits in the API. */
import * as z from 'zod';
import type { Usage } from '../tasks/limits.ts';
import { currency, named, time } from './schema-parts.ts';

const count = z.int().min(0);

export const usage = named(
  'Limits',
  'The limits, and how much of them is used. Without limits nothing is counted.',
  z.object({
    limits: z.object({ per_minute: count, concurrent: count, queued: count }).describe('0 is unlimited.'),
    used_per_minute: count.describe('Requests to Kimi that count against the last 60 s.'),
    running: count.describe('Tasks between dispatch and outcome.'),
    queued: count.describe('Waiting tasks.'),
    free: count.optional().describe('Tasks that would be dispatched now; absent if nothing is limited.'),
    budget: z
      .object({
        day: z.string(),
        timezone: z.string(),
        per_day: z.number().optional(),
        per_chat: z.number().optional(),
        currency: currency.optional().describe('Absent before the first task.'),
        spent: z.number(),
        reserved: z.number().describe('What running tasks may cost at most.'),
        paused: count.describe('Tasks that are not sent.'),
      })
      .optional()
      .describe('The account of the day; absent without a budget.'),
    paused_until: time.optional().describe('End of a pause, since Kimi answered 429.'),
  }) satisfies z.ZodType<Usage>,
);
