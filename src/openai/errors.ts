/** Errors in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`. */
import type { ErrorRequestHandler, Request } from 'express';
import type { Logger } from 'pino';
import { detailsOf, RETRY_AFTER_S, type Details } from '../api/problems.ts';
import { pathOf } from '../service/express.ts';
import type { BudgetPause } from '../shared/budget.ts';
import type { ResultFile } from '../shared/result.ts';
import type { TaskError } from '../shared/task.ts';
import { Problem } from '../tasks/problem.ts';
import { sayDetail, type OptionNames } from '../text/error-details.ts';

interface Kind {
  type?: string;
  code?: string;
  param?: string;
  /** Set if the same request would be another task. */
  isFinal?: true;
}

export class OpenAiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly kind: Kind = {},
  ) {
    super(message);
  }

  get body(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    const { type = typeOf(this.status), param = null, code = null } = this.kind;
    return { error: { message: this.message, type, param, code } };
  }
}

function typeOf(status: number): string {
  if (status >= 500) return 'server_error';
  return status === 429 ? 'rate_limit_error' : 'invalid_request_error';
}

/** @param param where the wrong value is, e.g. `messages[0].content` */
export function invalidValue(param: string, message: string): OpenAiError {
  return new OpenAiError(400, `Invalid '${param}': ${message}`, { param, code: 'invalid_value' });
}

/** @returns the error for a parameter, or a part of one, that would change the answer and is not supported. */
export function unsupported(param: string, why = 'it is not supported by Kimi Dispatch'): OpenAiError {
  return new OpenAiError(400, `Unsupported parameter: '${param}': ${why}`, { param, code: 'unsupported_parameter' });
}

export function noSuch(what: 'Response' | 'File' | 'Batch', id: string): OpenAiError {
  return new OpenAiError(404, `${what} with id '${id}' not found.`);
}

/** The error handler of OpenAI's endpoints. */
export function openAiErrorHandler(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const { status, body, kind } = saidOrLogged(error, request, log);
    if (status === 503) response.set('Retry-After', String(RETRY_AFTER_S));
    // OpenAI's clients repeat requests by their status otherwise.
    if (kind.isFinal) response.set('x-should-retry', 'false');
    response.status(status).json(body);
  };
}

/** @returns an error in OpenAI's form. An unexpected one is logged, and its message refers to the log. */
export function saidOrLogged(error: unknown, request: Request, log: Logger): OpenAiError {
  const known = inOpenAiForm(error);
  if (!known) log.error({ err: error, path: pathOf(request) }, 'unexpected error of the OpenAI endpoints');
  return known ?? new OpenAiError(500, 'An unexpected error occurred; the log has the reason');
}

/** @returns `undefined` if the error is unexpected. */
export function inOpenAiForm(error: unknown): OpenAiError | undefined {
  if (error instanceof OpenAiError) return error;
  if (error instanceof Problem && error.code === 'unusable_request')
    return refused(error as Problem<'unusable_request'>);
  const details = detailsOf(error);
  return details && ofDetails(details);
}

/** OpenAI's codes, by ours. */
const CODES: Record<string, string> = {
  unauthorized: 'invalid_api_key',
  too_long: 'context_length_exceeded',
  rate_limited: 'rate_limit_exceeded',
  not_found: 'unknown_url',
};

/** OpenAI's clients send a request again after 409; 410 and 422 are not OpenAI's, nor is 413 of a prompt. */
const STATUSES: Record<number, number> = { 409: 400, 410: 404, 413: 400, 422: 400 };

function ofDetails({ status, code, title, errors, task_id, call_id }: Details): OpenAiError {
  const where = (errors as { path: string; detail: string }[] | undefined)?.map(
    ({ path, detail }) => `${path} ${detail}`,
  );
  const ids = [task_id, call_id].filter((id) => typeof id === 'string');
  const about = [...(where ?? []), ...ids].join('; ');
  const ours = code === 'body_too_large' ? status : (STATUSES[status] ?? status);
  return new OpenAiError(ours, about ? `${title}: ${about}` : title, {
    code: CODES[code] ?? code,
  });
}

/** Parameters that the model refuses, by the code of the error's detail. */
const PARAMS: Record<string, string> = {
  temperature: 'temperature',
  always_thinks: 'reasoning_effort',
  no_effort: 'reasoning_effort',
  no_efforts: 'reasoning_effort',
  cap: 'max_tokens',
  no_schema: 'response_format',
  no_tools: 'tools',
  no_functions: 'tools',
  functions_and_tools: 'tools',
  function_choice: 'tool_choice',
  no_batch: 'service_tier',
  retired: 'model',
  unpriced: 'model',
};

/** OpenAI's names of what the message of a refusal advises about. */
const NAMES: OptionNames = {
  thinking: 'reasoning_effort',
  max_tokens: 'max_tokens',
  temperature: 'temperature',
  batch: 'service_tier',
  search: 'web_search',
  tools: 'tools',
};

function refused({ params: { reason } }: Problem<'unusable_request'>): OpenAiError {
  const { type, message, detail } = reason;
  if (type === 'retired_model') return new OpenAiError(404, message, { param: 'model', code: 'model_not_found' });
  const param = detail && PARAMS[detail.code];
  const code = type === 'prompt_too_long' ? 'context_length_exceeded' : 'unsupported_value';
  const said = detail && sayDetail(detail, 'en', NAMES);
  return new OpenAiError(400, said ?? message, { code, ...(param !== undefined && { param }) });
}

/** @returns the error for a client that would wait until a task is allowed; the same request gets its answer then. */
export function overBudget(task_id: string, { of, currency, budget, needs, until }: BudgetPause): OpenAiError {
  const when = until === undefined ? '' : `, or wait until ${until}`;
  const message = `${task_id} is paused: it may cost ${currency} ${needs}, which exceeds what is left of the ${of}'s budget of ${budget}. Run kimi-dispatch allow ${task_id}${when}; then send this request again`;
  return new OpenAiError(429, message, { type: 'insufficient_quota', code: 'over_budget', isFinal: true });
}

/** Outcomes, and Kimi's errors, that have a status of their own: [status, code, type]. Any other one is a 500. */
const FAILURES: Record<string, [status: number, code: string, type?: string]> = {
  cancelled: [409, 'cancelled'],
  timed_out: [504, 'timed_out'],
  content_filter: [400, 'content_filter'],
  invalid_request_error: [400, 'invalid_request_error'],
  bad_parameter: [400, 'unsupported_value'],
  prompt_too_long: [400, 'context_length_exceeded'],
  resource_not_found_error: [404, 'model_not_found'],
  retired_model: [404, 'model_not_found'],
  interrupted: [500, 'interrupted'],
  exceeded_current_quota_error: [429, 'insufficient_quota', 'insufficient_quota'],
  rate_limit_reached_error: [429, 'rate_limit_exceeded'],
};

/** @returns the message of an error for a program, without commands of the command line. */
export function saidOf({ message, detail }: TaskError): string {
  if (detail?.code !== 'not_resumed') return message;
  return `${detail.why}, and Kimi may bill what it was doing, so it was not asked again; to ask it again, send the request once more, with another Idempotency-Key if it has one`;
}

/** @returns the error for a task that has ended without an answer. */
export function failureOf({ task_id, status, error }: ResultFile): OpenAiError {
  const reason = status === 'failed' ? (error?.type ?? '') : status;
  const [code, name, type] = FAILURES[reason] ?? [500, reason];
  const message = `${error ? saidOf(error) : status} (${task_id})`;
  return new OpenAiError(code, message, { code: name, isFinal: true, ...(type !== undefined && { type }) });
}
