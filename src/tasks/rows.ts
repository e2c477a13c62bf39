/** Rows of a file: read, checked and stored before a map starts, so that nothing is paid for a file that is broken. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { parse, type CsvError } from 'csv-parse';
import { decodeText } from '../documents/text.ts';
import { MAX_ROWS, MAX_ROWS_BYTES, type MapOrder, type StoredRows } from '../shared/map.ts';
import { rowTaskId } from '../shared/task-id.ts';
import type { Task } from '../shared/task.ts';
import { ServiceError } from '../service/exit.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { Problem } from './problem.ts';
import type { Attachment } from './tasks.ts';

/** A row of a file, by columns. */
export interface Row {
  /** Line of the file, from 1; the last one of a CSV row of several lines. */
  line: number;
  values: Record<string, unknown>;
  /** What this row is asked with, in place of what all are. */
  asked?: Pick<Task, 'request' | 'conversation' | 'metadata'>;
}

export type Rows = Iterable<Row> | AsyncIterable<Row>;

const FORMATS: Record<string, (text: string, file: string) => Rows> = {
  jsonl: rowsOfJson,
  ndjson: rowsOfJson,
  csv: rowsOfCsv,
  txt: rowsOfText,
};

/** Rows are stored together until they have this size, in bytes: each batch of rows reads one or two such contents. */
const CHUNK_BYTES = 1024 * 1024;

/** Reads a file of rows and stores them. @throws {Problem} `unusable_rows` */
export async function storeFile(contents: ContentStore, { name, content }: Attachment): Promise<StoredRows> {
  const rowsOf = FORMATS[/\.([a-z]+)$/i.exec(name)?.[1]?.toLowerCase() ?? ''];
  if (!rowsOf) throw unusable(name, 'format');
  if (content.length > MAX_ROWS_BYTES) throw unusable(name, 'too_large', { most: MAX_ROWS_BYTES });
  const decoded = decodeText(content);
  if (!decoded) throw unusable(name, 'not_text');
  const { text, encoding } = decoded;
  const stored = await storeRows(contents, { name, sha256: sha256Of(content) }, rowsOf(text, name));
  return { ...stored, ...(encoding !== undefined && { encoding }) };
}

/** Stores the rows of a file. @throws {Problem} `unusable_rows` */
export async function storeRows(
  contents: ContentStore,
  { name, sha256 }: Pick<StoredRows, 'name' | 'sha256'>,
  given: Rows,
): Promise<StoredRows> {
  const chunks: StoredRows['chunks'] = [];
  let lines: string[] = [];
  let size = 0;
  let rows = 0;
  const store = async (): Promise<void> => {
    if (lines.length > 0) chunks.push({ claim: await contents.put(Buffer.from(lines.join('\n'))), rows: lines.length });
    lines = [];
    size = 0;
  };
  for await (const row of given) {
    rows += 1;
    if (rows > MAX_ROWS) throw unusable(name, 'too_many', { most: MAX_ROWS });
    const line = JSON.stringify(row);
    lines.push(line);
    size += line.length;
    if (size >= CHUNK_BYTES) await store();
  }
  await store();
  if (rows === 0) throw unusable(name, 'empty');
  return { name, rows, sha256, chunks };
}

