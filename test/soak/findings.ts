/** What the samples of a soak say: what had to stay level, what each task leaves behind, and what had to be gone. Pure. */
import type { Fault } from '../chaos/plan.ts';
import { judgeCost, judgeLevel, lastLife, type Cost, type Level, type Point, type Tolerance } from './judge.ts';
import { MEASURES, type Measure, type ProcessSample, type Sample } from './sample.ts';

export interface Findings {
  levels: (Level & { name: string; unit: string })[];
  /** For each task. */
  costs: (Cost & { name: string; unit: string; atTheEnd: number })[];
  /** What is left once nothing runs any more. */
  left: { name: Measure; value: number; allowed: number }[];
  /** One line for each process that ended though nobody had ended it. */
  ended: string[];
}

/**
 * Less than this is not judged, in milliseconds: a Node process takes minutes until its heap has its size. The engine's life
 * in a soak of half an hour is ten minutes.
 */
const SHORTEST_MS = 8 * 60_000;

/**
 * What may come in the time that is judged. Of memory, what heaps do by themselves from one look to the next; of descriptors and
 * threads, a few connections: a leak of one for each fault, or each task, comes to dozens, or hundreds.
 */
const OF_PROCESSES: Record<keyof Omit<ProcessSample, 'pid'>, { unit: string; tolerance: Tolerance }> = {
  memory: { unit: 'MB', tolerance: { atLeast: 10, share: 0.05 } },
  descriptors: { unit: '', tolerance: { atLeast: 4, share: 0.05 } },
  threads: { unit: '', tolerance: { atLeast: 2, share: 0.05 } },
};

/** What does not depend on how many tasks there have been, and what of it may come. */
const LEVELS: Partial<Record<Measure, Tolerance>> = {
  'open workflows': { atLeast: 5, share: 0.2 },
  'longest history: events': { atLeast: 100, share: 0.1 },
  'longest history: size': { atLeast: 50, share: 0.1 },
  'the limiter’s history: events': { atLeast: 100, share: 0.1 },
  'the limiter’s history: size': { atLeast: 50, share: 0.1 },
  'places the limiter holds': { atLeast: 5, share: 0.2 },
  'closed workflows kept for 2 min': { atLeast: 10, share: 0.2 },
  'journal: entries': { atLeast: 5, share: 0 },
  // The file keeps the size that it needed once; a few large callbacks more that wait at once make it larger.
  'journal: its file': { atLeast: 4, share: 0.2 },
  'its write-ahead log': { atLeast: 8, share: 0.2 },
};

/** What each task leaves behind until it is removed by age, and what of it is not worth a word. */
const COSTS: Partial<Record<Measure, number>> = {
  'the engine’s database': 0.01,
  logs: 0.001,
  payloads: 0.01,
  'payload files': 0.01,
  'dead letters': 0.01,
};

/** What is gone when nothing runs any more: of what there is one all the same, the limiter. */
const LEFT: Partial<Record<Measure, number>> = {
  'pending files': 0,
  'other files beside the results': 0,
  'results in the inbox': 0,
  'files of streams': 0,
  'journal: entries': 0,
  'open workflows': 1,
  'places the limiter holds': 0,
};

/** How long after a fault its process may start, in milliseconds. */
const BACK_WITHIN_MS = 30_000;

/**
 * @param samples while there was load, in order.
 * @param last what there was when nothing ran any more.
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

/** @returns whether all is as it has to be. */
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

/** Whoever has lived since a moment at which nothing had ended it. */
function endedByItself(name: string, since: number, from: number, faults: Fault[]): string[] {
  const kills = faults.filter(({ target, how }) => target === name && (how === 'SIGKILL' || how === 'SIGTERM'));
  const back = Math.max(0, ...kills.map(({ at, for_ms }) => at + for_ms)) + BACK_WITHIN_MS;
  if (since - from <= back) return [];
  return [
    `${name} ended by itself: it has run since ${Math.round((since - from) / 1000)} s, and nothing had ended it then`,
  ];
}

function entriesOf<K extends string, V>(record: Partial<Record<K, V>>): [K, V][] {
  return Object.entries(record) as [K, V][];
}
