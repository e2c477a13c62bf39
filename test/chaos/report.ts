/** The report of a run: the faults, the outcomes, and the invariants. */
import type { Observed } from './check.ts';
import type { DiskKind } from './disk.ts';
import type { Plan } from './plan.ts';
import type { Applied } from './stage.ts';
import type { Verdict } from './verdict.ts';

export interface Outcome {
  observed: Observed;
  faults: Applied[];
  disk: DiskKind;
  took_ms: number;
}

export function report({ seed }: Plan, { observed, faults, disk, took_ms }: Outcome, verdicts: Verdict[]): string {
  const { limits, starts, tasks, files, events, receiving, wakes } = observed;
  const applied = count(faults.filter((fault) => fault.applied).map(({ target, how }) => `${nameOf(target)} ${how}`));
  const missed = count(faults.filter((fault) => !fault.applied).map(({ target, how }) => `${nameOf(target)} ${how}`));
  const callbacks = events.flatMap((event) => (event.what === 'called back' ? [String(event.status)] : []));
  const lines = [
    ['seed', `${seed}: ${tasks.length} tasks in ${Math.round(took_ms / 1000)} s`],
    ['limits', `${limits.per_minute} requests a minute, ${limits.concurrent} concurrent tasks`],
    ['faults', applied],
    ...(missed ? [['not possible', missed]] : []),
    ['disk', DISK[disk]],
    ['starts', count(starts.map(({ said }) => said))],
    [
      'results',
      count(files.flatMap(({ result }) => (result ? [`${result.status}${result.late ? ', late' : ''}`] : []))),
    ],
    ['requests', count(events.flatMap(({ what }) => (what === 'taken' || what === 'refused' ? [what] : [])))],
    ...(receiving.length > 0 ? [['uploads', count(receiving.map(({ ended = 'under way' }) => ended))]] : []),
    ['callbacks', count(callbacks.map((status) => (status === '0' ? 'no answer' : status)))],
    ['wakes', `${wakes.length}, of which ${wakes.filter(({ shown }) => shown).length} were new`],
  ];
  const width = Math.max(...verdicts.map(({ name }) => name.length));
  const table = verdicts.map(
    ({ name, checked, violations }) =>
      `${name.padEnd(width)}  ${String(checked).padStart(6)}  ${violations.length === 0 ? 'held' : `VIOLATED ${violations.length} times`}`,
  );
  const violations = verdicts.flatMap(({ name, violations: found }) => found.map((line) => `${name}: ${line}`));
  return [
    ...lines.map(([label = '', value]) => `${label.padEnd(14)}${value}`),
    '',
    ...table,
    ...(violations.length > 0 ? ['', ...violations] : []),
  ].join('\n');
}

const DISK: Record<DiskKind, string> = {
  tmpfs: 'own file system: full and read-only were possible',
  folder: 'a folder: read-only was possible, full was not',
  unbreakable: 'could not be broken: neither full nor read-only was possible',
};

function nameOf(target: string): string {
  return target.replace(/-\d$/, '');
}

/** @returns `2 done, 1 failed`, the most frequent first. */
function count(words: string[]): string {
  const counted = new Map<string, number>();
  for (const word of words) counted.set(word, (counted.get(word) ?? 0) + 1);
  return [...counted]
    .toSorted(([, a], [, b]) => b - a)
    .map(([word, times]) => `${times} ${word}`)
    .join('; ');
}
