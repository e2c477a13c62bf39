import type { Client } from '@temporalio/client';
import { limitsOf } from '../config/index.ts';
import { limiterView } from '../limiter/client.ts';
import type { BudgetView } from '../shared/budget.ts';
import type { Limits } from '../shared/limits.ts';
import { grpcErrorIn } from '../temporal/client.ts';
import type { TaskContext } from './context.ts';
import { Problem } from './problem.ts';

/** The limits, and how much of them is used. */
export interface Usage {
  /** 0 is unlimited. */
  limits: Pick<Limits, 'per_minute' | 'concurrent' | 'queued'>;
  /** Requests to Kimi that count against the last 60 s. */
  used_per_minute: number;
  /** Tasks between dispatch and outcome. */
  running: number;
  /** Waiting tasks. */
  queued: number;
  /** Tasks that would be dispatched now; absent if nothing is limited. */
  free?: number;
  /** End of a pause, since Kimi answered 429. ISO 8601, UTC, whole seconds. */
  paused_until?: string;
  /** The account of the day; absent without a budget. `paused`: how many tasks are not sent. */
  budget?: Omit<BudgetView, 'paused'> & { paused: number };
}

/** How long a worker may take to answer, in milliseconds. */
const ANSWER_MS = 5_000;

/** Asks the limiter. Without limits it counts nothing. */
export async function usageOfLimits(client: Client, { config, limiter }: TaskContext): Promise<Usage> {
  const idle: Usage = { limits: countsOf(limitsOf(config)), used_per_minute: 0, running: 0, queued: 0 };
  if (!limiter) return idle;
  const asked = client.connection.withDeadline(Date.now() + ANSWER_MS, async () => await limiterView(client, limiter));
  const view = await asked.catch((error: unknown) => {
    throw grpcErrorIn(error) ? new Problem('no_worker', {}) : error;
  });
  const { used_per_minute, paused_until } = view ?? idle;
  const limits = countsOf(view?.limits ?? limitsOf(config));
  const running = view?.in_flight.length ?? 0;
  const queued = view?.queue.length ?? 0;
  const free = Math.min(
    limits.concurrent > 0 ? limits.concurrent - running : Infinity,
    limits.per_minute > 0 ? limits.per_minute - used_per_minute : Infinity,
  );
  return {
    limits,
    used_per_minute,
    running,
    queued,
    ...(free < Infinity && { free: paused_until === undefined && queued === 0 ? Math.max(0, free) : 0 }),
    ...(paused_until !== undefined && { paused_until }),
    ...(view?.budget && { budget: { ...view.budget, paused: view.budget.paused.length } }),
  };
}

function countsOf({ per_minute, concurrent, queued }: Limits): Usage['limits'] {
  return { per_minute, concurrent, queued };
}
