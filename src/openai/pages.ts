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

/**
 * @param all the newest first; read only as far as the page needs it
 * @param asked the query of the request
 * @throws {OpenAiError}
 */
export async function pageOf<T extends { id: string }>(
  all: readonly T[] | AsyncIterable<T>,
  asked: unknown,
  usual = MOST,
): Promise<Page<T>> {
  const { limit = usual, after, order } = readPart(query, asked, '');
  const rest: T[] = [];
  // After one that is gone there is nothing: the first page again would be read without end.
  let isAfter = after === undefined;
  for await (const each of order === 'asc' ? await oldestFirst(all) : all) {
    if (isAfter && rest.push(each) > limit) break;
    isAfter ||= each.id === after;
  }
  const data = rest.slice(0, limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: rest.length > limit,
  };
}

async function oldestFirst<T>(all: readonly T[] | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of all) found.push(each);
  return found.toReversed();
}
