/** Judges whether a series of measurements stayed level. Pure. */
import { median } from '../../bench/stats.ts';

/** A value at a time, or at a number of tasks. */
export interface Point {
  x: number;
  y: number;
}

/** Tolerated rise over the judged part, absolute or as a share of the level: the greater of the two. */
export interface Tolerance {
  atLeast: number;
  share: number;
}

export interface Level {
  /** Number of judged values, and their range of `x`. */
  n: number;
  over: number;
  /** Medians of the second quarter and of the last. */
  before: number;
  after: number;
  most: number;
  /** Rise over the judged part, by its slope. */
  rise: number;
  /** `rises`: it rises until the end. `too short`: not enough data. */
  verdict: 'level' | 'rises' | 'too short';
}

/** Least number of values that is judged. */
const FEWEST = 24;

/** Share of a life that is not judged: caches fill, code is compiled, the heap grows to its size. */
const WARM_UP = 1 / 4;

/**
 * Judges one life of a process, from its start to its end.
 *
 * A leak does not stop: the rise must exceed the tolerance, and the second half must rise at no less than half the rate of the
 * whole. A value that reached its level late has not leaked.
 *
 * @param shortest least length of a life, in units of `x`
 */
export function judgeLevel(life: Point[], { atLeast, share }: Tolerance, shortest: number): Level {
  const judged = life.slice(Math.floor(life.length * WARM_UP));
  const over = spanOf(judged);
  const [before, after] = [quarter(life, 1), quarter(life, 3)];
  const rate = slope(judged);
  const rise = rate * over;
  const isShort = judged.length < FEWEST || over < shortest * (1 - WARM_UP);
  const isMuch = rise > Math.max(atLeast, share * Math.abs(before));
  const continues = slope(judged.slice(Math.floor(judged.length / 2))) >= rate / 2;
  return {
    n: judged.length,
    over,
    before,
    after,
    most: life.reduce((most, { y }) => Math.max(most, y), -Infinity),
    rise,
    verdict: isShort ? 'too short' : isMuch && continues ? 'rises' : 'level',
  };
}

export interface Cost {
  /** Slope over the first half, and over the second. */
  before: number;
  after: number;
  verdict: 'even' | 'grows' | 'too short';
}

/** Tolerated ratio of the two slopes: kinds of tasks and checkpoints differ by chance. */
const UNEVEN = 1.5;

/**
 * Judges a value that grows with the number of tasks: the growth per task must not increase.
 *
 * @param atLeast growth per task that is ignored, in units of `y`
 */
export function judgeCost(points: Point[], atLeast: number): Cost {
  const half = Math.floor(points.length / 2);
  const [before, after] = [slope(points.slice(0, half)), slope(points.slice(half))];
  const isShort = points.length < 2 * FEWEST;
  const grows = after > Math.max(before * UNEVEN, atLeast);
  return { before, after, verdict: isShort ? 'too short' : grows ? 'grows' : 'even' };
}

/** Theil–Sen estimator: the median of the slopes between any two points; robust against 29 % outliers. */
export function slope(points: Point[]): number {
  const slopes: number[] = [];
  for (const [index, from] of points.entries()) {
    for (const to of points.slice(index + 1)) if (to.x > from.x) slopes.push((to.y - from.y) / (to.x - from.x));
  }
  return slopes.length > 0 ? median(slopes) : 0;
}

/** @returns the samples of the last life: those since the id changed. */
export function lastLife<T>(samples: T[], idOf: (sample: T) => unknown): T[] {
  const last = samples.at(-1);
  if (last === undefined) return [];
  return samples.slice(samples.findLastIndex((sample) => idOf(sample) !== idOf(last)) + 1);
}

function quarter(life: Point[], index: number): number {
  const length = life.length / 4;
  return median(life.slice(Math.floor(index * length), Math.ceil((index + 1) * length)).map(({ y }) => y));
}

function spanOf(points: Point[]): number {
  return (points.at(-1)?.x ?? 0) - (points[0]?.x ?? 0);
}
