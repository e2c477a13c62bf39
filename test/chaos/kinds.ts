/** The kinds of tasks: how each is drawn. */
import type { TaskRequest } from '../../src/shared/task.ts';
import type { Dice } from './dice.ts';
import type { PlannedTask } from './plan.ts';

/** How a kind of task is drawn: its simulator directives, and fields of its request. */
export interface KindOptions {
  /** Its share: number of cards in the deck of kinds. */
  cards: number;
  deal(
    dice: Dice,
    timeout_ms: number,
  ): Partial<PlannedTask['request']> & {
    directives: string;
    cancel_after?: number;
    /** Whether the directives are in a file: without it Kimi does not know them. */
    inFile?: true;
    /** Directives for the uploads of its documents. */
    documents?: string[];
    isContinued?: true;
    /** Other directives of its prompt. */
    more?: string;
    /** Number of rows of a map. */
    rows?: number;
    isScheduled?: true;
    /** Its budget is too small: how long its user takes to allow it, in milliseconds. */
    allow_after?: number;
  };
}

/** Size of the answer to a task with a file, in characters: the file asks for it. */
export const SIZE_IN_FILE = 4_321;

export const KINDS = {
  plain: { cards: 9, deal: (dice) => ({ directives: `delay=${dice.between(100, 2_500)}` }) },
  duplicates: {
    cards: 3,
    deal: (dice) => ({ directives: `delay=${dice.between(100, 2_000)} duplicates=${dice.between(1, 3)}` }),
  },
  failing: { cards: 2, deal: (dice) => ({ directives: `delay=${dice.between(100, 1_000)} fail=1` }) },
  'never answered': { cards: 2, deal: () => ({ directives: 'drop=1' }) },
  late: { cards: 3, deal: (dice, timeout_ms) => ({ directives: `delay=${timeout_ms + dice.between(500, 4_000)}` }) },
  'after the grace': {
    cards: 2,
    deal: (dice, timeout_ms) => ({
      directives: `delay=${timeout_ms + 1_500 + dice.between(500, 2_500)}`,
      grace_ms: 1_500,
    }),
  },
  throttled: {
    cards: 3,
    deal: (dice) => ({
      directives: `delay=${dice.between(100, 1_500)} status=429 type=rate_limit_reached_error refusals=${dice.between(1, 2)}`,
    }),
  },
  'out of quota': { cards: 1, deal: () => ({ directives: 'status=429 type=exceeded_current_quota_error' }) },
  'connection closed': { cards: 2, deal: (dice) => ({ directives: `delay=${dice.between(500, 2_500)} hang-up=1` }) },
  'hung up, sent again': {
    cards: 1,
    deal: (dice) => ({ directives: `delay=${dice.between(2_000, 6_000)} hang-up=1`, resend_unknown: true }),
  },
  'answered directly': {
    cards: 2,
    deal: (dice) => ({ directives: `direct=1 accept-delay=${dice.between(0, 1_000)}` }),
  },
  early: { cards: 3, deal: (dice) => ({ directives: `early=1 accept-delay=${dice.between(0, 500)}` }) },
  'slow to accept': {
    cards: 3,
    deal: (dice) => ({ directives: `delay=${dice.between(100, 1_000)} accept-delay=${dice.between(1_000, 3_000)}` }),
  },
  large: { cards: 2, deal: (dice) => ({ directives: `delay=500 size=${dice.between(20_000, 400_000)}` }) },
  'with a file': {
    cards: 3,
    deal: (dice) => ({ directives: `delay=${dice.between(100, 1_500)} size=${SIZE_IN_FILE}`, inFile: true }),
  },
  'badly signed': { cards: 1, deal: () => ({ directives: 'delay=500 signature=wrong' }) },
  'cancelled immediately': {
    cards: 2,
    deal: (dice) => ({ directives: `delay=${dice.between(500, 3_000)}`, cancel_after: dice.between(0, 300) }),
  },
  cancelled: { cards: 2, deal: (dice) => ({ directives: 'delay=4000', cancel_after: dice.between(300, 2_500) }) },
  'cancelled, after the grace': {
    cards: 1,
    deal: (dice) => ({
      directives: `delay=${dice.between(7_000, 10_000)}`,
      cancel_after: dice.between(300, 1_000),
      grace_ms: 1_500,
    }),
  },
  'cancelled, never answered': {
    cards: 1,
    deal: (dice) => ({ directives: 'drop=1', cancel_after: dice.between(300, 2_500) }),
  },
} as const satisfies Record<string, KindOptions>;

