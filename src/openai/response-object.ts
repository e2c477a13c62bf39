/** A task as a response of OpenAI's API. */
import type {
  Response,
  ResponseError,
  ResponseFunctionToolCall,
  ResponseOutputMessage,
  ResponseUsage,
  Tool as ResponseTool,
} from 'openai/resources/responses/responses';
import { askedModel, isTruncated, type ResultFile, type Tokens } from '../shared/result.ts';
import type { Task, TaskRequest, TaskState, Tool } from '../shared/task.ts';
import { secondsOf } from './chat.ts';
import { saidOf } from './errors.ts';
import { callItems, shownFunctions } from './functions.ts';
import { idOf } from './ids.ts';

/** What is shown of a task: `output_text` is made by OpenAI's clients. */
export type ResponseObject = Omit<Response, 'output_text'> & { store: true };

/** What a task was asked, as far as it is known. */
export type AskedOf = Pick<Task, 'task_id' | 'model' | 'request' | 'metadata' | 'continues'> & {
  /** ISO 8601. */
  created_at: string;
};

/** @param outcome its state, or its result once it has one */
export function responseOf(asked: AskedOf, outcome: TaskState | ResultFile): ResponseObject {
  const { task_id, model, request = {}, metadata = {}, continues, created_at } = asked;
  const result = typeof outcome === 'string' ? undefined : outcome;
  return {
    id: idOf('Response', task_id),
    object: 'response',
    created_at: secondsOf(created_at),
    status: statusOf(outcome),
    background: true,
    completed_at: result?.status === 'done' ? secondsOf(result.completed_at) : null,
    error: result ? errorOf(result) : null,
    incomplete_details: result && isIncomplete(result) ? { reason: 'max_output_tokens' } : null,
    instructions: request.system ?? null,
    max_output_tokens: request.max_tokens ?? null,
    metadata,
    model: result ? result.model : model,
    output: result ? outputOf(result) : [],
    parallel_tool_calls: true,
    previous_response_id: continues === undefined ? null : idOf('Response', continues),
    reasoning: { effort: effortOf(request), summary: null },
    service_tier: request.batch ? 'flex' : 'default',
    store: true,
    temperature: request.temperature ?? null,
    text: { format: formatOf(request) },
    tool_choice: choiceOf(request),
    tools: [...(request.tools ?? []).map((tool) => TOOLS[tool]), ...shownFunctions(request)],
    top_p: null,
    truncation: 'disabled',
    ...(result?.tokens && { usage: usageOf(result.tokens) }),
  };
}

/** @returns what a result says of what was asked, with the question if that was kept. */
export function askedOf(result: ResultFile, question: Pick<Task, 'request' | 'metadata'> = {}): AskedOf {
  const { task_id, created_at, continues } = result;
  const { request, metadata } = question;
  return { task_id, created_at, model: askedModel(result), continues, request, metadata };
}

const STATUSES = {
  queued: 'queued',
  paused: 'queued',
  dispatching: 'queued',
  dispatched: 'in_progress',
  done: 'completed',
  failed: 'failed',
  timed_out: 'failed',
  cancelled: 'cancelled',
} as const;

export function statusOf(outcome: TaskState | ResultFile): NonNullable<Response['status']> {
  if (typeof outcome === 'string') return STATUSES[outcome];
  return isIncomplete(outcome) ? 'incomplete' : STATUSES[outcome.status];
}

function isIncomplete(result: ResultFile): boolean {
  return result.status === 'done' && isTruncated(result);
}

/** Types of errors with a code of OpenAI's, or one that its chat completions have. */
const CODES: Record<string, ResponseError['code'] | 'model_not_found' | 'interrupted'> = {
  rate_limit_reached_error: 'rate_limit_exceeded',
  exceeded_current_quota_error: 'rate_limit_exceeded',
  content_filter: 'invalid_prompt',
  invalid_request_error: 'invalid_prompt',
  prompt_too_long: 'invalid_prompt',
  bad_parameter: 'invalid_prompt',
  resource_not_found_error: 'model_not_found',
  retired_model: 'model_not_found',
  interrupted: 'interrupted',
};

function errorOf({ status, error }: ResultFile): ResponseError | null {
  if (status === 'done' || status === 'cancelled') return null;
  const { type, message } = error ? { ...error, message: saidOf(error) } : { type: status, message: '' };
  return { code: (CODES[type] ?? 'server_error') as ResponseError['code'], message: `${type}: ${message}` };
}

/** @returns the text of a result: the answer, or the part of it that was received. */
export function textOf({ output, partial_output: partial }: ResultFile): string {
  return output ?? partial ?? '';
}

/** @returns the items of a result. */
export function outputOf(result: ResultFile): (ResponseOutputMessage | ResponseFunctionToolCall)[] {
  const text = textOf(result);
  const status = statusOf(result) === 'completed' ? 'completed' : 'incomplete';
  return [...(text === '' ? [] : [messageOf(result.task_id, text, status)]), ...callItems(result)];
}

export function messageOf(
  task_id: string,
  text: string | undefined,
  status: ResponseOutputMessage['status'],
): ResponseOutputMessage {
  const content = text === undefined ? [] : [textPart(text)];
  return { id: `msg_${task_id}`, type: 'message', role: 'assistant', status, content };
}

export function textPart(text: string) {
  return { type: 'output_text' as const, text, annotations: [], logprobs: [] };
}

function usageOf({ prompt, completion, total, cached = 0, reasoning = 0 }: Tokens): ResponseUsage {
  return {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: cached, cache_write_tokens: 0 },
    output_tokens: completion,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: total,
  };
}

function formatOf({ json_schema: schema }: TaskRequest): NonNullable<Response['text']>['format'] {
  return schema ? { type: 'json_schema', name: 'answer', strict: true, schema } : { type: 'text' };
}

function choiceOf({ function_choice: choice }: TaskRequest): Response['tool_choice'] {
  return typeof choice === 'object' ? { type: 'function', ...choice } : (choice ?? 'auto');
}

/** Kimi's efforts are some of OpenAI's. */
function effortOf({ thinking }: TaskRequest): NonNullable<Response['reasoning']>['effort'] {
  const effort = thinking === 'off' ? 'none' : thinking;
  return (effort === 'on' ? null : (effort ?? null)) as NonNullable<Response['reasoning']>['effort'];
}

const TOOLS: Record<Tool, ResponseTool> = {
  search: { type: 'web_search' },
  code: { type: 'code_interpreter', container: { type: 'auto' } },
  fetch: { type: 'custom', name: 'fetch' },
  excel: { type: 'custom', name: 'excel' },
};
