import { aligned, median } from '../../bench/stats.ts';
import type { Findings } from './findings.ts';
import type { Sample } from './sample.ts';

/** @returns the findings as tables for a terminal. */
export function findingsTable(
  { levels, costs, left, ended }: Findings,
  samples: Sample[],
  relayed: { asked: number; wrong: string[] },
): string {
  const loads = samples.map(({ load }) => load);
  const rows = levels.map(({ name, unit, n, over, before, after, most, rise, verdict }) => [
    named(name, unit),
    `${(over / 60_000).toFixed(1)} min`,
    String(n),
    ...[before, after, most].map(inShort),
    `${rise < 0 ? '' : '+'}${inShort(rise)}`,
    VERDICTS[verdict],
  ]);
  const grown = costs.map(({ name, unit, before, after, atTheEnd, verdict }) => [
    named(name, unit),
    inShort(atTheEnd),
    ...[before, after].map((cost) => inShort(cost * 1_000)),
    VERDICTS[verdict],
  ]);
  const gone = left.map(({ name, value, allowed }) => [name, inShort(value), value <= allowed ? 'expected' : 'LEFT']);
  return [
    `load average ${inShort(median(loads))} (median), ${inShort(Math.max(...loads))} at the most; ${samples.length} samples`,
    `through the relay ${relayed.asked} tasks, ${relayed.wrong.length === 0 ? 'all answered correctly' : `${relayed.wrong.length} WRONG: ${relayed.wrong.join('; ')}`}`,
    '',
    aligned([['must stay level', 'judged over', 'n', '2nd quarter', 'last quarter', 'most', 'rise', ''], ...rows]),
    '',
    aligned([['growth per task', 'at the end', 'first half, /1000', 'second half, /1000', ''], ...grown]),
    '',
    aligned([['when idle', 'left', ''], ...gone]),
    ...(ended.length > 0 ? ['', ...ended] : []),
  ].join('\n');
}

const VERDICTS = {
  level: 'level',
  rises: 'RISES',
  even: 'even',
  grows: 'GROWS',
  'too short': 'too short to judge',
};

function named(name: string, unit: string): string {
  return unit === '' ? name : `${name} (${unit})`;
}

function inShort(value: number): string {
  return Number.isInteger(value) || Math.abs(value) >= 100
    ? value.toFixed(0)
    : value.toFixed(Math.abs(value) < 1 ? 2 : 1);
}
