/** The shapes of maps in the API. */
import * as z from 'zod';
import { MAX_ROWS, type StoredRows } from '../shared/map.ts';
import { OUTCOMES } from '../shared/task.ts';
import { cost, named, taskError, taskId } from './schema-parts.ts';

export const storedRows = named(
  'StoredRows',
  'The stored rows of a file.',
  z.strictObject({
    name: z.string().min(1).max(255),
    rows: z.int().min(1).max(MAX_ROWS),
    encoding: z.string().max(50).optional().describe('What the file was read as, e.g. Big5; absent for UTF-8.'),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    chunks: z.array(z.strictObject({ claim: z.string().max(200), rows: z.int().min(1) })),
  }) satisfies z.ZodType<StoredRows>,
);

const rowCount = z.int().min(0);
export const mapCounts = z
  .object({ rows: rowCount, done: rowCount, failed: rowCount, timed_out: rowCount, cancelled: rowCount })
  .describe('Of a map: its rows by outcome; the others have none yet.');
const failedRow = z.object({
  number: z.int().min(1),
  task_id: taskId,
  status: z.enum(OUTCOMES),
  error: taskError.optional(),
});
const sums = z.object({
  prompt: z.number(),
  completion: z.number(),
  total: z.number(),
  cached: z.number().optional(),
  reasoning: z.number().optional(),
});
export const mapSummary = z
  .object({
    ...mapCounts.shape,
    tokens: sums,
    cost: z.array(cost),
    failures: z.array(failedRow),
    only: z.array(z.int().min(1)).optional().describe('The rows that were asked, if not all.'),
    of: z.int().optional().describe('Number of rows of the file, if not all were asked.'),
    retries: taskId.optional().describe('The map whose failed rows these are.'),
  })
  .describe('Of a map: its rows by outcome, sums of their tokens and cost, and those without an answer.');
export const rowOf = z.object({ map: taskId, number: z.int().min(1) }).describe('The map that it is a row of.');
