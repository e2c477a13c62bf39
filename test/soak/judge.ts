/** Whether what was measured again and again stayed level. Pure. */
import { median } from '../../bench/stats.ts';

/** A value at a moment, or at a number of tasks. */
export interface Point {
  x: number;
  y: number;
}

/** How much may come in the time that is judged, by itself or as a share of the level: the greater of the two. */
export interface Tolerance {
  atLeast: number;
  share: number;
}

export interface Level {
  /** How many values are judged, and over how much of `x`. */
  n: number;
  over: number;
  /** Medians of the second quarter and of the last. */
  before: number;
  after: number;
  most: number;
  /** What has come in the time that is judged, by the slope. */
  rise: number;
  /** `rises`: it rises, and goes on rising. `too short`: nothing can be said. */
  verdict: 'level' | 'rises' | 'too short';
}

/** Fewer values say nothing. */
const FEWEST = 24;

/** The part of a life that is not judged: caches fill, code is compiled, a heap finds its size. */
const WARM_UP = 1 / 4;

/**
 * Judges one life: a restart is another one, whose beginning is none of this one's rise.
 *
 * A leak goes on. So it has to rise by more than is tolerated, and the second half of what is judged has to rise at no less than
 * half of the rate of the whole: what found its level late has not leaked.
 *
 * @param shortest the least that has to be judged, in units of `x`.
 */
export function judgeLevel(life: Point[], { atLeast, share }: Tolerance, shortest: number): Level {
  const judged = life.slice(Math.floor(life.length * WARM_UP));
  const over = spanOf(judged);
  const [before, after] = [quarter(life, 1), quarter(life, 3)];
  const rate = slope(judged);
  const rise = rate * over;
  const isShort = judged.length < FEWEST || over < shortest * (1 - WARM_UP);
  const isMuch = rise > Math.max(atLeast, share * Math.abs(before));
  const goesOn = slope(judged.slice(Math.floor(judged.length / 2))) >= rate / 2;
  return {
    n: judged.length,
    over,
    before,
    after,
    most: life.reduce((most, { y }) => Math.max(most, y), -Infinity),
    rise,
    verdict: isShort ? 'too short' : isMuch && goesOn ? 'rises' : 'level',
  };
}

export interface Cost {
  /** What each more of `x` adds: over the first half, and over the second. */
  before: number;
  after: number;
  verdict: 'even' | 'grows' | 'too short';
}

/** What a task leaves behind may differ between halves by chance: other kinds of tasks, another checkpoint. */
const UNEVEN = 1.5;

/**
 * Judges what is meant to grow: each task leaves the same behind, however many there were before it.
 *
 * @param atLeast a cost that is not worth a word, in units of `y`.
 */
export function judgeCost(points: Point[], atLeast: number): Cost {
  const half = Math.floor(points.length / 2);
  const [before, after] = [slope(points.slice(0, half)), slope(points.slice(half))];
  const isShort = points.length < 2 * FEWEST;
  const grows = after > Math.max(before * UNEVEN, atLeast);
  return { before, after, verdict: isShort ? 'too short' : grows ? 'grows' : 'even' };
}

/** Theil and Sen: the median of the slopes between any two points. A third of the points may be anything. */
export function slope(points: Point[]): number {
  const slopes: number[] = [];
  for (const [index, from] of points.entries()) {
    for (const to of points.slice(index + 1)) if (to.x > from.x) slopes.push((to.y - from.y) / (to.x - from.x));
  }
  return slopes.length > 0 ? median(slopes) : 0;
}

/** @returns the points of the last life: those behind the last one of another process. */
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
