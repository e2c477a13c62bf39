import stringWidth from 'string-width';
import { helpWidth } from './help-width.ts';
import { fields } from './terminal.ts';

/** Between two columns. */
const GAP = 2;

/** Narrowest column of text, and most lines of a row. */
const NARROWEST = 8;
const MOST_LINES = 3;

/** @returns the width of the terminal; `Infinity` without one. */
function terminalWidth(): number {
  return process.stdout.columns || Infinity;
}

/** Styles a laid out text, which has no control sequences before. Rows are counted without the headings. */
type Paint = (text: string, row: number, column: number) => string;

const plain: Paint = (text) => text;

/**
 * Lays out rows in columns; a Chinese character is two columns wide. The last column wraps if the terminal is too narrow.
 */
export function columns(rows: string[][], width = terminalWidth(), paint = plain): string {
  const widths = naturalWidths(rows);
  const last = widths.pop() ?? 0;
  const room = width - totalWidth([...widths, 0]);
  return layout(rows, [...widths, Math.min(last, Math.max(room, NARROWEST))], paint);
}

/**
 * Lays out a table. If it is wider than the terminal, texts wrap within their columns; if that is not enough, each row
 * becomes a block of `heading value` lines. Words are never broken, so that ids, paths and URLs can be copied. Cells are
 * plain text and may come from outside.
 */
export function table(headings: string[], rows: string[][], width = terminalWidth(), paint = plain): string {
  const cells = fields(rows);
  const widths = fittingWidths([headings, ...cells], width);
  if (widths) return layout([headings, ...cells], widths, (text, row, column) => paint(text, row - 1, column));
  const block = ([first = '', ...rest]: string[]): string => {
    const named = rest.map((cell, index) => ['', headings[index + 1] ?? '', cell]);
    return [
      first,
      columns(
        named.filter(([, , cell]) => cell !== ''),
        width,
      ),
    ].join('\n');
  };
  return cells.map(block).join('\n\n');
}

/** @returns widths that fit; `undefined` if a word would be broken or a row would become too high. */
function fittingWidths(rows: string[][], width: number): number[] | undefined {
  const widths = naturalWidths(rows);
  const words = naturalWidths(rows.map((row) => row.map((cell) => widest(wordsOf(cell)))));
  while (totalWidth(widths) > width) {
    // The widest column that can still shrink.
    const [column] = [...widths.keys()]
      .filter((index) => (widths[index] ?? 0) > Math.max(words[index] ?? 0, NARROWEST))
      .toSorted((one, other) => (widths[other] ?? 0) - (widths[one] ?? 0));
    if (column === undefined) return undefined;
    widths[column] = (widths[column] ?? 0) - 1;
  }
  const isLow = rows.every((row) => row.every((cell, column) => wrap(cell, widths[column] ?? 0).length <= MOST_LINES));
  return isLow ? widths : undefined;
}

/** Wraps a sentence at the width of the terminal. */
export function paragraph(text: string, width = terminalWidth()): string {
  return wrap(text, width).join('\n');
}

/** ASCII, Chinese characters, their punctuation and full-width forms: every character has a width of its own. */
const SIMPLE = /^[\u0020-\u007E\u00B7\u2013\u2014\u2026\u3000-\u3020\u4E00-\u9FFF\uFF01-\uFF5E]*$/;

/** @returns how many columns a text takes. */
function widthOf(text: string): number {
  return SIMPLE.test(text) ? helpWidth(text) : stringWidth(text);
}

function naturalWidths(rows: string[][]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, widthOf(cell))));
  }
  return widths;
}

function totalWidth(widths: number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1));
}

function layout(rows: string[][], widths: number[], paint: Paint): string {
  return rows
    .flatMap((row, rowIndex) => {
      const pad = (cell: string, column: number): string =>
        (cell === '' ? cell : paint(cell, rowIndex, column)) +
        ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)) + GAP);
      const wrapped = row.map((cell, column) => wrap(cell, widths[column] ?? 0));
      const height = Math.max(...wrapped.map((lines) => lines.length));
      return Array.from({ length: height }, (_, line) =>
        wrapped
          .map((lines) => lines[line] ?? '')
          .map(pad)
          .join(''),
      );
    })
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A word with the white space before it. Chinese wraps between characters, but not before or after some punctuation. */
const WORD = /\s*(?:[（「『]*(?:\p{Script=Han}|[^\s\p{Script=Han}（「『]+)|[（「『]+)[、，。；：！？）」』]*/gu;

function wordsOf(text: string): string[] {
  return text.match(WORD) ?? [];
}

function widest(words: string[]): string {
  return words.map((word) => word.trim()).reduce((one, other) => (widthOf(other) > widthOf(one) ? other : one), '');
}

/** @returns lines of at most this width, unless a single word is wider. */
function wrap(text: string, width: number): string[] {
  if (widthOf(text) <= width) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of wordsOf(text)) {
    if (line !== '' && widthOf(line + word) > width) {
      lines.push(line);
      line = word.trimStart();
    } else line += word;
  }
  return [...lines, line];
}
