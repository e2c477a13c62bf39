/** Messages between tasks and the limiter. */
import type { Priority } from './task.ts';

/** What is admitted. 0 is unlimited. */
export interface Limits {
  /** Requests to Kimi in any 60 s. */
  per_minute: number;
  /** Tasks between dispatch and outcome. */
  concurrent: number;
  /** Tasks that may wait, of each agent; beyond it, dispatch is refused. */
  queued: number;
}

/** A task's request for a lease. */
export interface LeaseRequest {
  task_id: string;
  /** Its task queue, where several agents share the limiter: they take turns. */
  agent?: string;
  priority: Priority;
  /** Counts a task's requests for admission from 1, so that the answer to an earlier one is not taken for this one's. */
  round: number;
  /** Set where Kimi was too busy for the round before. Signals may overtake each other: so it is said with the request. */
  turned_away?: Throttled;
}

export interface Throttled {
  /** How long Kimi asked to be left alone, in milliseconds; absent where it did not say. */
  retry_after_ms?: number;
}

/** The request that a round was granted for is no longer on its way. */
export interface SentReport {
  task_id: string;
  round: number;
  /** Whether Kimi took it; otherwise nobody knows. */
  accepted: boolean;
}

/** A task gives its place back. */
export interface ReleaseReport {
  task_id: string;
  /** Whether Kimi has, or may have, had a request of it. */
  sent: boolean;
}

/** A place in the queue. */
export interface QueuePosition {
  /** From 1. */
  place: number;
  /** Milliseconds; absent where there is nothing yet to tell it by. */
  expected_wait_ms?: number;
}

/** The limiter's word to a task, for one of its rounds. */
export type Admission = { round: number } & (
  | { state: 'granted' }
  | ({ state: 'queued' } & QueuePosition)
  /** The queue is full: its limit. */
  | { state: 'refused'; limit: number }
);

/** Answer of the limiter's query. Times are ISO 8601, UTC, whole seconds. */
export interface LimiterView {
  limits: Limits;
  /** Requests to Kimi that count against the last 60 s. */
  used_per_minute: number;
  /** Tasks that hold a place. */
  in_flight: string[];
  /** In the order of their turns. `agent`: {@link LeaseRequest.agent}. */
  queue: ({ task_id: string; agent?: string; priority: Priority } & QueuePosition)[];
  /** Who shares it, by task queue; absent where it is one agent's own. */
  agents?: AgentView[];
  /** Until when nothing is admitted, since Kimi was too busy. */
  paused_until?: string;
}

/** What one of the agents that share a limiter has of it. */
interface AgentView {
  /** Its task queue. */
  agent: string;
  /** Its tasks that hold a place. */
  in_flight: number;
  /** Its tasks that wait. */
  queued: number;
  /** No worker serves its task queue: its places are not counted, and nothing of it is admitted. */
  away?: true;
}
