import * as z from 'zod';
import { firstCharacters } from '../shared/format.ts';

/** Somebody else may have written to a file: whatever is shown is a number, a time, or a short text. */
const amount = z.number().nonnegative();
const time = z.iso.datetime();
const text = (characters: number) =>
  z.string().transform((value) => (value.length <= characters ? value : firstCharacters(value, characters)));
const ms = amount.optional().catch(undefined);

const entry = z.object({
  task_id: z.string(),
  task_name: text(64),
  status: z.enum(['done', 'failed', 'timed_out', 'cancelled']),
  model: text(64),
  tokens: z
    .object({
      prompt: amount,
      completion: amount,
      total: amount,
      cached: amount.optional(),
      reasoning: amount.optional(),
    })
    .optional(),
  cost: z.object({ amount, currency: z.enum(['CNY', 'USD']), price_date: z.string() }).optional(),
  finish_reason: z.string().optional(),
  error: z.object({ type: text(64), message: text(300) }).optional(),
  late: z.literal(true).optional(),
  /** The original design's results have none. */
  created_at: time.optional(),
  completed_at: time,
  timings: z
    .object({ queued_ms: ms, dispatch_ms: ms, kimi_ms: ms, save_ms: ms, wake_ms: ms })
    .optional()
    .catch(undefined),
  acknowledged: z.literal(true).optional(),
});

/** What a report needs of a result: neither prompt nor output, so that 50,000 of them fit into memory. */
export type Entry = z.output<typeof entry>;

/** @returns what a report needs of each result; `undefined` in place of what is none, or was spoilt by somebody else. */
export function entriesOf(results: Iterable<unknown>): (Entry | undefined)[] {
  return Array.from(results, (result) => entry.safeParse(result).data);
}
