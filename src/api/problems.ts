/** Errors as Problem Details (RFC 9457). */
import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';
import type * as z from 'zod';
import { isBodyError, pathOf } from '../service/express.ts';
import { ServiceError } from '../service/exit.ts';
import { HttpError } from '../service/http.ts';
import { Problem, type ProblemCode, type Problems } from '../tasks/problem.ts';
import { NAME_RULE } from '../tasks/task-name.ts';
import { EngineLost, EngineUnreachable } from '../temporal/engine-unreachable.ts';

/** Status and title of each problem, and what is allowed instead. */
export const PROBLEMS: Record<ProblemCode, [status: number, title: string, detail?: string]> = {
  unknown_task: [404, 'There is no such task'],
  no_results: [404, 'There is no result yet'],
  unfinished: [409, 'The task has no result yet'],
  ended: [409, 'The task was ended in the engine and will have no result'],
  result_gone: [410, 'The result file was removed or is damaged'],
  already_ended: [409, 'The task has ended already'],
  still_ending: [409, 'The task has received the cancellation and finishes its step'],
  not_paused: [409, 'The task does not wait for a budget'],
  still_open: [
    409,
    'The task is open, so it is not removed',
    'Cancel it, then remove it. One that has timed out is open for up to a day, since its late answer would be kept: cancel it too. One whose result waits for an acknowledgement: acknowledge it',
  ],
  needed: [409, 'The task in `by` needs this one, so it is not removed', 'Remove the task in `by` first'],
  no_worker: [503, 'No worker answers'],
  not_late: [409, 'The task has no answer that came late'],
  chat_limit: [429, 'The chat has started as many tasks in this hour as it may'],
  engine_silent: [504, 'The engine did not confirm in time that it has the task'],
  engine_lost: [504, 'The connection to the engine was lost, and the outcome is unknown'],
  no_api_key: [503, 'The services have no KIMI_API_KEY'],
  unusable_request: [422, 'Kimi would refuse this request'],
  too_long: [413, 'Prompt and options are too long'],
  no_question: [410, 'The result is of an older version, which did not keep questions'],
  no_answer: [409, 'The task to be continued has no answer'],
  no_function_result: [422, 'A function that the answer before asks for has no result'],
  unknown_call: [422, 'The answer before does not ask for this function'],
  other_kimi: [
    409,
    'The task to be continued was answered by the simulated Kimi, and this one would not be; or the other way round',
  ],
  conversation_gone: [410, 'The result of an earlier task of the conversation was removed or is damaged'],
  unusable_file: [422, 'The file cannot go with a prompt'],
  too_many_files: [422, 'There are too many files'],
  files_too_large: [413, 'The files are too large together'],
  unusable_rows: [422, 'There are no rows, or a broken one'],
  unknown_column: [422, 'The prompt names a column that a row does not have'],
  no_column: [422, 'The prompt names no column'],
  unusable_row: [422, 'What would be asked for a row is refused'],
  no_failed_rows: [409, 'Every row of the map has an answer'],
  no_map: [409, 'The task is no map'],
  rows_gone: [410, 'The rows of the map are no longer stored'],
  no_prompt: [422, 'The prompt is empty'],
  bad_receiver: [422, 'No event is sent to this address'],
  bad_name: [422, 'The name cannot be used', NAME_RULE],
  unknown_schedule: [404, 'There is no such schedule'],
  schedule_exists: [409, 'There is a schedule of this name'],
  unknown_times: [422, 'It is not clear when the schedule is due'],
  never_due: [422, 'The schedule would never be due'],
  unknown_timezone: [422, 'There is no such time zone'],
  key_reused: [422, 'The Idempotency-Key was used for another prompt'],
  not_allowed: [403, 'The token lacks the scope for this'],
};

/** A part of a request that its schema refuses. */
export class InvalidRequest extends Error {
  constructor(
    readonly part: 'body' | 'query' | 'path' | 'header',
    readonly issues: readonly Pick<z.core.$ZodIssue, 'path' | 'message'>[],
  ) {
    super(`invalid ${part}`);
  }
}

export interface Details {
  status: number;
  code: string;
  title: string;
  [member: string]: unknown;
}

/** `Retry-After` of every 503, in seconds. */
export const RETRY_AFTER_S = 1;

/** Codes of body errors, by status. */
const BODY_ERRORS: Record<number, string> = { 413: 'body_too_large', 415: 'unsupported_encoding' };

/** The error handler of the API. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const details = detailsOf(error) ?? unexpected(error, pathOf(request), log);
    if (details.status === 503) response.set('Retry-After', String(RETRY_AFTER_S));
    if (details['minutes'] !== undefined) response.set('Retry-After', String(Number(details['minutes']) * 60));
    const body = JSON.stringify({ type: `urn:kimi-dispatch:problem:${details.code}`, ...details });
    response.status(details.status).type('application/problem+json').send(body);
  };
}

function unexpected(error: unknown, path: string, log: Logger): Details {
  log.error({ err: error, path }, 'unexpected error of the API');
  return { status: 500, code: 'internal_error', title: 'An unexpected error; it is in the log' };
}

/** @returns what an expected error says; `undefined` for any other. */
export function detailsOf(error: unknown): Details | undefined {
  if (error instanceof Problem) return problemDetails(error.code, error.params);
  if (error instanceof InvalidRequest) {
    const errors = error.issues.map(({ path, message }) => ({
      in: error.part,
      path: path.map((key) => `/${String(key)}`).join(''),
      detail: message,
    }));
    return { status: 400, code: 'invalid_request', title: 'The request does not match its schema', errors };
  }
  if (error instanceof HttpError) return { status: error.status, code: error.code, title: error.message };
  if (error instanceof EngineLost) return problemDetails('engine_lost', { address: error.address });
  if (error instanceof EngineUnreachable) return { status: 503, code: 'engine_unreachable', title: error.message };
  if (error instanceof ServiceError) return { status: 500, code: 'unusable_files', title: error.message };
  // Express throws it for paths that cannot be decoded.
  if (error instanceof URIError) return { status: 400, code: 'bad_request', title: 'The path cannot be read' };
  if (isBodyError(error)) {
    const code = BODY_ERRORS[error.status] ?? 'invalid_json';
    const title = error.status === 413 ? 'The body is too large' : 'The body cannot be read';
    return { status: error.status, code, title };
  }
  return undefined;
}

function problemDetails(code: ProblemCode, params: Problems[ProblemCode]): Details {
  const [status, title, detail] = PROBLEMS[code];
  return { status, code, title, ...(detail !== undefined && { detail }), ...params };
}
