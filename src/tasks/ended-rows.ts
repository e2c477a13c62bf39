/** The rows of a map that has ended: what each was asked, and what became of it. */
import { rowsOfMap } from '../results/map-result.ts';
import type { TaskContext } from './context.ts';
import { savedResult } from './look-up.ts';
import { Problem } from './problem.ts';
import { isGone, readRows } from './rows.ts';
import type { EndedRow } from './tasks.ts';

/** @throws {Problem} if the map has not ended, or its rows are no longer stored */
export async function* endedRows(context: TaskContext, task_id: string): AsyncGenerator<EndedRow> {
  const { results, contents } = context;
  const map = await savedResult(context, task_id);
  if (!map.map) throw new Problem('no_map', { task_id });
  const { rows } = results.questionOf(map) ?? {};
  if (!rows) throw new Problem('rows_gone', { task_id });
  const numbers = Array.from({ length: rows.rows }, (_, index) => index + 1);
  const stored = readRows(contents, rows, numbers);
  try {
    for await (const row of rowsOfMap(results, map)) {
      const { value } = await stored.next();
      if (!value) return;
      yield { ...row, values: value.values, ...(value.asked && { asked: value.asked }) };
    }
  } catch (error) {
    throw isGone(error) ? new Problem('rows_gone', { task_id }) : error;
  }
}
