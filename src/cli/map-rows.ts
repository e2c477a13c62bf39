/** Prints the rows of a map, from the results folder. */
import { rowOfCsv } from '../results/export.ts';
import { rowsOfMap, type MapRow } from '../results/map-result.ts';
import type { Exit } from '../service/exit.ts';
import type { ResultFile } from '../shared/result.ts';
import { explain } from '../text/index.ts';
import { readContext } from './context.ts';
import { exitFor } from './exit.ts';

const COLUMNS = ['row', 'task_id', 'status', 'answer', 'error'];

/** Prints every row of a map in order, one at a time: an object a line, or CSV. */
export async function printRows(map: ResultFile, asCsv: boolean | undefined): Promise<Exit> {
  const { results, text } = await readContext();
  // Excel takes a file for UTF-8 only with a byte order mark.
  if (asCsv) process.stdout.write(`\uFEFF${rowOfCsv(COLUMNS)}`);
  for await (const row of rowsOfMap(results, map)) {
    const { number, task_id, status, error, result } = row;
    if (asCsv) {
      const why = error ? explain(error, text) : '';
      process.stdout.write(rowOfCsv([String(number), task_id, status, answerOf(row) ?? '', why]));
    } else {
      const shown = {
        row: number,
        task_id,
        status,
        answer: answerOf(row),
        finish_reason: result?.finish_reason,
        error,
      };
      process.stdout.write(`${JSON.stringify(shown)}\n`);
    }
  }
  return exitFor(map);
}

function answerOf({ result }: MapRow): string | undefined {
  return result?.output ?? result?.partial_output;
}
