import { isTruncated, type Cost, type Timings } from '../shared/result.ts';
import type { Outcome } from '../shared/task.ts';
import { addUp, apart, spanOf, withoutMaps, type Span, type Usage } from '../results/usage.ts';
import * as z from 'zod';
import { firstCharacters } from '../shared/format.ts';

export const OUTCOMES = ['done', 'failed', 'timed_out', 'cancelled'] as const satisfies Outcome[];
type Counts = Record<Outcome, number>;

/** The steps of a task, in order, with the targets of docs/benchmarks.md in milliseconds. */
const STEPS = [
  { name: 'queued_ms' },
  { name: 'dispatch_ms', target: 1_000 },
  { name: 'kimi_ms' },
  { name: 'save_ms', target: 100 },
  { name: 'wake_ms', target: 500 },
] as const satisfies { name: keyof Timings; target?: number }[];

/** How long one step took. Milliseconds. */
export interface Latency {
  step: keyof Timings;
  /** Tasks that recorded this step; without any, `times` is absent. */
  tasks: number;
  times?: Record<'p5' | 'p25' | 'p50' | 'p75' | 'p95' | 'p99' | 'max', number>;
  target?: number;
  /** Share of the tasks that met the target, from 0 to 1. */
  met?: number;
}

/** Tasks that failed or timed out for the same reason. */
export interface Failure {
  type: string;
  /** Error message of the last of them. */
  message: string;
  tasks: number;
  /** The task that failed last. */
  last: Entry;
}

export interface Figures {
  /** Milliseconds since 1970. */
  since: number;
  until: number;
  /** Results in the period that are counted. */
  tasks: number;
  /** Simulated ones; not counted unless there are no others. */
  simulated: number;
  isSimulation: boolean;
  outcomes: Counts;
  /** Done with a truncated answer. */
  truncated: number;
  /** Answers that arrived after the deadline. */
  late: number;
  /** Results whose notification is not acknowledged yet. A row, or a task of a program, has none. */
  unacknowledged: number;
  /** Length of the groups over time. */
  span: Span;
  /** Every span of the period, empty ones included. */
  overTime: { key: string; counts: Counts }[];
  latencies: Latency[];
  /** Results without `timings`. */
  untimed: number;
  byModel: Usage;
  byTime: Usage;
  /** The newest first. */
  latest: Entry[];
  /** From start to result, the slowest first. */
  slowest: Entry[];
  /** One list per currency, because exchange rates change; by tokens if no price is known. */
  dearest: { by: Cost['currency'] | 'tokens'; entries: Entry[] }[];
  /** The most frequent first. */
  failures: Failure[];
}

/** Length of a ranked list. */
const LISTED = 10;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Aggregates the results of a period.
 *
 * @param all `undefined` for a file that holds no valid result. Of a map, its rows are counted, and the map itself is only listed.
 * @param since, until milliseconds since 1970
 */
export function figuresOf(all: readonly (Entry | undefined)[], since: number, until: number): Figures {
  const entries = [...withoutMaps(all)];
  const { counted, simulated, isSimulation } = apart(entries);
  const known = counted.filter((entry) => entry !== undefined);
  const maps = all.filter((entry) => entry?.map && (isSimulation || !entry.simulated)) as Entry[];
  const span: Span = until - since <= 2 * DAY_MS ? 'hour' : until - since <= 92 * DAY_MS ? 'day' : 'month';
  return {
    since,
    until,
    tasks: known.length,
    simulated,
    isSimulation,
    outcomes: countsOf(known),
    truncated: known.filter((entry) => entry.status === 'done' && isTruncated(entry)).length,
    late: known.filter(({ late }) => late).length,
    unacknowledged: [...known, ...maps].filter((each) => !each.acknowledged && !each.row && each.wake !== false).length,
    span,
    overTime: overTime(known, span, since, until),
    latencies: STEPS.map((step) => latencyOf(known, step)),
    untimed: known.filter(({ timings }) => !timings).length,
    byModel: addUp(counted, 'model'),
    byTime: addUp(counted, span),
    latest: most([...known.filter(({ row }) => !row), ...maps], ({ completed_at }) => Date.parse(completed_at)),
    slowest: most(known, durationOf),
    dearest: dearestOf(known),
    failures: failuresOf(known),
  };
}

/** From start to result, in milliseconds. Both timestamps have a resolution of one second. */
export function durationOf({ created_at, completed_at }: Entry): number | undefined {
  return created_at === undefined ? undefined : Math.max(0, Date.parse(completed_at) - Date.parse(created_at));
}

function countsOf(entries: readonly Entry[]): Counts {
  const counts = noCounts();
  for (const { status } of entries) counts[status] += 1;
  return counts;
}

function noCounts(): Counts {
  return { done: 0, failed: 0, timed_out: 0, cancelled: 0 };
}

function overTime(entries: readonly Entry[], span: Span, since: number, until: number): Figures['overTime'] {
  const groups = new Map<string, Counts>();
  const countsAt = (time: string): Counts => {
    const key = spanOf(time, span);
    const counts = groups.get(key) ?? noCounts();
    groups.set(key, counts);
    return counts;
  };
  // Hourly steps reach every hour, day and month.
  for (let time = since; time < until; time += HOUR_MS) countsAt(new Date(time).toISOString());
  countsAt(new Date(until).toISOString());
  for (const { status, completed_at } of entries) countsAt(completed_at)[status] += 1;
  // A result written with a clock ahead of ours may lie in a later span.
  return [...groups].map(([key, counts]) => ({ key, counts })).toSorted((a, b) => a.key.localeCompare(b.key));
}

