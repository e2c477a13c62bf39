/** The shapes of the reasons why a task is not sent yet: its position in the queue, and budgets. */
import * as z from 'zod';
import type { BudgetPause } from '../shared/budget.ts';
import type { Allowance } from '../tasks/tasks.ts';
import { currency, named, taskId } from './schema-parts.ts';

export const queuePosition = named(
  'QueuePosition',
  'Position in the queue.',
  z.object({ place: z.int(), expected_wait_ms: z.number().optional() }),
);

export const budget = z
  .number()
  .positive()
  .describe('What it may cost at most, in the currency of the account’s host; of a map, each row.');

export const budgetPause = named(
  'BudgetPause',
  'Why a task is not sent: what it may cost exceeds what is left of a budget.',
  z.object({
    of: z.enum(['day', 'chat', 'task']).describe('Whose budget.'),
    currency,
    budget: z.number(),
    needs: z.number().describe('What the task may cost at most.'),
    spent: z.number(),
    reserved: z.number().optional().describe('What running tasks may cost at most.'),
    until: z
      .string()
      .optional()
      .describe('ISO 8601: when it is sent by itself; absent if it would exceed the budget of that day too.'),
    timezone: z.string().optional(),
    waits: z.literal(true).optional().describe('It is sent by itself if running tasks cost less than they may.'),
  }) satisfies z.ZodType<BudgetPause>,
);

export const allowance = named(
  'Allowance',
  'The task is sent, whatever it costs.',
  z.object({ task_id: taskId, status: z.literal('allowed') }) satisfies z.ZodType<Allowance>,
);
