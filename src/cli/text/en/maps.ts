import type { CliText } from '../zh-TW/index.ts';

/** What the command line says of maps. */
export const maps: CliText['maps'] = {
  dispatched: (name, rows) =>
    `✅ Kimi task dispatched: ${name} (${rows} ${rows === 1 ? 'row' : 'rows'})\nYou will be notified when all have ended!`,
  readAs: (file, encoding) =>
    `⚠️ ${file} is not UTF-8 and was read as ${encoding}; if the answers are about garbled text, save it as UTF-8 and dispatch it again.`,
  unusable: ({ file, why, line = 0, most = 0, cells = 0, columns = 0 }) =>
    ({
      format: `${file} cannot be used; its name must end in .jsonl, .csv or .txt.`,
      not_text: `${file} is not a text file; nothing was dispatched.`,
      too_large: `${file} has more than ${most} bytes, so nothing was dispatched; split it into several files.`,
      too_many: `${file} has more than ${most} rows, so nothing was dispatched; split it into several files.`,
      empty: `${file} has no rows; nothing was dispatched.`,
      gone: `The rows of ${file} are not stored, so nothing was dispatched; give the file again.`,
      not_json: `Line ${line} of ${file} is not JSON; nothing was dispatched.`,
      not_object: `Line ${line} of ${file} is no JSON object, so nothing was dispatched; each line must look like {"text":"…"}.`,
      header: `Line ${line} of ${file} must hold the names of the columns, none of them empty or twice; nothing was dispatched.`,
      cells: `Line ${line} of ${file} has ${cells} columns instead of ${columns}; nothing was dispatched.`,
    })[why] ?? `Line ${line} of ${file} has a misplaced quotation mark; nothing was dispatched.`,
  unknownColumn: (column, line, columns) =>
    `Line ${line} has no column ${column}, so nothing was dispatched; its columns: ${columns.join(', ')}.`,
  noColumn: (columns) =>
    `The prompt names no column, so every row would be asked the same; nothing was dispatched. Write {{COLUMN}}, one of: ${columns.join(', ')}.`,
  row: (line, why) => `Line ${line}: ${why} Nothing was dispatched.`,
  noneFailed: (id) => `Every row of task ${id} has an answer; there is nothing to retry.`,
  noMap: (id) => `Task ${id} was not dispatched with --map.`,
  rowsGone: (id) => `The rows of task ${id} are no longer stored, so they cannot be retried; dispatch the file again.`,
  noContinue: '--map cannot be used together with --continue.',
  noAnswer: (id) =>
    `Task ${id} is a map and has no answer of its own. Print those of its rows: kimi-dispatch result ${id} --all`,
  all: (id) => `The answer of each row: kimi-dispatch result ${id} --all`,
  row_of: (map, number) => `row ${number} of ${map}`,
};
