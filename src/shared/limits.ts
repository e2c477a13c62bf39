/** Messages between tasks and the limiter. */
import type { Budget, BudgetPause, BudgetView, Reservation } from './budget.ts';
import type { Priority } from './task.ts';

/** Limits of admission; 0 is unlimited. */
export interface Limits {
  /** Requests to Kimi in any 60 s. */
  per_minute: number;
  /** Tasks between dispatch and outcome. */
  concurrent: number;
  /** Waiting tasks of each agent; further ones are refused. */
  queued: number;
  /** Absent if tasks may cost anything. */
  budget?: Budget;
}

/** A task's request for a lease. */
export interface LeaseRequest {
  task_id: string;
  /** The agent's task queue; absent if the limiter is not shared. */
  agent?: string;
  priority: Priority;
  /** Number of the task's request for admission, from 1: identifies the answer to it. */
  round: number;
  /** Set if Kimi answered 429 in the previous round. Part of the request, since the order of two signals is not certain. */
  turned_away?: Throttled;
  /** A batch: it needs no slot, and is no request in the last 60 s. Only a budget may keep it. */
  slotless?: true;
  /** What the task may cost; absent until the limiter asks for it, which it does if there is a budget. */
  cost?: Reservation;
}

/** Kimi answered 429. */
export interface Throttled {
  /** Kimi's `Retry-After`, in milliseconds; absent if there was none. */
  retry_after_ms?: number;
}

/** The request that a round was granted for is no longer on its way. */
export interface SentReport {
  task_id: string;
  round: number;
  /** Whether Kimi accepted it; otherwise the outcome is unknown. */
  accepted: boolean;
}

/** A task releases its slot. */
export interface ReleaseReport {
  task_id: string;
  /** Whether Kimi has, or may have, received a request of this task. */
  sent: boolean;
  /** What it cost; `reserved` if that is not known. Absent while an answer may follow, and if nothing is reserved for it. */
  spent?: number | 'reserved';
}

/** Position in the limiter's queue. */
export interface QueuePosition {
  /** From 1. */
  place: number;
  /** Milliseconds; absent until a task has released its slot. */
  expected_wait_ms?: number;
}

/** The limiter's answer to a task's request. */
export type Admission = { round: number } & (
  | { state: 'granted' }
  | ({ state: 'queued' } & QueuePosition)
  /** There is a budget: the request needs what the task may cost. */
  | { state: 'unpriced' }
  | { state: 'paused'; pause: BudgetPause }
  /** The queue is full; `limit` is its limit. */
  | { state: 'refused'; limit: number }
);

/** Answer of the limiter's query. Times are ISO 8601, UTC, whole seconds. */
export interface LimiterView {
  limits: Limits;
  /** Requests to Kimi that count against the last 60 s. */
  used_per_minute: number;
  /** Tasks that hold a slot. */
  in_flight: string[];
  /** In the order of their turns. `agent`: {@link LeaseRequest.agent}. */
  queue: ({ task_id: string; agent?: string; priority: Priority } & QueuePosition)[];
  /** Absent if the limiter is not shared. */
  agents?: AgentView[];
  /** End of a pause after a 429. */
  paused_until?: string;
  /** Absent without a budget. */
  budget?: BudgetView;
}

/** An agent's share of a limiter. */
interface AgentView {
  /** Its task queue. */
  agent: string;
  /** Its tasks that hold a slot. */
  in_flight: number;
  /** Its tasks that wait. */
  queued: number;
  /** No worker polls its task queue: its slots do not count, and none of its tasks is admitted. */
  away?: true;
}
