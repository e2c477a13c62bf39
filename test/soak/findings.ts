/** Findings of a soak: values that must stay level, growth per task, and what must be gone at the end. Pure. */
import type { Fault } from '../chaos/plan.ts';
import { judgeCost, judgeLevel, lastLife, type Cost, type Level, type Point, type Tolerance } from './judge.ts';
import { MEASURES, type Measure, type ProcessSample, type Sample } from './sample.ts';

export interface Findings {
  levels: (Level & { name: string; unit: string })[];
  /** Growth per task. */
  costs: (Cost & { name: string; unit: string; atTheEnd: number })[];
  /** What is left when the system is idle. */
  left: { name: Measure; value: number; allowed: number }[];
  /** One line for each process that ended without a fault of the plan. */
  ended: string[];
}

/**
 * Shortest life that is judged, in milliseconds: the heap of a Node process takes minutes to reach its size. In a soak of half
 * an hour the engine lives ten minutes.
 */
const SHORTEST_MS = 8 * 60_000;

/**
 * Tolerances. Memory: the fluctuation of a heap. Descriptors and threads: a few connections; a leak of one per fault or task
 * would add dozens or hundreds.
 */
const OF_PROCESSES: Record<keyof Omit<ProcessSample, 'pid'>, { unit: string; tolerance: Tolerance }> = {
  memory: { unit: 'MB', tolerance: { atLeast: 10, share: 0.05 } },
  descriptors: { unit: '', tolerance: { atLeast: 4, share: 0.05 } },
  threads: { unit: '', tolerance: { atLeast: 2, share: 0.05 } },
};

/** Values that do not depend on the number of tasks, with their tolerances. */
const LEVELS: Partial<Record<Measure, Tolerance>> = {
  'open workflows': { atLeast: 5, share: 0.2 },
  'longest history: events': { atLeast: 100, share: 0.1 },
  'longest history: size': { atLeast: 50, share: 0.1 },
  'the limiter’s history: events': { atLeast: 100, share: 0.1 },
  'the limiter’s history: size': { atLeast: 50, share: 0.1 },
  'slots the limiter holds': { atLeast: 5, share: 0.2 },
  'closed workflows kept for 2 min': { atLeast: 10, share: 0.2 },
  'journal: entries': { atLeast: 5, share: 0 },
  // The file never shrinks: it has the size of the largest set of waiting callbacks.
  'journal: its file': { atLeast: 4, share: 0.2 },
  'its write-ahead log': { atLeast: 8, share: 0.2 },
};

/** Values that grow with each task until removal by age, and the growth per task that is ignored. */
const COSTS: Partial<Record<Measure, number>> = {
  'the engine’s database': 0.01,
  logs: 0.001,
  payloads: 0.01,
  'payload files': 0.01,
  'dead letters': 0.01,
};

/** What may be left when the system is idle. The open workflows are the limiters of the two agents. */
const LEFT: Partial<Record<Measure, number>> = {
  'pending files': 0,
  'other files beside the results': 0,
  'results in the inbox': 0,
  'files of streams': 0,
  'journal: entries': 0,
  'open workflows': 2,
  'slots the limiter holds': 0,
};

/** How long a restart after a fault may take, in milliseconds. */
const BACK_WITHIN_MS = 30_000;

/**
 * @param samples taken under load, in order
 * @param last taken when the system was idle
 */
export function findingsOf(samples: Sample[], last: Sample, faults: Fault[]): Findings {
  const names = [...new Set(samples.flatMap(({ processes }) => Object.keys(processes)))];
  const lives = names.map((name) => {
    const present = samples.flatMap(({ at, processes: { [name]: process } }) => (process ? [{ at, process }] : []));
    return { name, life: lastLife(present, ({ process }) => process.pid) };
  });
  return {
    levels: [
      ...lives.flatMap(({ name, life }) =>
        entriesOf(OF_PROCESSES).map(([what, { unit, tolerance }]) => {
          const points = life.map(({ at, process }) => ({ x: at, y: process[what] }));
          return { name: `${name}: ${what}`, unit, ...judgeLevel(points, tolerance, SHORTEST_MS) };
        }),
      ),
      ...entriesOf(LEVELS).map(([name, tolerance]) => {
        const points = pointsOf(samples, name, ({ at }) => at);
        return { name, unit: MEASURES[name], ...judgeLevel(points, tolerance, SHORTEST_MS) };
      }),
    ],
    costs: entriesOf(COSTS).map(([name, atLeast]) => {
      const points = pointsOf(samples, name, ({ values }) => values['finished tasks']);
      return { name, unit: MEASURES[name], atTheEnd: last.values[name] ?? NaN, ...judgeCost(points, atLeast) };
    }),
    left: entriesOf(LEFT).map(([name, allowed]) => ({ name, value: last.values[name] ?? NaN, allowed })),
    ended: lives.flatMap(({ name, life }) => endedByItself(name, life[0]?.at ?? Infinity, samples[0]?.at ?? 0, faults)),
  };
}

/** @returns whether nothing leaks and no process ended by itself. */
export function isFlat({ levels, costs, left, ended }: Findings): boolean {
  return (
    levels.every(({ verdict }) => verdict !== 'rises') &&
    costs.every(({ verdict }) => verdict !== 'grows') &&
    left.every(({ value, allowed }) => value <= allowed) &&
    ended.length === 0
  );
}

function pointsOf(samples: Sample[], name: Measure, xOf: (sample: Sample) => number | undefined): Point[] {
  return samples.flatMap((sample) => {
    const [x, y] = [xOf(sample), sample.values[name]];
    return x === undefined || y === undefined ? [] : [{ x, y }];
  });
}

/** Reports a process that started at a time when no fault had ended its predecessor. */
function endedByItself(name: string, since: number, from: number, faults: Fault[]): string[] {
  const kills = faults.filter(({ target, how }) => target === name && (how === 'SIGKILL' || how === 'SIGTERM'));
  const back = Math.max(0, ...kills.map(({ at, for_ms }) => at + for_ms)) + BACK_WITHIN_MS;
  if (since - from <= back) return [];
  return [
    `${name} ended by itself: it has run since ${Math.round((since - from) / 1000)} s, and no fault had ended it then`,
  ];
}

function entriesOf<K extends string, V>(record: Partial<Record<K, V>>): [K, V][] {
  return Object.entries(record) as [K, V][];
}
