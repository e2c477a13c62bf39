/** The pure parts of the soak: its plan, and that it distinguishes a leak from noise, warm-up and a restart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { mersenne } from 'pure-rand/generator/mersenne';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { describe, expect, it } from 'vitest';
import { findingsOf, isFlat } from './findings.ts';
import { judgeCost, judgeLevel, lastLife, slope, type Point } from './judge.ts';
import { soakPlan } from './plan.ts';
import { MEASURES, measureProcess, type Sample } from './sample.ts';

const MINUTE = 60_000;
const MEMORY = { atLeast: 10, share: 0.05 };

describe('a plan', () => {
  const { tasks, faults, span_ms, limits, jobs } = soakPlan(1, 30);

  it('is the same for the same seed and length, and another for another', () => {
    expect(soakPlan(7, 3)).toEqual(soakPlan(7, 3));
    expect(soakPlan(7, 3)).not.toEqual(soakPlan(8, 3));
  });

  it('is a steady mixed load that no limit bounds, of tasks that do not stay open', () => {
    expect(new Set(tasks.map(({ name }) => name)).size).toBe(tasks.length);
    expect(new Set(tasks.map(({ kind }) => kind)).size).toBe(20);
    expect(tasks.every(({ name, request }) => request.prompt.includes(name) && request.grace_ms <= MINUTE)).toBe(true);
    const perMinute = Array.from(
      { length: 30 },
      (_, n) => tasks.filter(({ at }) => Math.floor(at / MINUTE) === n).length,
    );
    expect(Math.min(...perMinute)).toBeGreaterThan(30);
    expect(Math.max(...perMinute)).toBeLessThan(limits.per_minute / 10);
    expect(tasks.every(({ at }) => at <= span_ms)).toBe(true);
  });

  it('has maps, schedules and budgets from its beginning to its end', () => {
    expect(new Set(jobs.map(({ kind }) => kind))).toEqual(
      new Set(['a map', 'a map in a batch', 'over its budget', 'scheduled']),
    );
    expect(Math.min(...jobs.map(({ at }) => at))).toBeLessThan(MINUTE);
    expect(Math.max(...jobs.map(({ at }) => at))).toBeGreaterThan(span_ms - MINUTE);
  });

  it('kills everything in the first third, only the engine in the second, nothing in the last, and injects other faults to the end', () => {
    const killed = (from: number, to: number) =>
      new Set(
        faults
          .filter(({ at, how }) => at >= from * MINUTE && at < to * MINUTE && (how === 'SIGKILL' || how === 'SIGTERM'))
          .map(({ target }) => target),
      );
    expect(killed(0, 10)).toEqual(new Set(['worker-1', 'worker-2', 'webhook', 'engine', 'relay']));
    expect(killed(10, 20)).toEqual(new Set(['engine']));
    expect(killed(20, 30)).toEqual(new Set());
    expect(new Set(faults.filter(({ at }) => at >= 20 * MINUTE).map(({ target }) => target)).size).toBe(8);
  });

  it('leaves the last third of each cycle calm', () => {
    const cycle = span_ms / 18;
    const inCycle = faults.map(({ at }) => (at % cycle) / cycle);
    expect(Math.max(...inCycle)).toBeLessThan(0.75);
  });

  it('has its three parts in a minute too', () => {
    expect(soakPlan(1, 1).tasks.length).toBe(60);
  });
});

/** A value every 5 s for so many minutes. */
function series(minutes: number, valueAt: (minute: number, noise: (size: number) => number) => number): Point[] {
  const dice = mersenne(1);
  const noise = (size: number): number => (uniformInt(dice, -1_000, 1_000) / 1_000) * size;
  return Array.from({ length: minutes * 12 }, (_, n) => ({ x: n * 5_000, y: valueAt(n / 12, noise) }));
}

/** The course of a heap: it grows, and is collected every four minutes. */
const sawtooth = (minute: number): number => (minute % 4) * 6;

function judged(points: Point[], tolerance = MEMORY): string {
  return judgeLevel(points, tolerance, 8 * MINUTE).verdict;
}

describe('a level', () => {
  it.each<[string, Point[]]>([
    ['noise', series(20, (_, noise) => 250 + noise(15))],
    ['a heap that grows and is collected', series(20, (minute, noise) => 250 + sawtooth(minute) + noise(5))],
    ['a value that warms up', series(20, (minute, noise) => 300 - 120 * Math.exp(-minute / 3) + noise(5))],
    [
      'a value that reaches its level late, in one step',
      series(20, (minute, noise) => (minute < 9 ? 250 : 275) + noise(5)),
    ],
    ['what falls', series(20, (minute, noise) => 300 - minute * 3 + noise(5))],
    ['single peaks', series(20, (minute, noise) => 250 + (Math.round(minute * 12) % 10 === 0 ? 200 : 0) + noise(5))],
  ])('is %s', (_, points) => {
    expect(judged(points)).toBe('level');
  });

  it.each<[string, Point[]]>([
    [
      'a leak of 1 MB a minute in a noisy heap',
      series(20, (minute, noise) => 250 + minute + sawtooth(minute) + noise(10)),
    ],
    ['a leak in steps, one at each of a cycle’s faults', series(20, (minute) => 250 + Math.floor(minute / 1.7) * 2)],
    ['a leak that grows faster and faster', series(20, (minute, noise) => 250 + minute ** 2 / 10 + noise(5))],
  ])('is not %s', (_, points) => {
    expect(judged(points)).toBe('rises');
  });

  it('of descriptors is not one more for every other fault', () => {
    expect(
      judged(
        series(20, (minute, noise) => 40 + Math.floor(minute * 3) + Math.round(noise(3))),
        { atLeast: 4, share: 0.05 },
      ),
    ).toBe('rises');
    expect(
      judged(
        series(20, (_, noise) => 40 + Math.round(noise(6))),
        { atLeast: 4, share: 0.05 },
      ),
    ).toBe('level');
  });

  it('of a young process is not judged', () => {
    expect(judged(series(5, (minute) => 100 + minute * 50))).toBe('too short');
    expect(judged([])).toBe('too short');
  });

  it('is that of the last life: a restart is no rise, and hides none', () => {
    const lives = [1, 2, 1].flatMap((pid, life) => Array.from({ length: 10 }, (_, n) => ({ pid, n: life * 10 + n })));
    expect(lastLife(lives, ({ pid }) => pid).map(({ n }) => n)).toEqual(lives.slice(20).map(({ n }) => n));
  });

  it('has its rise, its medians and its maximum', () => {
    const { rise, before, after, most } = judgeLevel(
      series(20, (minute) => 100 + minute),
      MEMORY,
      8 * MINUTE,
    );
    expect(rise).toBeCloseTo(15, 0);
    expect(before).toBeCloseTo(107.5, 0);
    expect(after).toBeCloseTo(117.5, 0);
    expect(most).toBeCloseTo(120, 0);
  });
});

