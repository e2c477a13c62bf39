/** A map: one prompt for each row of a file. Each row is a task of its own, which reports its outcome to the map. */
import type { BudgetPause } from './budget.ts';
import type { Cost, Tokens } from './result.ts';
import type { Outcome, Task, TaskError } from './task.ts';

/** Rows of a file, stored as contents (temporal/payloads/contents.ts). */
export interface StoredRows {
  /** Name of the file, without folders. */
  name: string;
  rows: number;
  /** What the file was read as, e.g. `Big5`: detected, unless it has a byte order mark. Absent for UTF-8. */
  encoding?: string;
  /** SHA-256 of the file, in hex. */
  sha256: string;
  /** The rows in order, some in each content. */
  chunks: { claim: string; rows: number }[];
}

/** What is asked for each row: `{{column}}` in the prompt. Stored as a content: it may be long, and each batch of rows needs it. */
export type MapOrder = Omit<Task, 'task_id'> & { rows: StoredRows };

/** Input of a map's workflow. Must not contain a secret. */
export interface MapInput {
  /** The map as a task: its id, name, chat, language. Its prompt is the beginning of the order's. */
  task: Task;
  /** When it was started, ISO 8601: its workflow continues as new. */
  created_at: string;
  /** Claim of the {@link MapOrder}. */
  order: string;
  /** Number of rows, counted from 1. */
  rows: number;
  /** The rows that are asked, if not all of them: those that failed before. */
  only?: number[];
  /** The map whose failed rows these are. */
  retries?: string;
  /** Most rows in progress at the same time. */
  at_once: number;
  /** Kimi answers them in batches. */
  batch?: true;
}

/** What a run of a map's workflow hands to the next. */
export interface MapProgress {
  /** Rows that were started. */
  started: number;
  /** Numbers of those without an outcome. */
  open: number[];
  counts: Record<Outcome, number>;
  /** Its rows may be sent, whatever they cost. */
  allowed?: true;
  /** Rows that exceed a budget. */
  paused?: RowPause[];
  /** Absent without batches. */
  batches?: BatchesProgress;
  /** It was cancelled, and what Kimi has answered is saved. */
  cancelled?: true;
}

/** How far the batches of a map are. */
export interface BatchesProgress {
  /** Rows that are in a batch, in the order of {@link rowsAsked}. */
  asked: number;
  waiting: RowBatch[];
  answered: AnsweredRows[];
}

/** Rows that Kimi answers as one batch. */
export interface RowBatch {
  /** Kimi's id of it. */
  id: string;
  /** Task id of its first row: the batch is found again at Kimi by it. */
  task_id: string;
  numbers: number[];
  /** When it counts as timed out, in milliseconds since 1970. */
  until: number;
}

/** Answers of a batch: a content with a callback in each line. Numbers of the rows that they answer. */
export interface AnsweredRows {
  claim: string;
  numbers: number[];
}

/** Rows for which a batch is to be made. */
export interface RowsToAsk {
  map: string;
  /** Claim of the {@link MapOrder}. */
  order: string;
  numbers: number[];
}

/** The map that a task belongs to. */
export interface RowOf {
  map: string;
  /** From 1, in the order of the file. */
  number: number;
}

/** Answer of a map to the update `accepted`. */
export interface MapAcceptance {
  /** Why its batches are not made, or its rows not sent. */
  paused?: BudgetPause;
}

/** Argument of the signal `row`. */
export interface RowReport {
  number: number;
  status: Outcome;
}

/** Argument of the signal `row-paused`. */
export interface RowPause {
  number: number;
  /** Why the row is not sent; absent if it is. */
  pause?: BudgetPause;
}

/** Rows of a map by their outcome; the others have none yet. */
export interface MapCounts extends Record<Outcome, number> {
  rows: number;
}

/** A row without an answer. */
export interface FailedRow {
  number: number;
  task_id: string;
  status: Outcome;
  error?: TaskError;
}

/** Member of a map's result. The sums are those of its rows, each of which has a result of its own. */
export interface MapSummary extends MapCounts {
  tokens: Tokens;
  /** One sum per currency; the date is that of the newest row. */
  cost: Cost[];
  failures: FailedRow[];
  /** {@link MapInput.only} */
  only?: number[];
  /** Number of rows of the file, if only some were asked. */
  of?: number;
  /** {@link MapInput.retries} */
  retries?: string;
}

/** Largest file of rows, in bytes. */
export const MAX_ROWS_BYTES = 50_000_000;

/** Most rows of a file. */
export const MAX_ROWS = 10_000;

/** @returns the numbers of the rows that a map asks. */
export function rowsAsked({ rows, only }: Pick<MapInput, 'rows' | 'only'>): number[] {
  return only ?? Array.from({ length: rows }, (_, index) => index + 1);
}

/** @returns counts at zero. */
export function noCounts(): Record<Outcome, number> {
  return { done: 0, failed: 0, timed_out: 0, cancelled: 0 };
}

/** @returns the counts of a map's result. */
export function countsOf({ rows, done, failed, timed_out, cancelled }: MapCounts): MapCounts {
  return { rows, done, failed, timed_out, cancelled };
}
