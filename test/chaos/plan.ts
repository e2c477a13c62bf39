/** The plan of a run: which tasks are started and which faults are injected, when. Deterministic for a seed. */
import type { Limits } from '../../src/shared/limits.ts';
import type { Priority, Task } from '../../src/shared/task.ts';
import { Dice } from './dice.ts';
import { KINDS, RELAYED_KINDS, type Kind, type KindOptions } from './kinds.ts';

/** One task to start, and when it is cancelled. */
export interface PlannedTask {
  /** Task name; unique in a plan. */
  name: string;
  kind: Kind;
  /** When it is started, in milliseconds. */
  at: number;
  request: Pick<
    Task,
    'prompt' | 'timeout_ms' | 'grace_ms' | 'priority' | 'resend_unknown' | 'ack' | 'request' | 'budget'
  >;
  /** When it is cancelled: milliseconds after its start was confirmed. */
  cancel_after?: number;
  files?: PlannedFile[];
  /** Makes it a map of these rows, which are the marks of their requests. */
  rows?: string[];
  /** Started by a schedule. */
  isScheduled?: true;
  /** When its user allows it, since it exceeds its budget: milliseconds after its start was confirmed. */
  allow_after?: number;
  /** Continues its conversation, once it has its answer. */
  next?: PlannedTask;
}

/** A text, or a PDF of it that Kimi reads. */
export interface PlannedFile {
  text: string;
  /** Directives for the upload of the PDF. */
  upload?: string;
}

/** Whether it is a map, a schedule, or over its budget. */
export function isJob({ rows, isScheduled, allow_after }: PlannedTask): boolean {
  return (rows ?? isScheduled ?? allow_after) !== undefined;
}

/**
 * How the product runs: as `up` starts it, with all services in one process, or as the separate programs of a cluster. `relay`: as `up`
 * starts it for Moonshot's API, which takes documents and does not call back.
 */
export type Shape = 'up' | 'cluster' | 'relay';

export type Target =
  | 'worker-1'
  | 'worker-2'
  | 'webhook'
  | 'relay'
  /** The process of `up`, which supervises the others. */
  | 'up'
  | 'services'
  /** `up` and every process of it. */
  | 'everything'
  | 'engine'
  | 'gateway'
  | 'disk'
  | 'journal disk';

/** A fault of a target, its time and its duration. Milliseconds. */
export interface Fault {
  at: number;
  for_ms: number;
  target: Target;
  how: How;
}

type How =
  /** The process ends and stays down. */
  | 'SIGKILL'
  | 'SIGTERM'
  /** The process is paused. */
  | 'SIGSTOP'
  /** The gateway responds 503, never responds, or refuses connections. */
  | '503'
  | 'hanging'
  | 'refusing'
  /** The disk of the results, or of the webhook's journal, accepts no writes. */
  | 'full'
  | 'read-only';

export interface Plan {
  seed: number;
  limits: Limits;
  tasks: PlannedTask[];
  faults: Fault[];
}

/** Mean time between two starts, in milliseconds: 400 tasks in less than five minutes. */
export const PACE_MS = 700;

/** The same with documents, which take more of the machine. */
export const RELAYED_PACE_MS = 1_500;

/** One day: tasks that wait for a late answer are still open when the run ends. */
const GRACE_MS = 86_400_000;

/** Percentage of the requests of the first minute that the limit admits: low enough that some tasks queue. */
const ADMITTED = { from: 65, to: 80 };

/** Of requests to Moonshot's API only the tokens and the uploads are checked, not the times. */
const UNLIMITED: Limits = { per_minute: 1_000, concurrent: 500, queued: 0 };

/** Mean number of requests per task, throttled ones (429) included. */
const REQUESTS_PER_TASK = 1.15;

/** Faults by name. Durations are milliseconds. */
type Faults = Record<string, (dice: Dice) => Omit<Fault, 'at'>[]>;