/** A hundred samples, ten tasks apart. */
function tasks(costOf: (n: number) => number): Point[] {
  let sum = 0;
  return Array.from({ length: 100 }, (_, n) => ({ x: n * 10, y: (sum += costOf(n) * 10) }));
}

describe('growth per task', () => {
  it('is constant if it is the same for each task', () => {
    expect(
      judgeCost(
        tasks((n) => 30 + (n % 7)),
        1,
      ).verdict,
    ).toBe('even');
    expect(
      judgeCost(
        tasks(() => 30),
        1,
      ).after,
    ).toBeCloseTo(30);
  });

  it('increases if each task leaves more than those before it', () => {
    expect(
      judgeCost(
        tasks((n) => n),
        1,
      ).verdict,
    ).toBe('grows');
  });

  it('is ignored if it is small, and not judged for few tasks', () => {
    expect(
      judgeCost(
        tasks((n) => n / 1_000),
        1,
      ).verdict,
    ).toBe('even');
    expect(judgeCost(tasks((n) => n).slice(0, 20), 1).verdict).toBe('too short');
  });
});

it('a slope is not affected by a third of the points', () => {
  const points = Array.from({ length: 30 }, (_, x) => ({ x, y: x % 4 === 0 ? 1_000 : 2 * x }));
  expect(slope(points)).toBeCloseTo(2);
});

/** Half an hour without problems. */
function healthy(): Sample[] {
  const none = Object.fromEntries(Object.keys(MEASURES).map((name) => [name, 0])) as Sample['values'];
  return Array.from({ length: 360 }, (_, n) => ({
    at: n * 5_000,
    load: 1,
    processes: {
      webhook: { pid: n < 60 ? 1 : 2, memory: 100 + (n % 5), descriptors: 30 + (n % 3), threads: 11 },
    },
    values: { ...none, 'finished tasks': n * 5, 'the engine’s database': n * 0.2, 'open workflows': 8 },
  }));
}

const KILL = { at: 290_000, for_ms: 1_000, target: 'webhook', how: 'SIGKILL' } as const;
const LAST: Sample = { ...(healthy().at(-1) as Sample), values: { ...healthy()[0]?.values, 'open workflows': 1 } };

describe('a process', () => {
  it('is measured with all its open files', async () => {
    const before = await measureProcess(process.pid);
    const files = await Promise.all(Array.from({ length: 10 }, async () => await open('/dev/null')));
    const after = await measureProcess(process.pid);
    await Promise.all(files.map(async (file) => await file.close()));
    expect(after.descriptors - before.descriptors).toBe(10);
    expect(after.memory / (process.memoryUsage().rss / 1024 ** 2)).toBeCloseTo(1, 0);
    expect(after.threads).toBeGreaterThan(1);
  });

  it('is not measured once it has ended', async () => {
    const child = spawn('true');
    await once(child, 'exit');
    await expect(measureProcess(child.pid as number)).rejects.toThrow(/has ended|ENOENT/);
  });
});

describe('the findings', () => {
  it('are empty if nothing is wrong', () => {
    const findings = findingsOf(healthy(), LAST, [KILL]);
    expect(isFlat(findings)).toBe(true);
    expect(findings.levels.filter(({ verdict }) => verdict === 'too short')).toEqual([]);
  });

  it.each<[string, (samples: Sample[], last: Sample) => void]>([
    [
      'memory leaks',
      (samples) => samples.forEach(({ processes: { webhook } }, n) => webhook && (webhook.memory += n / 10)),
    ],
    [
      'descriptors leak',
      (samples) =>
        samples.forEach(({ processes: { webhook } }, n) => webhook && (webhook.descriptors += Math.floor(n / 20))),
    ],
    [
      'workflows stay open',
      (samples) => samples.forEach(({ values }, n) => (values['open workflows'] = 8 + Math.floor(n / 10))),
    ],
    [
      'the database grows faster and faster',
      (samples) => samples.forEach(({ values }, n) => (values['the engine’s database'] = n ** 2 / 100)),
    ],
    ['something is left in the journal', (_, last) => (last.values['journal: entries'] = 1)],
    ['the number of open workflows is unknown', (_, last) => delete last.values['open workflows']],
    [
      'a process ended by itself',
      (samples) => samples.forEach(({ processes: { webhook } }, n) => webhook && n > 200 && (webhook.pid = 3)),
    ],
  ])('say that %s', (_, change) => {
    const samples = healthy();
    const last = structuredClone(LAST);
    change(samples, last);
    expect(isFlat(findingsOf(samples, last, [KILL]))).toBe(false);
  });
});
