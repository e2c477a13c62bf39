/** What a call throws. An aborted one throws the reason of its signal. */
import type { Problem, Result } from './types.ts';

interface Details {
  status?: number;
  taskId?: string;
  retryAfter?: number;
  problem?: Problem;
  cause?: unknown;
}

export class KimiDispatchError extends Error {
  override name = 'KimiDispatchError';
  /** The HTTP status. */
  readonly status?: number;
  readonly taskId?: string;
  /** When the same request may succeed, in seconds. */
  readonly retryAfter?: number;
  /** The answer, as Problem Details (RFC 9457). */
  readonly problem?: Problem;

  constructor(
    /** Stable, unlike the message. */
    readonly code: string,
    message: string,
    { cause, ...details }: Details = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    Object.assign(this, details);
  }
}

/** The service refused a request, or could not do it. `code` is that of the problem, or `http_<status>`. */
export class ApiError extends KimiDispatchError {
  override name = 'ApiError';
}

/** No response: `no_service` (none is running), `timeout`, or `connection_lost` (the service may have done it). */
export class UnreachableError extends KimiDispatchError {
  override name = 'UnreachableError';
}

export function noService(message: string, cause?: unknown): UnreachableError {
  return new UnreachableError('no_service', message, { cause });
}

/** The task has ended without its answer. `code` is its outcome: `failed`, `timed_out` or `cancelled`. */
export class TaskError extends KimiDispatchError {
  override name = 'TaskError';

  constructor(readonly result: Result) {
    const { task_id, status, error } = result;
    super(status, `${task_id} ${OUTCOMES[status]}${error ? `: ${error.message}` : ''}`, { taskId: task_id });
  }
}

const OUTCOMES = { done: 'is done', failed: 'failed', timed_out: 'timed out', cancelled: 'was cancelled' };

/** @returns what an answer of an error's status says. @param path that was asked for */
export function apiError(status: number, retryAfter: string | undefined, text: string, path: string): ApiError {
  const problem = problemOf(text);
  const taskId = problem?.['task_id'] ?? /^\/v1\/(?:tasks|maps)\/([^/?]+)/.exec(path)?.[1];
  const errors = problem?.errors?.map(({ in: part, path: place, detail }) => `${part}${place}: ${detail}`) ?? [];
  // Where rows are wrong, and why.
  const about = ['column', 'line', 'why'].flatMap((name) => {
    const value = problem?.[name];
    return typeof value === 'string' || typeof value === 'number' ? [`${name} ${value}`] : [];
  });
  const title = problem ? [problem.title, ...errors, ...about].join('; ') : `The server responded with HTTP ${status}`;
  return new ApiError(problem?.code ?? `http_${status}`, title, {
    status,
    ...(typeof taskId === 'string' && { taskId }),
    ...(retryAfter !== undefined && /^\d+$/.test(retryAfter) && { retryAfter: Number(retryAfter) }),
    ...(problem && { problem }),
  });
}

function problemOf(text: string): Problem | undefined {
  try {
    const answer = JSON.parse(text) as Partial<Problem> | null;
    return typeof answer?.code === 'string' && typeof answer.title === 'string' ? (answer as Problem) : undefined;
  } catch {
    return undefined;
  }
}

/** @returns what an answer to a request that was done says. */
export function answerOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError('not_json', 'What responded is no Kimi Dispatch: its answer is not JSON', { cause });
  }
}
