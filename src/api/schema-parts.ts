/** What other schemas are made of. */
import * as z from 'zod';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { TASK_ID } from '../shared/task-id.ts';

/** Schemas with a name, which the document refers to. */
export const components = z.registry<{ id: string; description?: string }>();

export function named<Schema extends z.ZodType>(id: string, description: string, schema: Schema): Schema {
  components.add(schema, { id, description });
  return schema;
}

export const time = z.string().describe('ISO 8601, UTC, whole seconds.');

/** Currencies of Kimi accounts. */
export const currency = z.enum(['CNY', 'USD']);

/** A task id in a path. */
export const taskIdWord = z.string().regex(TASK_ID, 'is no task id, e.g. kimi-1707654321-12345');

export const taskId = named('TaskId', 'Id of a task.', taskIdWord.clone());

// The document says that there is a code; which members each has is not part of it yet.
export const detail = z
  .looseObject({ code: z.string() })
  .describe('What the message says, by code.') as unknown as z.ZodType<ErrorDetail>;

export const taskError = named(
  'TaskError',
  'Why a task failed.',
  z.object({ type: z.string(), message: z.string(), detail: detail.optional() }),
);

export const cost = z.object({
  amount: z.number(),
  currency,
  price_date: z.string(),
  saved: z.number().optional().describe('What a batch saved.'),
});