/** Faults of a stack that `up` started: what it supervises is down until it starts it again. */
const UP_FAULTS: Faults = {
  'the services killed': () => [{ target: 'services', how: 'SIGKILL', for_ms: 0 }],
  'the services killed again': () => [{ target: 'services', how: 'SIGKILL', for_ms: 0 }],
  // They stay down meanwhile.
  'the services killed, up paused': (dice) => [
    { target: 'up', how: 'SIGSTOP', for_ms: dice.between(1_000, 4_000) },
    { target: 'services', how: 'SIGKILL', for_ms: 0 },
  ],
  'the services paused': (dice) => [{ target: 'services', how: 'SIGSTOP', for_ms: dice.between(1_000, 8_000) }],
  'up killed': (dice) => [{ target: 'up', how: 'SIGKILL', for_ms: dice.between(0, 3_000) }],
  'up stopped': (dice) => [{ target: 'up', how: 'SIGTERM', for_ms: dice.between(0, 3_000) }],
  'everything killed': (dice) => [{ target: 'everything', how: 'SIGKILL', for_ms: dice.between(0, 3_000) }],
};

/** Faults of a cluster. */
const CLUSTER_FAULTS: Faults = {
  'one worker killed': (dice) => [
    { target: dice.pick(['worker-1', 'worker-2']), how: 'SIGKILL', for_ms: dice.between(0, 4_000) },
  ],
  'the other worker killed': (dice) => [
    { target: dice.pick(['worker-1', 'worker-2']), how: 'SIGKILL', for_ms: dice.between(0, 4_000) },
  ],
  'one worker stopped': (dice) => [
    { target: dice.pick(['worker-1', 'worker-2']), how: 'SIGTERM', for_ms: dice.between(0, 2_000) },
  ],
  // May exceed the 5 s after which workflow tasks move to another worker and the outcome of dispatches is unknown.
  'one worker paused': (dice) => [
    { target: dice.pick(['worker-1', 'worker-2']), how: 'SIGSTOP', for_ms: dice.between(1_000, 8_000) },
  ],
  'both workers killed': (dice) => [
    { target: 'worker-1', how: 'SIGKILL', for_ms: dice.between(0, 3_000) },
    { target: 'worker-2', how: 'SIGKILL', for_ms: dice.between(0, 3_000) },
  ],
  'the webhook killed': (dice) => [{ target: 'webhook', how: 'SIGKILL', for_ms: dice.between(0, 5_000) }],
  'the webhook stopped': (dice) => [{ target: 'webhook', how: 'SIGTERM', for_ms: dice.between(0, 3_000) }],
};

/** Faults of both. */
const FAULTS: Faults = {
  'the engine killed': (dice) => [{ target: 'engine', how: 'SIGKILL', for_ms: dice.between(0, 5_000) }],
  'the engine stopped': (dice) => [{ target: 'engine', how: 'SIGTERM', for_ms: dice.between(0, 3_000) }],
  'the engine killed, and the journal’s disk full': (dice) => [
    { target: 'engine', how: 'SIGKILL', for_ms: dice.between(1_000, 5_000) },
    { target: 'journal disk', how: 'full', for_ms: dice.between(1_000, 5_000) },
  ],
  'the gateway busy': (dice) => [{ target: 'gateway', how: '503', for_ms: dice.between(1_000, 6_000) }],
  'the gateway hanging': (dice) => [{ target: 'gateway', how: 'hanging', for_ms: dice.between(1_000, 6_000) }],
  'the gateway down': (dice) => [{ target: 'gateway', how: 'refusing', for_ms: dice.between(1_000, 6_000) }],
  'the disk full': (dice) => [{ target: 'disk', how: 'full', for_ms: dice.between(1_000, 5_000) }],
  'the disk read-only': (dice) => [{ target: 'disk', how: 'read-only', for_ms: dice.between(1_000, 5_000) }],
};

/** Time of the first fault, and between two faults; faults may overlap. Milliseconds. */
const FAULT_GAP = { first: 2_000, from: 1_200, to: 4_500 };

