/** Results that come after one of the same task was saved. */
import type { ResultFile, TaskResult } from '../shared/result.ts';

/** A finished task with its cost, if known. */
export type PricedResult = TaskResult & Pick<ResultFile, 'cost'>;

/** A result replaces one of a lower rank: Kimi's answer or its refusal before what a cancelled answer had cost, and that before nothing. */
export function rankOf({ status, late, tokens }: TaskResult): number {
  return late === true || status === 'done' || status === 'failed' ? 2 : tokens ? 1 : 0;
}

/** An answer to a cancelled task is saved without a notification. */
export function lateAfter(before: ResultFile, result: PricedResult): PricedResult & Partial<ResultFile> {
  const isAnswer = result.late === true || result.status !== 'cancelled';
  const { status } = before.status === 'cancelled' ? before : result;
  return {
    ...result,
    status,
    ...(isAnswer && { late: true as const }),
    ...(status === 'cancelled' && acknowledgementOf(before)),
  };
}

function acknowledgementOf({ acknowledged, acknowledged_at }: ResultFile): Partial<ResultFile> {
  return { ...(acknowledged && { acknowledged }), ...(acknowledged_at && { acknowledged_at }) };
}
