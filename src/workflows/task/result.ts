import { isErrorCallback, type AnswerCallback, type Callback } from '../../shared/callback.ts';
import { questionOf, tokensOf, type TaskResult } from '../../shared/result.ts';
import { notificationId } from '../../shared/task-id.ts';
import type { Outcome, TaskError } from '../../shared/task.ts';
import { sayToolUses, sentenceFor } from '../../text/index.ts';
import type { TaskRun } from './state.ts';

/** @returns the result that a callback gives. */
export function resultOf(run: TaskRun, callback: Callback): TaskResult {
  if (!isErrorCallback(callback)) return { ...commonPart(run), status: 'done', ...answerOf(run, callback) };
  const { model, error, partial, partial_reasoning, usage, interruptions, tool_uses, fallback } = callback;
  return {
    ...commonPart(run),
    model: model ?? run.task.model,
    status: 'failed',
    error: withOwnWords(run, error),
    ...(partial && { partial_output: partial }),
    ...(partial_reasoning && { reasoning: partial_reasoning }),
    ...(usage && { tokens: tokensOf(usage) }),
    ...(interruptions && { interruptions }),
    ...(tool_uses && { tool_uses }),
    ...(fallback && { fallback }),
  };
}

/** The relay's errors have details, or are in our words. */
function withOwnWords({ task, text }: TaskRun, error: TaskError): TaskError {
  if (task.relay || error.detail || sentenceFor(error.type, text) === undefined) return error;
  return { ...error, detail: { code: 'said', words: error.message } };
}

export function resultWithoutAnswer(run: TaskRun, status: Outcome, error: TaskError): TaskResult {
  return { ...commonPart(run), status, error };
}

/** Saves a result and makes it the task's state; its notification becomes the pending one. */
export async function save(run: TaskRun, result: TaskResult): Promise<void> {
  const { task, text, times, view } = run;
  run.enterStep('saving');
  const since = Date.now();
  const timings = times.pick('queued_ms', 'dispatch_ms', 'kimi_ms');
  const timed: TaskResult = { ...result, timings, ...questionOf(task) };
  const { completed_at, cost, file, instead } = await run.activities.persist(
    task.event ? [timed, task.event] : [timed],
    text.activity.persist(text.state[result.status]),
  );
  run.saved = timed;
  const { status, late, model, fallback, error, tokens, finish_reason } = instead ?? result;
  run.notification = notificationId({ task_id: result.task_id, status, late });
  times.mark('save');
  times.clear('wake');
  run.metrics.took('save', times.timings().save_ms ?? Date.now() - since);
  view.woken_at = undefined;
  view.completed_at = completed_at;
  view.cost = cost;
  view.result_file = file;
  view.model = model;
  view.fallback = fallback;
  view.error = error;
  view.tokens = tokens?.total;
  view.finish_reason = finish_reason;
  run.setState(status);
}

function commonPart({
  task,
  view,
}: TaskRun): Pick<
  TaskResult,
  'task_id' | 'task_name' | 'model' | 'created_at' | 'simulated' | 'continues' | 'schedule' | 'row' | 'wake' | 'owner'
> {
  const { task_id, task_name, model, simulated, continues, schedule, row, wake, owner } = task;
  return {
    task_id,
    task_name,
    model,
    created_at: view.created_at,
    ...(simulated && { simulated }),
    ...(continues !== undefined && { continues }),
    ...(schedule && { schedule }),
    ...(row && { row }),
    ...(wake === false && { wake }),
    ...(owner !== undefined && { owner }),
  };
}

function answerOf(
  { task, text }: TaskRun,
  { model, usage, choices, interruptions, tool_uses: uses, fallback }: AnswerCallback,
): Partial<TaskResult> & { model: string } {
  const [choice] = choices;
  const { content, reasoning_content: reasoning, function_calls } = choice?.message ?? {};
  const output = content === '' && function_calls ? undefined : content;
  // An answer in JSON has no room for a list.
  const list = uses && !task.request?.json_schema ? `\n\n${sayToolUses(uses, text)}` : '';
  return {
    model,
    output: output && output + list,
    ...(uses && { tool_uses: uses }),
    ...(fallback && { fallback }),
    reasoning,
    ...(function_calls && { function_calls }),
    tokens: tokensOf(usage),
    finish_reason: choice?.finish_reason,
    ...(interruptions && { interruptions }),
  };
}
