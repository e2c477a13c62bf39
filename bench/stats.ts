/** Medians, percentiles, and tables of samples. */

/** One measured figure. A count has no unit. */
export interface Figure {
  name: string;
  unit: 'ms' | 's' | '/s' | 'MB' | '';
  samples: number[];
  /** Target of docs/benchmarks.md for the 95th percentile. */
  target?: number;
  /** Samples of the same step without our code, on the same machine in the same run. */
  floor?: number[];
}

/** Summary of a figure, rounded as printed. */
export interface Summary {
  name: string;
  unit: Figure['unit'];
  n: number;
  median: number;
  p95: number;
  max: number;
  target?: number;
  /** Median of the floor. */
  floor?: number;
  /** Median divided by the floor's median. */
  ratio?: number;
  /** Whether the target was met; absent without a target. */
  met?: boolean;
}

/**
 * Nearest-rank percentile: always a measured value.
 *
 * @returns the smallest sample that at least this share of the samples does not exceed
 */
export function percentile(samples: number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** @returns the middle value, or the mean of the two middle values. */
export function median(samples: number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

export function summarise({ name, unit, samples, target, floor }: Figure): Summary {
  const p95 = percentile(samples, 0.95);
  return {
    name,
    unit,
    n: samples.length,
    median: rounded(median(samples)),
    p95: rounded(p95),
    max: rounded(Math.max(...samples)),
    ...(floor && { floor: rounded(median(floor)), ratio: rounded(median(samples) / median(floor)) }),
    ...(target !== undefined && { target, met: p95 < target }),
  };
}

const HEADINGS = ['figure', 'n', 'median', 'p95', 'max', 'target', 'floor', 'ratio', 'verdict'];

/** @returns the figures as a table for a terminal. */
export function table(figures: Summary[]): string {
  const rows = figures.map(({ name, unit, n, median, p95, max, target, floor, ratio, met }) => [
    `${name} (${unit})`,
    String(n),
    ...[median, p95, max].map((value) => value.toFixed(1)),
    target === undefined ? '' : `< ${target}`,
    floor?.toFixed(1) ?? '',
    ratio === undefined ? '' : `${ratio.toFixed(1)}x`,
    met === undefined ? '' : met ? 'met' : 'MISSED',
  ]);
  return aligned([HEADINGS, ...rows]);
}

/** One figure of several systems, by name. */
export interface Compared {
  name: string;
  unit: Figure['unit'];
  systems: Record<string, Pick<Summary, 'n' | 'median' | 'p95' | 'max'> & { min: number }>;
}

/** From this many samples on, their spread is given as the 95th percentile, and below as the lowest and highest. */
const MANY = 20;

/** @returns the figures as a table in Markdown with a column per system: median, spread, and the number of samples. */
export function comparison(systems: string[], figures: Compared[]): string {
  const rows = figures.map(({ name, unit, systems: by }) => [
    unit === '' ? name : `${name}, ${unit}`,
    ...systems.map((system) => {
      const one = by[system];
      if (one === undefined) return '';
      const { n, median, p95, min, max } = one;
      const spread = n >= MANY ? `p95 ${inShort(p95)}` : `${inShort(min)}–${inShort(max)}`;
      return n > 1 && min !== max ? `${inShort(median)} (${spread}; n ${n})` : `${inShort(median)} (n ${n})`;
    }),
  ]);
  const lines = [['', ...systems], ['', ...systems].map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function inShort(value: number): string {
  return value.toFixed(value >= 100 || Number.isInteger(value) ? 0 : 1);
}

/** @returns rows as an aligned table; the first row is the header. */
export function aligned(lines: string[][]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const [heading = '', ...body] = lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [heading, '-'.repeat(heading.length), ...body].join('\n');
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
