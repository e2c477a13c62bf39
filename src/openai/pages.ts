/** Pages of lists. */
import * as z from 'zod';
import { readPart } from './parameters.ts';

/** As at OpenAI. */
const MOST = 10_000;

const query = z.object({
  limit: z.coerce.number().int().min(1).max(MOST).optional(),
  after: z.string().optional(),
  order: z.enum(['asc', 'desc']).default('desc'),
});

interface Page<T> {
  object: 'list';
  data: T[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

/** @param all the newest first @param asked the query of the request @throws {OpenAiError} */
export function pageOf<T extends { id: string }>(all: readonly T[], asked: unknown, usual = MOST): Page<T> {
  const { limit = usual, after, order } = readPart(query, asked, '');
  const ordered = order === 'asc' ? all.toReversed() : all;
  const from = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  // After one that is gone there is nothing: the first page again would be read without end.
  const rest = after !== undefined && from === 0 ? [] : ordered.slice(from);
  const data = rest.slice(0, limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: rest.length > limit,
  };
}