/** Minimum time between two faults of one target, in milliseconds. */
const REST_MS = 2_000;

/**
 * @param seed an integer
 * @param count number of tasks
 */
export function planFor(seed: number, count: number, shape: Shape): Plan {
  const dice = new Dice(seed);
  const isRelayed = shape === 'relay';
  const span = count * (isRelayed ? RELAYED_PACE_MS : PACE_MS);
  const firstMinute = Math.min(count, 60_000 / PACE_MS) * REQUESTS_PER_TASK;
  const limits: Limits = {
    per_minute: Math.max(Math.round((firstMinute * dice.between(ADMITTED.from, ADMITTED.to)) / 100), 1),
    concurrent: dice.between(5, 12),
    queued: 0,
  };
  const table = isRelayed ? RELAYED_KINDS : KINDS;
  const kinds = dice.deal(Object.entries(table).flatMap(([kind, { cards }]) => Array<Kind>(cards).fill(kind as Kind)));
  const tasks: PlannedTask[] = [];
  for (let n = 1; n <= count; n += 1) {
    const name = `chaos-${String(n).padStart(3, '0')}`;
    tasks.push(planTask(dice, name, kinds.next().value, dice.between(0, span)));
  }
  return {
    seed,
    limits: isRelayed ? UNLIMITED : limits,
    tasks: tasks.toSorted((a, b) => a.at - b.at),
    faults: planFaults(dice, span, shape),
  };
}

function planTask(dice: Dice, name: string, kind: Kind, at: number): PlannedTask {
  const timeout_ms = dice.between(3_000, 5_000);
  const options: KindOptions = { ...KINDS, ...RELAYED_KINDS }[kind];
  const {
    directives,
    cancel_after,
    inFile,
    documents = [],
    isContinued,
    more,
    rows,
    isScheduled,
    allow_after,
    ...special
  } = options.deal(dice, timeout_ms);
  const own = rows === undefined ? name : '{{text}}';
  const asked = `${own}: write a calculator`;
  const wish = [`[[simulate: mark=${own} ${directives}]]`, ...(more === undefined ? [] : [more])].join(' ');
  const files = [
    ...(inFile ? [{ text: wish }] : []),
    ...documents.map((upload, n) => ({ text: `document ${n + 1} of ${name}`, upload })),
  ];
  return {
    name,
    kind,
    at,
    request: {
      prompt: inFile ? asked : `${asked} ${wish}`,
      timeout_ms,
      grace_ms: GRACE_MS,
      ...(dice.percent(50) && { priority: dice.between(1, 5) as Priority }),
      ...(dice.percent(5) && { resend_unknown: true as const }),
      ...(dice.percent(12) && { ack: 'agent' as const }),
      ...special,
    },
    ...(cancel_after !== undefined && { cancel_after }),
    ...(files.length > 0 && { files }),
    ...(rows !== undefined && { rows: Array.from({ length: rows }, (_, n) => `${name}-row-${n + 1}`) }),
    ...(isScheduled && { isScheduled }),
    ...(allow_after !== undefined && { allow_after }),
    ...(isContinued && { next: planTask(dice, `next-${name}`, 'streamed', at) }),
  };
}

function planFaults(dice: Dice, span: number, shape: Shape): Fault[] {
  const deck = dice.deal(Object.values({ ...(shape === 'cluster' ? CLUSTER_FAULTS : UP_FAULTS), ...FAULTS }));
  const healthyFrom = new Map<Target, number>();
  const faults: Fault[] = [];
  for (let at = FAULT_GAP.first; at < span; at += dice.between(FAULT_GAP.from, FAULT_GAP.to)) {
    for (const fault of deck.next().value(dice)) {
      const earliest = healthyFrom.get(fault.target) ?? 0;
      const from = Math.max(at, earliest);
      healthyFrom.set(fault.target, from + fault.for_ms + REST_MS);
      faults.push({ at: from, ...fault });
    }
  }
  return faults.toSorted((a, b) => a.at - b.at);
}
