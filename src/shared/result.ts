/** The result of a task, and the files that hold it (contract sections 2 and 4). */
import type { Outcome, TaskError } from './task.ts';

/** `pending-<task_id>.json` (contract section 2). */
export interface PendingFile {
  task_id: string;
  status: 'dispatched';
  /** ISO 8601, UTC, whole seconds. */
  created_at: string;
}

/** What an answer took. */
export interface Tokens {
  prompt: number;
  completion: number;
  total: number;
  /** The part of `prompt` that Kimi's cache knew. */
  cached?: number;
  /** The part of `completion` that was reasoning. */
  reasoning?: number;
}

/** What an answer cost by the price table (src/kimi/models.ts). */
export interface Cost {
  amount: number;
  currency: 'CNY' | 'USD';
  /** The day the price was read. */
  price_date: string;
}

/** How long each step of a task took, in milliseconds, as its workflow saw it. What is not known is absent. */
export interface Timings {
  /** From the start until it was its turn to be sent; the last time, where Kimi turned it away before. */
  queued_ms?: number;
  /** From there until Kimi's API id. */
  dispatch_ms?: number;
  /** From there, or from Kimi's first byte behind a relay, until the webhook had the callback. */
  kimi_ms?: number;
  /** From there until the result was saved. */
  save_ms?: number;
  /** From there until the gateway had taken the wake. */
  wake_ms?: number;
}

/** A finished task, before it is written. */
export interface TaskResult {
  task_id: string;
  task_name: string;
  status: Outcome;
  model: string;
  /** Kimi's answer; absent when there is none. */
  output?: string;
  /** What the model thought on its way to the answer; absent where it does not say. */
  reasoning?: string;
  tokens?: Tokens;
  /** `length` where the answer is cut off. */
  finish_reason?: string;
  /** How often the answer broke off and was gone on with. Tokens before a break are estimated. */
  interruptions?: number;
  error?: TaskError;
  /** What there is of an answer that broke off and was not gone on with. */
  partial_output?: string;
  /** True when the answer came after the task had timed out or was cancelled. */
  late?: true;
  /** `save_ms` and `wake_ms` are added when the result is acknowledged. */
  timings?: Timings;
  /** When the task was started. ISO 8601, UTC, whole seconds. */
  created_at: string;
}

/** `<task_id>.json` and `latest.json` (contract section 4). */
export interface ResultFile extends TaskResult {
  /** Absent where no price is known. */
  cost?: Cost;
  /** When the result was saved. ISO 8601, UTC, whole seconds. */
  completed_at: string;
  /** True once the agent has been told. */
  acknowledged?: true;
  acknowledged_at?: string;
}

/** What saving a result brought about. */
export interface Saved extends Pick<ResultFile, 'completed_at' | 'cost'> {
  /** {@link TaskView.result_file}. */
  file: string;
  /** What is there, where it is not what was to be saved: it was saved by a workflow task that the engine does not know of. */
  instead?: Pick<TaskResult, 'status' | 'late' | 'model' | 'error' | 'tokens' | 'finish_reason'>;
}

/** Characters of the answer shown in the reply (contract section 5). */
export const SUMMARY_CHARS = 300;

/** @returns whether an answer is cut off: it is paid for, and not complete. */
export function isTruncated({ finish_reason }: Pick<TaskResult, 'finish_reason'>): boolean {
  return finish_reason === 'length';
}