export function sha256Of(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Reads rows by their numbers, which are in order. Contents without a wanted row are not read. */
export async function* readRows(
  contents: Pick<ContentStore, 'get'>,
  { chunks }: StoredRows,
  numbers: readonly number[],
): AsyncGenerator<Row & { number: number }> {
  let before = 0;
  for (const { claim, rows } of chunks) {
    const wanted = numbers.filter((number) => number > before && number <= before + rows);
    const lines = wanted.length > 0 ? (await contents.get(claim)).toString().split('\n') : [];
    for (const number of wanted) yield { number, ...(JSON.parse(lines[number - before - 1] ?? '') as Row) };
    before += rows;
  }
}

/** @returns what is asked for each row of a map. @throws {ServiceError} if it is gone */
export async function readOrder(contents: Pick<ContentStore, 'get'>, claim: string): Promise<MapOrder> {
  return JSON.parse((await contents.get(claim)).toString()) as MapOrder;
}

/** @returns the tasks of rows, one at a time. @throws {ServiceError} if the rows are gone */
export async function* tasksOfRows(
  contents: Pick<ContentStore, 'get'>,
  map: string,
  { rows, ack: _, event: __, ...asked }: MapOrder,
  numbers: readonly number[],
): AsyncGenerator<Task & Required<Pick<Task, 'row'>>> {
  for await (const row of readRows(contents, rows, numbers)) {
    const { number } = row;
    yield { ...askedOfRow(asked, row), task_id: rowTaskId(map, number), row: { map, number } };
  }
}

/** @returns what is asked for a row. @throws {Problem} `unknown_column` */
export function askedOfRow<T extends Pick<Task, 'prompt' | 'request'>>(all: T, row: Row): T {
  const { request, ...own } = row.asked ?? {};
  return {
    ...all,
    ...own,
    ...((all.request ?? request) && { request: { ...all.request, ...request } }),
    prompt: promptOf(all.prompt, row),
  };
}

/** Of stored rows that will not be read any more. */
const GONE = ['payload_gone', 'payload_damaged', 'payload_misnamed', 'payload_key_missing', 'payload_key_wrong'];

/** @returns whether what was stored of rows is gone, or never was stored. */
export function isGone(error: unknown): error is ServiceError {
  return error instanceof ServiceError && GONE.includes(error.code);
}

/** Stores rows again, with the contents of today: those of earlier days are removed some time. */
export async function renewRows(contents: ContentStore, stored: StoredRows): Promise<StoredRows> {
  const chunks: StoredRows['chunks'] = [];
  for (const { claim, rows } of stored.chunks)
    chunks.push({ claim: await contents.put(await contents.get(claim)), rows });
  return { ...stored, chunks };
}

const PLACEHOLDER = /\{\{([^{}]+)\}\}/g;

/** @returns the prompt of a row. @throws {Problem} `unknown_column` */
function promptOf(template: string, { line, values }: Row): string {
  return template.replaceAll(PLACEHOLDER, (_, name: string) => {
    const column = name.trim();
    if (!Object.hasOwn(values, column)) {
      throw new Problem('unknown_column', { column, line, columns: Object.keys(values) });
    }
    const value = values[column] ?? '';
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
}

/** @returns the prompt without its columns. */
export function withoutColumns(template: string): string {
  return template.replaceAll(PLACEHOLDER, ' ');
}

/** @returns whether a prompt names a column. */
export function hasColumns(template: string): boolean {
  return withoutColumns(template) !== template;
}

function* linesOf(text: string): Generator<{ line: number; content: string }> {
  let line = 0;
  for (let from = 0; from < text.length;) {
    line += 1;
    const end = text.indexOf('\n', from);
    const content = text.slice(from, end === -1 ? undefined : end).replace(/\r$/, '');
    from = end === -1 ? text.length : end + 1;
    if (content.trim() !== '') yield { line, content };
  }
}

function* rowsOfText(text: string): Generator<Row> {
  for (const { line, content } of linesOf(text)) yield { line, values: { text: content } };
}

/** Where a text of JSON begins or ends, an escaped character in it, a number. One expression for a text overflows with a long one. */
const QUOTE_OR_NUMBER = /"|\\.|-?\d[\d.eE+-]*/g;

/** @returns JSON in which a number that JavaScript would write differently, e.g. `1.10` or one of twenty digits, is a text. */
function withExactNumbers(json: string): string {
  let isText = false;
  return json.replaceAll(QUOTE_OR_NUMBER, (found) => {
    if (found === '"') isText = !isText;
    const isNumber = !isText && /\d$/.test(found);
    return isNumber && String(Number(found)) !== found ? `"${found}"` : found;
  });
}

function* rowsOfJson(text: string, file: string): Generator<Row> {
  for (const { line, content } of linesOf(text)) {
    let values: unknown;
    try {
      values = JSON.parse(content);
      const exact = withExactNumbers(content);
      if (exact !== content) values = JSON.parse(exact);
    } catch {
      throw unusable(file, 'not_json', { line });
    }
    if (typeof values !== 'object' || values === null || Array.isArray(values)) {
      throw unusable(file, 'not_object', { line });
    }
    yield { line, values: values as Record<string, unknown> };
  }
}

/** Characters that are parsed at a time: other work goes on between them. */
const SLICE = 64 * 1024;

async function* rowsOfCsv(text: string, file: string): AsyncGenerator<Row> {
  const slices = function* (): Generator<string> {
    for (let from = 0; from < text.length; from += SLICE) yield text.slice(from, from + SLICE);
  };
  let read = 0;
  const parser = Readable.from(slices()).pipe(
    parse({
      info: true,
      skip_empty_lines: true,
      relax_column_count: true,
      on_record: (record: string[], { lines }) => {
        read = lines;
        return record;
      },
    }),
  );
  let columns: string[] | undefined;
  try {
    // `lines`: where the record ends.
    for await (const { record: cells, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      const { lines: line } = info;
      if (!columns) {
        columns = cells.map((name) => name.trim());
        if (columns.includes('') || new Set(columns).size < columns.length) throw unusable(file, 'header', { line });
      } else if (cells.length !== columns.length) {
        throw unusable(file, 'cells', { line, cells: cells.length, columns: columns.length });
      } else yield { line, values: Object.fromEntries(columns.map((name, index) => [name, cells[index]])) };
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    const { code, lines } = error as CsvError & { lines: number };
    // Of a quotation that never ends the parser reports the end of the file.
    throw unusable(file, 'quotes', { line: code === 'CSV_QUOTE_NOT_CLOSED' ? read + 1 : lines });
  }
}

function unusable(
  file: string,
  why: string,
  more: { line?: number; most?: number; cells?: number; columns?: number } = {},
): Problem {
  return new Problem('unusable_rows', { file, why, ...more });
}
