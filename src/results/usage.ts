import type { Cost, ResultFile } from '../shared/result.ts';
import type { FileNote } from '../shared/task.ts';

/** What results are grouped by; days are UTC. */
export const GROUPINGS = ['model', 'day', 'name'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Spans of UTC, by the length of the ISO 8601 prefix that names one. */
const SPANS = { hour: 13, day: 10, month: 7 } as const;
export type Span = keyof typeof SPANS;

/** @returns the span that a time belongs to, e.g. `2026-11-24T12`, `2026-11-24` or `2026-11`. */
export function spanOf(time: string, span: Span): string {
  return time.slice(0, SPANS[span]);
}

/**
 * Keeps simulated tasks apart: they are counted only where there are no others, by who tries the product.
 *
 * @returns what is counted, how many simulated tasks there are, and whether they are what is counted
 */
export function apart<T extends { simulated?: true | undefined }>(
  results: Iterable<T | undefined>,
): { counted: (T | undefined)[]; simulated: number; isSimulation: boolean } {
  const all = [...results];
  const real = all.filter((result) => !result?.simulated);
  const simulated = all.length - real.length;
  const isSimulation = simulated > 0 && real.every((result) => result === undefined);
  return { counted: isSimulation ? all : real, simulated, isSimulation };
}

/** @returns the results without maps, whose rows have results of their own. */
export function* withoutMaps<T extends { map?: unknown }>(results: Iterable<T | undefined>): Generator<T | undefined> {
  for (const result of results) if (!result?.map) yield result;
}

/** The members of a result that are summed. */
export type Addend = Pick<ResultFile, 'status' | 'model' | 'task_name' | 'completed_at' | 'tokens'> & {
  cost?: Pick<Cost, 'amount' | 'currency' | 'saved'>;
  /** The files that went with the question. */
  files?: readonly Pick<FileNote, 'bytes'>[] | undefined;
  /** Set if another model was asked than the task's. */
  fallback?: object | undefined;
};

/** Usage of a number of tasks. */
export interface Use {
  tasks: number;
  /** Tasks with an answer; interrupted ones have tokens too. */
  answered: number;
  tokens: { prompt: number; cached: number; completion: number; reasoning: number; total: number };
  /** One sum per currency. */
  cost: Pick<Cost, 'amount' | 'currency' | 'saved'>[];
  /** Answers whose price is unknown. */
  unpriced: number;
  /** Tasks for which another model was asked than theirs, as Kimi was overloaded; absent if none. */
  fallbacks?: number;
  /** Files that went with questions, as far as they are known. Kimi's reading of them is in the tokens of prompts. */
  files: { count: number; bytes: number };
}

/** What the same answers would have used with polling. An estimate: see {@link pollingEstimate}. */
export interface PollingEstimate {
  tokens: number;
  /** In CNY. */
  cost: number;
  /** Cost of the tokens without polling, at the same rate, in CNY. */
  own_cost: number;
}

export interface Usage {
  groups: ({ key: string } & Use)[];
  total: Use;
  polling_estimate: PollingEstimate;
  /** Number of files that hold no result; they are not counted otherwise. */
  damaged: number;
}

/**
 * Sums results. Spans are sorted by time, models and names by tokens, descending.
 *
 * @param results `undefined` stands for a file that holds no result; a result with tokens that are not numbers counts as damaged.
 */
export function addUp(results: Iterable<Addend | undefined>, by: Grouping | Span): Usage {
  const sums = new Map<string, Sum>();
  const total = new Sum();
  let damaged = 0;
  for (const result of results) {
    if (!result || !isCounted(result)) {
      damaged += 1;
      continue;
    }
    const key = keyOf(result, by);
    const sum = sums.get(key) ?? new Sum();
    sums.set(key, sum);
    sum.add(result);
    total.add(result);
  }
  const groups = [...sums].map(([key, sum]) => ({ key, ...sum.use }));
  groups.sort((a, b) => (isSpan(by) ? 0 : b.tokens.total - a.tokens.total) || a.key.localeCompare(b.key));
  return { groups, total: total.use, polling_estimate: pollingEstimate(total.use), damaged };
}

/** The file may have been edited: one invalid number would make every sum invalid. */
function isCounted({ tokens, cost, files = [] }: Addend): boolean {
  const numbers = [
    ...files.map(({ bytes }) => bytes),
    ...(tokens ? [tokens.prompt, tokens.completion, tokens.total, tokens.cached ?? 0, tokens.reasoning ?? 0] : []),
    ...(cost ? [cost.amount, cost.saved ?? 0] : []),
  ];
  return numbers.every(Number.isFinite);
}

function isSpan(by: Grouping | Span): by is Span {
  return by in SPANS;
}

function keyOf({ model, task_name, completed_at }: Addend, by: Grouping | Span): string {
  if (isSpan(by)) return spanOf(completed_at, by);
  return by === 'model' ? model : task_name;
}

/** Assumed for a polling agent: 50 tokens a poll, and 15 to 20 polls a task, so 1000 a task. */
const POLLING_TOKENS = 1_000;

/** Rate of the comparison with polling: ¥27 for 45,000 tokens. Not a model's price; the ¥45 of polling are computed with it. */
const CNY_PER_1000_TOKENS = 0.6;

/**
 * Cost of polling, if each answer takes 1000 tokens more and all tokens have one rate. It was not measured with an agent.
 */
export function pollingEstimate({ answered, tokens: { total } }: Pick<Use, 'answered' | 'tokens'>): PollingEstimate {
  const tokens = total + POLLING_TOKENS * answered;
  return { tokens, cost: atRate(tokens), own_cost: atRate(total) };
}

function atRate(tokens: number): number {
  return rounded((tokens * CNY_PER_1000_TOKENS) / 1_000);
}

class Sum {
  private readonly amounts = new Map<Cost['currency'], { amount: number; saved: number }>();
  private fallbacks = 0;
  private readonly sums: Omit<Use, 'cost' | 'fallbacks'> = {
    tasks: 0,
    answered: 0,
    tokens: { prompt: 0, cached: 0, completion: 0, reasoning: 0, total: 0 },
    unpriced: 0,
    files: { count: 0, bytes: 0 },
  };

  add({ status, tokens, cost, fallback, files = [] }: Addend): void {
    const { sums, amounts } = this;
    sums.tasks += 1;
    sums.files.count += files.length;
    for (const { bytes } of files) sums.files.bytes += bytes;
    if (status === 'done') sums.answered += 1;
    if (fallback) this.fallbacks += 1;
    if (!tokens) return;
    sums.tokens.prompt += tokens.prompt;
    sums.tokens.cached += tokens.cached ?? 0;
    sums.tokens.completion += tokens.completion;
    sums.tokens.reasoning += tokens.reasoning ?? 0;
    sums.tokens.total += tokens.total;
    if (cost) {
      const { amount, saved } = amounts.get(cost.currency) ?? { amount: 0, saved: 0 };
      amounts.set(cost.currency, { amount: amount + cost.amount, saved: saved + (cost.saved ?? 0) });
    } else sums.unpriced += 1;
  }

  get use(): Use {
    const cost = [...this.amounts].map(([currency, { amount, saved }]) => ({
      amount: rounded(amount),
      currency,
      ...(saved > 0 && { saved: rounded(saved) }),
    }));
    return { ...this.sums, cost, ...(this.fallbacks > 0 && { fallbacks: this.fallbacks }) };
  }
}

/** @returns what batches saved, one sum per currency. */
export function savingsOf({ cost }: Pick<Use, 'cost'>): Pick<Cost, 'amount' | 'currency'>[] {
  return cost.flatMap(({ saved: amount, currency }) => (amount ? [{ amount, currency }] : []));
}

/** Rounds to 8 decimals, as many as a token's price has, to remove floating-point errors. */
function rounded(amount: number): number {
  return Math.round(amount * 1e8) / 1e8;
}
