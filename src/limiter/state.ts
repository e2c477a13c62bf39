import type { LeaseRequest, Limits } from '../shared/limits.ts';
import type { LedgerState } from './ledger.ts';

/** A slot that a task holds from its admission to its outcome. */
export interface Lease {
  task_id: string;
  /** {@link LeaseRequest.agent} */
  agent?: string;
  granted_at: number;
  /** The round it was granted for. */
  round: number;
  /** `granted`: its request may be on the way at any moment. `waiting`: Kimi answered 429, the task is queued again. */
  phase: 'granted' | 'sent' | 'waiting';
}

/** State of the limiter; passed on when its workflow continues as new. Times are milliseconds since 1970. */
export interface AdmissionState {
  limits: Limits;
  /** The last limits configured by the environment: a value that differs from these replaces the current one. */
  configured: Limits;
  queue: LeaseRequest[];
  leases: Lease[];
  /** When requests were sent, as far as they still count. */
  sent: number[];
  paused_until: number;
  /** When the pause was decided; absent if there was none. */
  paused_at?: number;
  /** How many requests in a row Kimi answered with 429. */
  turned_away: number;
  /** Average time that a task holds a slot; absent until the first is released. */
  average_hold_ms?: number;
  /** Task queues of the agents that share the limiter, as far as they are known; absent if it belongs to one agent. */
  agents?: string[];
  /** Agents without a worker at the last check, and since when; after a while they count as away. */
  missing?: { agent: string; since: number; away: boolean }[];
  /** Absent until there is a budget. */
  ledger?: LedgerState;
  /** Requests that exceed a budget; absent if there were none. `told`: what their tasks know, `waits` or `asks`. */
  paused?: PausedRequest[];
}

export interface PausedRequest {
  request: LeaseRequest;
  told?: 'waits' | 'asks';
}

export function emptyState(limits: Limits): AdmissionState {
  return { limits, configured: limits, queue: [], leases: [], sent: [], paused_until: 0, turned_away: 0 };
}
