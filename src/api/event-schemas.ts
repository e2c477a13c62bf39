/** The shapes of what is reported of a task: its events, as server-sent events and to a receiver, and what is tried again. */
import * as z from 'zod';
import { detail, named, time } from './schema-parts.ts';

export const retrying = z.object({
  attempt: z.int(),
  why: z.string(),
  type: z.string().optional(),
  detail: detail.optional(),
  next_attempt_at: time.optional(),
});

/** The event of a task's end, on its way to its receiver. */
export const eventDelivery = z.object({
  id: z.string().describe('`webhook-id`.'),
  origin: z.string().describe('Where it is sent, without the path.'),
  state: z.enum(['pending', 'delivered', 'given_up']),
  since: time.describe('When it was delivered or given up; of a pending one, when its delivery began.'),
  retrying: retrying.partial().optional(),
});

export const taskEvent = named(
  'TaskEvent',
  'An event: `state`, data is a Task, whenever it changes; `progress`, how far its answer is; `text`, which is sent where `text=1` asks for it, the answer from an `offset` in UTF-16 units on; `end`, the Task with its outcome, after which the stream ends. `Last-Event-ID` resumes after an event.',
  z.object({
    id: z.string(),
    event: z.enum(['state', 'progress', 'text', 'end']),
    data: z.string().describe('JSON.'),
  }),
);
