import stringWidth from 'string-width';
import { fields } from './terminal.ts';

/** Lays out rows in columns; a Chinese character is as wide as two others. */
export function columns(rows: string[][], gap = 2): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, stringWidth(cell))));
  }
  const pad = (cell: string, column: number): string =>
    cell + ' '.repeat((widths[column] ?? 0) - stringWidth(cell) + gap);
  return rows.map((row) => row.map(pad).join('').trimEnd()).join('\n');
}

/**
 * Lays out a table. Where a row would be broken into more than two lines, each row gets a block of its own, with the
 * headings before what it holds. Cells are plain text, and may come from outside.
 *
 * @param width columns of the terminal; unbounded where it is none
 */
export function table(headings: string[], rows: string[][], width = process.stdout.columns || Infinity): string {
  const cells = fields(rows);
  const whole = columns([headings, ...cells]);
  const widest = Math.max(...whole.split('\n').map((line) => stringWidth(line)));
  if (widest <= 2 * width) return whole;
  const block = ([first = '', ...rest]: string[]): string => {
    const named = rest.map((cell, index) => ['', headings[index + 1] ?? '', cell]);
    return [first, columns(named.filter(([, , cell]) => cell !== ''))].join('\n');
  };
  return cells.map(block).join('\n\n');
}