const INTERRUPTED = 'reasoning=0 chunks=20 break=cut after=10 breaks=1';

/** Its rounds may cost less than the budget of the day. */
const SEARCH: TaskRequest = { tools: ['search', 'fetch'], max_tokens: 2_000 };

/** How long a batch may take, in milliseconds: one that may have been made is looked for a minute. */
const BATCH_MS = 240_000;

/** Kinds of tasks for Moonshot's API. Uploads take so long that faults meet them. */
export const RELAYED_KINDS = {
  streamed: { cards: 2, deal: (dice) => ({ directives: `chunks=20 chunk-delay=${dice.between(20, 200)}` }) },
  'stream interrupted': { cards: 2, deal: () => ({ directives: INTERRUPTED }) },
  'with documents': {
    cards: 6,
    deal: (dice) => ({
      directives: 'delay=100',
      documents: Array.from({ length: dice.between(1, 3) }, () => dice.pick(uploadsOf(dice))),
    }),
  },
  'with documents, interrupted': {
    cards: 1,
    deal: (dice) => ({ directives: INTERRUPTED, documents: [dice.pick(uploadsOf(dice))] }),
  },
  'with documents, cancelled': {
    cards: 2,
    deal: (dice) => ({
      directives: 'delay=100',
      documents: [`delay=${dice.between(2_000, 5_000)}`],
      cancel_after: dice.between(300, 1_500),
    }),
  },
  'with an unreadable document': { cards: 1, deal: () => ({ directives: 'delay=100', documents: ['status=400'] }) },
  continued: { cards: 2, deal: () => ({ directives: 'delay=100', isContinued: true }) },
  'with documents, continued': {
    cards: 4,
    deal: (dice) => ({ directives: 'delay=100', documents: [dice.pick(uploadsOf(dice))], isContinued: true }),
  },
  searching: {
    cards: 3,
    deal: (dice) => ({
      directives: `chunks=20 chunk-delay=20 calls=${dice.between(1, 3)}`,
      request: SEARCH,
      more: `[[call: ${callsOf(dice)}]]`,
    }),
  },
  'searching, interrupted': {
    cards: 1,
    deal: (dice) => ({ directives: INTERRUPTED, request: SEARCH, more: `[[call: ${callsOf(dice)}]]` }),
  },
  'in a batch': {
    cards: 2,
    deal: (dice) => ({
      directives: '',
      request: { batch: true },
      timeout_ms: BATCH_MS,
      more: `[[batch: ${batchesOf(dice)}]]`,
    }),
  },
  'a map': {
    cards: 2,
    deal: (dice) => ({ directives: `delay=${dice.between(100, 1_500)}`, timeout_ms: 60_000, rows: dice.between(4, 8) }),
  },
  'a map in a batch': {
    cards: 1,
    deal: (dice) => ({
      directives: '',
      request: { batch: true },
      timeout_ms: BATCH_MS,
      rows: dice.between(4, 8),
      more: `[[batch: ${batchesOf(dice)}]]`,
    }),
  },
  'over its budget': {
    cards: 2,
    deal: (dice) => ({ directives: 'delay=100', budget: 0.01, allow_after: dice.between(0, 3_000) }),
  },
  scheduled: { cards: 1, deal: () => ({ directives: 'delay=100', isScheduled: true }) },
} as const satisfies Record<string, KindOptions>;

/** What may happen to an upload. */
function uploadsOf(dice: Dice): string[] {
  return [
    `hold=${dice.between(1_000, 6_000)} times=1`,
    `delay=${dice.between(1_000, 6_000)} times=1`,
    'break=cut times=1',
    'status=503 times=1',
    'text=503 times=1',
  ];
}

/** What may happen to a call of a tool. */
function callsOf(dice: Dice): string {
  return dice.pick([`delay=${dice.between(500, 4_000)}`, 'break=cut times=1', 'status=429 times=1', 'fail=1 times=1']);
}

/** What may happen to a batch. */
function batchesOf(dice: Dice): string {
  return dice.pick([
    `delay=${dice.between(500, 8_000)}`,
    'break=cut times=1',
    'break=lose times=1',
    'status=503 times=1',
  ]);
}

export type Kind = keyof typeof KINDS | keyof typeof RELAYED_KINDS;
