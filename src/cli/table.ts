import stringWidth from 'string-width';

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