function latencyOf(entries: readonly Entry[], { name, target }: { name: keyof Timings; target?: number }): Latency {
  const sorted = Float64Array.from(entries.flatMap(({ timings }) => timings?.[name] ?? [])).toSorted();
  const tasks = sorted.length;
  if (tasks === 0) return { step: name, tasks, ...(target !== undefined && { target }) };
  const at = (share: number): number => sorted[Math.ceil(share * tasks) - 1] ?? 0;
  return {
    step: name,
    tasks,
    times: { p5: at(0.05), p25: at(0.25), p50: at(0.5), p75: at(0.75), p95: at(0.95), p99: at(0.99), max: at(1) },
    ...(target !== undefined && { target, met: sorted.filter((time) => time < target).length / tasks }),
  };
}

/** @returns the {@link LISTED} highest by `measure`, the highest first; entries without a value are left out. */
function most(entries: readonly Entry[], measure: (entry: Entry) => number | undefined): Entry[] {
  return entries
    .flatMap((entry) => {
      const value = measure(entry);
      return value === undefined ? [] : [{ entry, value }];
    })
    .toSorted((a, b) => b.value - a.value)
    .slice(0, LISTED)
    .map(({ entry }) => entry);
}

function dearestOf(entries: readonly Entry[]): Figures['dearest'] {
  const currencies = [...new Set(entries.flatMap(({ cost }) => cost?.currency ?? []))].toSorted();
  if (currencies.length === 0) {
    const list = most(entries, ({ tokens }) => tokens?.total);
    return list.length > 0 ? [{ by: 'tokens', entries: list }] : [];
  }
  return currencies.map((by) => ({
    by,
    entries: most(entries, ({ cost }) => (cost?.currency === by ? cost.amount : undefined)),
  }));
}

function failuresOf(entries: readonly Entry[]): Failure[] {
  const failures = new Map<string, Failure>();
  for (const entry of entries) {
    if (entry.status !== 'failed' && entry.status !== 'timed_out') continue;
    const { type, message } = entry.error ?? { type: entry.status, message: '' };
    const known = failures.get(type);
    const isLast = !known || known.last.completed_at <= entry.completed_at;
    failures.set(type, {
      type,
      tasks: (known?.tasks ?? 0) + 1,
      ...(isLast ? { message, last: entry } : { message: known.message, last: known.last }),
    });
  }
  return [...failures.values()].toSorted((a, b) => b.tasks - a.tasks || a.type.localeCompare(b.type));
}

/** A result file may have been edited by hand: each value shown is checked to be a number, a time or a short text. */
const amount = z.number().nonnegative();
const time = z.iso.datetime();
const text = (characters: number) =>
  z.string().transform((value) => (value.length <= characters ? value : firstCharacters(value, characters)));
const ms = amount.optional().catch(undefined);

/** Characters of a question in a report. */
export const QUESTION_CHARS = 100;

const tokens = z.object({
  prompt: amount,
  completion: amount,
  total: amount,
  cached: amount.optional(),
  reasoning: amount.optional(),
});

const cost = z.object({
  amount,
  currency: z.enum(['CNY', 'USD']),
  saved: amount.optional(),
  price_date: z.string(),
});

const entry = z.object({
  task_id: z.string(),
  task_name: text(64),
  /** Beginning of what was asked: only of tasks that are listed, and not in a page that is served. */
  question: text(QUESTION_CHARS).optional().catch(undefined),
  status: z.enum(['done', 'failed', 'timed_out', 'cancelled']),
  model: text(64),
  tokens: tokens.optional(),
  cost: cost.optional(),
  fallback: z.looseObject({}).optional().catch(undefined),
  files: z
    .array(z.object({ bytes: amount }))
    .optional()
    .catch(undefined),
  finish_reason: z.string().optional(),
  error: z.object({ type: text(64), message: text(300) }).optional(),
  late: z.literal(true).optional(),
  simulated: z.literal(true).optional(),
  /** Absent in results of the original design. */
  created_at: time.optional(),
  completed_at: time,
  timings: z
    .object({ queued_ms: ms, dispatch_ms: ms, kimi_ms: ms, save_ms: ms, wake_ms: ms })
    .optional()
    .catch(undefined),
  acknowledged: z.literal(true).optional(),
  row: z.looseObject({}).optional().catch(undefined),
  map: z
    .object({
      rows: amount,
      done: amount,
      tokens: tokens.partial(),
      cost: z.array(cost),
    })
    .optional(),
  wake: z.literal(false).optional().catch(undefined),
});

/** The fields of a result that a report needs: without prompt and output, so that 50,000 of them fit into memory. */
export type Entry = z.output<typeof entry>;

/** @returns the tasks that a report lists by name. */
export function listedIn({ latest, slowest, dearest, failures }: Figures): Set<Entry> {
  return new Set([
    ...latest,
    ...slowest,
    ...dearest.flatMap(({ entries }) => entries),
    ...failures.map(({ last }) => last),
  ]);
}

/** @returns an entry for each result; `undefined` for a file that holds no valid result. */
export function entriesOf(results: Iterable<unknown>): (Entry | undefined)[] {
  return Array.from(results, (result) => entry.safeParse(result).data);
}
