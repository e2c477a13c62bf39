/** The result of a task, and the files that hold it (docs/results.md). */
import type { Usage } from './callback.ts';
import type { MapSummary, RowOf } from './map.ts';
import type { FunctionCall, Outcome, ScheduleNote, Task, TaskError, ToolUse } from './task.ts';

/** `pending-<task_id>.json` (docs/results.md). */
export interface PendingFile extends Pick<Task, 'task_id' | 'task_name' | 'model' | 'simulated' | 'row'> {
  status: 'dispatched';
  /** ISO 8601, UTC, whole seconds. */
  created_at: string;
  /** Of a map: how many rows are asked. */
  map_rows?: number;
  /** Of a map: the one whose failed rows it asks. */
  retries?: string;
}

/** @param created_at ISO 8601 */
export function pendingOf(
  { task_id, task_name, model, simulated, row, map_rows, retries }: Omit<PendingFile, 'status' | 'created_at'>,
  created_at: string,
): PendingFile {
  return {
    task_id,
    task_name,
    model,
    status: 'dispatched',
    created_at,
    ...(simulated && { simulated }),
    ...(row && { row }),
    ...(map_rows !== undefined && { map_rows }),
    ...(retries !== undefined && { retries }),
  };
}

/** Tokens of an answer. */
export interface Tokens {
  prompt: number;
  completion: number;
  total: number;
  /** The part of `prompt` that was in Kimi's cache. */
  cached?: number;
  /** The part of `completion` that was reasoning. */
  reasoning?: number;
}

/** @returns the tokens that Kimi has counted. */
export function tokensOf(usage: Usage): Tokens {
  return {
    prompt: usage.prompt_tokens,
    completion: usage.completion_tokens,
    total: usage.total_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens,
  };
}

/** Cost of an answer by the price table (src/kimi/models.ts). */
export interface Cost {
  amount: number;
  currency: 'CNY' | 'USD';
  /** What it would have cost more without a batch; absent if it was none. */
  saved?: number;
  /** The day the price was read. */
  price_date: string;
}

/** How long each stage of a task took, in milliseconds, measured by its workflow. Unknown times are absent. */
export interface Timings {
  /** From the start until it was admitted; for the last time, if Kimi answered 429 before. */
  queued_ms?: number;
  /** From there until Kimi's API id. */
  dispatch_ms?: number;
  /** From there, or from Kimi's first byte behind a relay, until the webhook had the callback. */
  kimi_ms?: number;
  /** From there until the result was saved. */
  save_ms?: number;
  /** From there until the gateway accepted the wake. */
  wake_ms?: number;
}

/** Another model was asked than the task's, or with a lower effort, as Kimi was overloaded. */
export interface FallbackNote {
  asked_model: string;
  /** The model that was asked in its place. */
  model: string;
  /** Its effort; absent if it is the model's default. */
  effort?: string;
  /** How long Kimi had been overloaded by then, in milliseconds. */
  overloaded_ms: number;
}

/** Members of a task that are saved with its result: what was asked, and how. */
const QUESTION = [
  'prompt',
  'request',
  'files',
  'rows',
  'conversation',
  'metadata',
  'timeout_ms',
  'priority',
  'resend_unknown',
  'budget',
] as const;
export type Question = Pick<Task, (typeof QUESTION)[number]>;

