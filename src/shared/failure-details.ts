import type { ErrorDetail } from './error-detail.ts';
import type { TaskError } from './task.ts';

/** Details of an activity's failure: the error's type, a server's Retry-After in milliseconds, what its message says. */
export function failureDetails({ type, detail }: Omit<TaskError, 'message'>, retryAfterMs?: number): unknown[] {
  if (detail) return [type, retryAfterMs ?? null, detail];
  return retryAfterMs === undefined ? [type] : [type, retryAfterMs];
}

/** @returns the parts of an error that {@link failureDetails} stored; empty for other details. */
export function readDetails(details: readonly unknown[] | null | undefined): Partial<Omit<TaskError, 'message'>> {
  const [type, , detail] = details ?? [];
  return {
    ...(typeof type === 'string' && { type }),
    ...(isDetail(detail) && { detail }),
  };
}

function isDetail(value: unknown): value is ErrorDetail {
  return typeof value === 'object' && value !== null && 'code' in value;
}
