/** Why an operation on tasks was not done. Loaded by every command: it must stay small. */
import type { Scope } from '../shared/access.ts';
import type { Refusal } from '../shared/error-detail.ts';
import type { TaskError, TaskState } from '../shared/task.ts';

/** The parameters of each problem, by its code. The codes are part of the HTTP API. */
export interface Problems {
  /** There is no such task, or it belongs to another chat. */
  unknown_task: { task_id: string };
  /** No task has a result yet. */
  no_results: object;
  /** The task has no result yet. */
  unfinished: { task_id: string };
  /** The task was ended in the engine, e.g. terminated, and will have no result. */
  ended: { task_id: string; how: string };
  /** The task has ended, and its result file is missing or damaged. */
  result_gone: { task_id: string; file: string };
  /** The task has its outcome, or was ended in the engine. */
  already_ended: { task_id: string; state?: TaskState; how?: string };
  /** The task has received the cancellation, and finishes its step. */
  still_ending: { task_id: string };
  /** The task does not wait for a budget. */
  not_paused: { task_id: string };
  /** The task may still save a result, so it cannot be removed. */
  still_open: { task_id: string };
  /** The task cannot be removed, as `by` needs its result: the map of this row, or the map that retried the failed rows of this one. */
  needed: { task_id: string; by: string };
  /** No worker answers. */
  no_worker: { task_id?: string };
  /** The task has no answer that came late. */
  not_late: { task_id: string };
  /** The chat has started as many tasks in this hour as it may. */
  chat_limit: { most: number; minutes: number };
  /** The engine did not confirm in time that it has the task. */
  engine_silent: { task_id: string };
  /** The connection to the engine was lost during the operation, whose outcome is unknown. */
  engine_lost: { address: string };
  /** The services have no key. */
  no_api_key: object;
  /** Kimi would refuse the request, or ignore a part of it. */
  unusable_request: { reason: TaskError };
  /** Prompt and options are too long together. */
  too_long: { bytes: number; most: number; continues?: string };
  /** The result is of a version that did not keep questions. */
  no_question: { task_id: string };
  /** A conversation cannot be continued, since its last task has ended without an answer. */
  no_answer: { task_id: string; state: TaskState };
  /** The answer before asks for functions, one of which has no result: only the program that offered it can give one. */
  no_function_result: { call_id: string };
  /** A result is of a function that the answer before does not ask for. */
  unknown_call: { call_id: string };
  /** A conversation cannot be continued, since the simulated Kimi would answer the real one, or the other way round. */
  other_kimi: { task_id: string; simulated: boolean };
  /** A conversation cannot be continued, since the result of an earlier task was removed, or is damaged. */
  conversation_gone: { task_id: string; earlier: string };
  /** A file cannot go with a prompt. `why`: `empty`, `too_large`, `too_long`, `unknown`, `old_format`, `no_text`, `scanned`, `blank`, `unpacked`, `locked`, `damaged`, `too_hard`. */
  unusable_file: { file: string; why: string; most?: number };
  too_many_files: { files: number; most: number };
  files_too_large: { bytes: number; most: number; images?: true };
  /** A file has no rows, or a broken one. `why`: `format`, `not_text`, `too_large`, `too_many`, `empty`, `not_json`, `not_object`, `header`, `cells`, `quotes`, `gone`. */
  unusable_rows: { file: string; why: string; line?: number; most?: number; cells?: number; columns?: number };
  /** The prompt of a map names a column that a row does not have. */
  unknown_column: { column: string; line: number; columns: string[] };
  /** The prompt of a map names no column: every row would be asked the same. */
  no_column: { columns: string[] };
  /** What would be asked for a row is refused. */
  unusable_row: { line: number; reason: { code: ProblemCode; params: object } };
  /** Every row of the map has an answer. */
  no_failed_rows: { task_id: string };
  /** The task is no map. */
  no_map: { task_id: string };
  /** The rows of the map are no longer stored. */
  rows_gone: { task_id: string };
  no_prompt: object;
  bad_name: object;
  /** No event is sent to this address. */
  bad_receiver: { why: Refusal };
  /** The same key started a task with another prompt. */
  key_reused: { task_id: string };
  /** There is no such schedule. */
  unknown_schedule: { name: string };
  /** The name is that of another schedule. */
  schedule_exists: { name: string };
  /** It is not clear when the schedule is due. `why`: the engine's reason, in English. */
  unknown_times: { words: string; why?: string };
  /** The schedule would never be due. */
  never_due: { words: string };
  unknown_timezone: { timezone: string };
  /** The caller's token lacks a scope. */
  not_allowed: { scope: Scope };
}

export type ProblemCode = keyof Problems;

/** An operation was not done; its caller has a sentence for each code. */
export class Problem<Code extends ProblemCode = ProblemCode> extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly code: Code,
    readonly params: Problems[Code],
  ) {
    super(code);
  }
}
