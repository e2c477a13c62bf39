/** Questions and answers as Markdown, JSON or CSV. */
import { money } from '../shared/format.ts';
import type { Lang } from '../shared/task.ts';
import { explain, stateOf, textFor } from '../text/index.ts';
import type { KeptTask } from './kept.ts';

export const FORMATS = ['markdown', 'json', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

/** Words of the Markdown. */
export interface ExportWords {
  question: string;
  answer: string;
  notKept: string;
}

/** What stands before, between and after the tasks, and each of them. */
export interface Writer {
  before: string;
  between: string;
  after: string;
  one(task: KeptTask): string;
}

/** @returns how a format is written. The parts follow one another, so that no more than one answer is in memory. */
export function writerFor(format: Format, lang: Lang, words: ExportWords): Writer {
  if (format === 'json')
    return { before: '[', between: ',', after: '\n]\n', one: (task) => `\n${JSON.stringify(task, null, 2)}` };
  // Excel takes a file for UTF-8 only with a byte order mark.
  if (format === 'csv')
    return { before: `\uFEFF${rowOfCsv(COLUMNS)}`, between: '', after: '', one: (task) => rowOfCsv(cellsOf(task)) };
  return { before: '', between: '\n', after: '', one: (task) => markdownOf(task, lang, words) };
}

function markdownOf(task: KeptTask, lang: Lang, words: ExportWords): string {
  const text = textFor(lang);
  const {
    task_id,
    task_name,
    status,
    model,
    completed_at,
    tokens,
    cost,
    prompt,
    request,
    output,
    error,
    files,
    continues,
  } = task;
  const facts = [
    task_id,
    stateOf({ ...task, state: status }, text),
    model,
    completed_at,
    tokens && `${text.details.tokens} ${tokens.total}`,
    cost && money(cost),
    files && `${text.details.files} ${text.files(files)}`,
    continues && `${text.details.continues} ${continues}`,
  ];
  const asked = [request?.system, prompt].filter((part) => part !== undefined).join('\n\n');
  return [
    `# ${task_name}`,
    facts.filter((fact) => fact !== undefined).join(' · '),
    `## ${words.question}`,
    // A quotation, so that headings in it are not those of this document.
    prompt === undefined ? words.notKept : asked.replaceAll(/^/gm, '> '),
    `## ${words.answer}`,
    output ?? task.partial_output ?? (error ? explain(error, text) : stateOf({ ...task, state: status }, text)),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

const COLUMNS = [
  'task_id',
  'task_name',
  'status',
  'simulated',
  'model',
  'continues',
  'created_at',
  'completed_at',
  'tokens',
  'cost',
  'currency',
  'system',
  'question',
  'answer',
  'files',
];

function cellsOf(task: KeptTask): string[] {
  const { tokens, cost, request, error } = task;
  const cells = [
    task.task_id,
    task.task_name,
    task.status,
    task.simulated,
    task.model,
    task.continues,
    task.created_at,
    task.completed_at,
    tokens?.total,
    cost?.amount,
    cost?.currency,
    request?.system,
    task.prompt,
    task.output ?? task.partial_output ?? error?.message,
    task.files?.map(({ name }) => name).join('; '),
  ];
  return cells.map((cell) => String(cell ?? ''));
}

/** What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection"), also full-width. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * A row of RFC 4180: every field in quotation marks, those within doubled, CRLF at the end. In quotation marks, commas and line ends
 * need no treatment, so nothing is left for a library. A field that would be a formula gets an apostrophe, which spreadsheets hide.
 */
export function rowOfCsv(cells: readonly string[]): string {
  const fields = cells.map((cell) => `"${(FORMULA.test(cell) ? `'${cell}` : cell).replaceAll('"', '""')}"`);
  return `${fields.join(',')}\r\n`;
}