/** Result of a task, before it is saved. Results of older versions have no question. */
export interface TaskResult extends Partial<Question> {
  task_id: string;
  task_name: string;
  status: Outcome;
  model: string;
  /** Kimi's answer; absent if there is none. */
  output?: string;
  /** The model's reasoning; absent if it reports none. */
  reasoning?: string;
  tokens?: Tokens;
  /** `length` if the answer is cut off, `tool_calls` if it asks for functions. */
  finish_reason?: string;
  /** Functions of the program that the answer asks for; absent if none. */
  function_calls?: FunctionCall[];
  /** How often the stream was interrupted and resumed. Tokens before an interruption are estimated. */
  interruptions?: number;
  /** Tools that Kimi used, in order; absent if none. */
  tool_uses?: ToolUse[];
  /** Set if another model was asked than the task's. */
  fallback?: FallbackNote;
  error?: TaskError;
  /** The received part of an answer that was interrupted and not resumed. */
  partial_output?: string;
  /** Set if the answer came after the task had timed out or was cancelled. */
  late?: true;
  /** Answered by the simulated Kimi: nothing was paid. */
  simulated?: true;
  /** The task whose conversation it continues. */
  continues?: string;
  /** The schedule that started it. */
  schedule?: ScheduleNote;
  /** Of a map: what became of its rows. */
  map?: MapSummary;
  /** The map that it is a row of. */
  row?: RowOf;
  /** False if the program that started it asks for the answer: it is in no inbox. */
  wake?: false;
  /** Name of the token that started it. */
  owner?: string;
  /** `save_ms` and `wake_ms` are added when the result is acknowledged. */
  timings?: Timings;
  /** When the task was started. ISO 8601, UTC, whole seconds. */
  created_at: string;
}

/** `<task_id>.json` and `latest.json` (docs/results.md). */
export interface ResultFile extends TaskResult {
  /** In place of the question, if payloads are encrypted: its JSON in AES-256-GCM, in base64, and the id of the key. */
  encrypted_question?: { key: string; data: string };
  /** Absent if no price is known. */
  cost?: Cost;
  /** When the result was saved. ISO 8601, UTC, whole seconds. */
  completed_at: string;
  /** True once the notification is acknowledged. */
  acknowledged?: true;
  acknowledged_at?: string;
}

/**
 * @returns what was asked, of a task or a result; `undefined` if the result has no question. A conversation that a task continues is in
 *   the results of its tasks.
 */
export function questionOf(asked: Partial<Question> & Pick<Task, 'continues'>): Question | undefined {
  if (asked.prompt === undefined) return undefined;
  const { conversation, ...question } = asked;
  const own = asked.continues === undefined && conversation ? { ...question, conversation } : question;
  return Object.fromEntries(Object.entries(own).filter(([name]) => isOfQuestion(name))) as unknown as Question;
}

/** @returns a result without what was asked. */
export function withoutQuestion<T extends Partial<ResultFile>>(
  result: T,
): Omit<T, keyof Question | 'encrypted_question'> {
  const rest = Object.entries(result).filter(([name]) => !isOfQuestion(name) && name !== 'encrypted_question');
  return Object.fromEntries(rest) as Omit<T, keyof Question | 'encrypted_question'>;
}

function isOfQuestion(name: string): boolean {
  return (QUESTION as readonly string[]).includes(name);
}

/** Outcome of saving a result. */
export interface Saved extends Pick<ResultFile, 'completed_at' | 'cost'> {
  /** {@link TaskView.result_file}. */
  file: string;
  /** Set when a different result was already stored by a workflow task that Temporal discarded. */
  instead?: Pick<TaskResult, 'status' | 'late' | 'model' | 'fallback' | 'error' | 'tokens' | 'finish_reason'>;
}

/** Characters of the answer in the notification (docs/openclaw.md). */
export const SUMMARY_CHARS = 300;

/** @returns the model that a task asked for. */
export function askedModel({ model, fallback }: Pick<TaskResult, 'model' | 'fallback'>): string {
  return fallback?.asked_model ?? model;
}

/** @returns whether an answer is cut off at its token limit. */
export function isTruncated({ finish_reason }: Pick<TaskResult, 'finish_reason'>): boolean {
  return finish_reason === 'length';
}

/** @returns whether an answer asks for functions. */
export function asksForFunctions({ finish_reason }: Pick<TaskResult, 'finish_reason'>): boolean {
  return finish_reason === 'tool_calls';
}
