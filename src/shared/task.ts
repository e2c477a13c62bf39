/** A task: what it asks for, and where it stands. */
import type { Route } from './chat.ts';
import type { QueuePosition } from './limits.ts';
import type { Cost } from './result.ts';

/** The languages a user may read. Chosen with `KIMI_LANG`; Traditional Chinese unless told otherwise. */
export type Lang = 'zh-TW' | 'en';

/** What one task asks for: the input of its workflow. Nothing secret may ever stand here. */
export interface Task {
  /** `kimi-<unix seconds>-<number>`; also the workflow id. */
  task_id: string;
  /** Short name shown to the user; see naming.ts. */
  task_name: string;
  prompt: string;
  model: string;
  /** How long Kimi may take to call back, counted from when Kimi itself has the request. Milliseconds. */
  timeout_ms: number;
  /** How long a timed-out or cancelled task stays open for an answer that comes late. Milliseconds. */
  grace_ms: number;
  /** Language of every text this task shows. */
  lang: Lang;
  /** Workflow id of the limiter that admits it; absent where nothing is limited. */
  limiter?: string;
  /** 1 is admitted first, 5 last; 3 where absent (the engine's own scale). */
  priority?: Priority;
  /** The user would rather pay twice than wait for an answer that may never come. */
  resend_unknown?: true;
  /** Who says that the user has been told: the gateway by taking the wake (where absent), or the agent itself. */
  ack?: 'agent';
  /** A relay takes it (`relayId`): where the task is cancelled, so is the relay's request. */
  relay?: true;
  /** The chat that asked for it, where the reply goes; also in the workflow's memo, so that a chat sees its own tasks. */
  route?: Route;
  /** What the user asked for besides prompt and model; absent where nothing. */
  request?: TaskRequest;
}

/** What may be asked of a model besides the prompt. Which model takes what is for src/kimi/models.ts to say. */
export interface TaskRequest {
  /** System prompt. */
  system?: string;
  temperature?: number;
  /** Most tokens of the answer, its reasoning included. */
  max_tokens?: number;
  /** `on`, `off`, or the model's word for an effort, e.g. `low`. */
  thinking?: string;
  /** `data:` URLs. */
  images?: string[];
  /** The JSON Schema that the answer is to fit. */
  json_schema?: Record<string, unknown>;
}

export type Priority = 1 | 2 | 3 | 4 | 5;

/** How a task may end. */
export const OUTCOMES = ['done', 'failed', 'timed_out', 'cancelled'] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** Where a task may stand before it has its outcome. */
export const STATES_IN_FLIGHT = ['queued', 'dispatching', 'dispatched'] as const;

/** Where a task stands; the value of the search attribute `KimiStatus`. */
export const TASK_STATES = [...STATES_IN_FLIGHT, ...OUTCOMES] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** Kimi has taken the task, or it waits for its turn. */
export type Acceptance =
  /** The provider's id of the request, e.g. `cmpl-1707654360-abc123`. */
  { task_id: string; api_id: string } | { task_id: string; queued: QueuePosition };

/** What went wrong, as the provider or we name it. Never carries a secret. */
export interface TaskError {
  type: string;
  message: string;
}

/** What a task is doing now. */
export type TaskStep =
  | 'queued'
  | 'dispatching'
  | 'waiting'
  | 'saving'
  | 'waking'
  | 'acknowledging'
  /** The agent has been woken and has not said yet that its user knows. */
  | 'awaiting_acknowledgement'
  /** The outcome stands; an answer that comes late would still be kept. */
  | 'awaiting_late_answer'
  | 'closed';

/** Answer of the `status` query. Times are ISO 8601, UTC, whole seconds. */
export interface TaskView {
  task_id: string;
  task_name: string;
  model: string;
  state: TaskState;
  step: TaskStep;
  api_id?: string;
  /** Where it stood in the queue when the limiter last said. */
  queue?: QueuePosition;
  created_at: string;
  /** When Kimi itself had the request: the deadline counts from here. Behind a relay, absent until Kimi begins to answer. */
  accepted_at?: string;
  /** Until when Kimi's answer is in time. */
  deadline?: string;
  completed_at?: string;
  tokens?: number;
  /** Absent where no price is known. */
  cost?: Cost;
  /** Where the result lies, as its worker's user would type it. */
  result_file?: string;
  /** `length` where the answer is cut off. */
  finish_reason?: string;
  error?: TaskError;
  /** When the gateway had taken the wake. */
  woken_at?: string;
  /** Whether the agent has been told. */
  acknowledged: boolean;
  /** Why the agent could not be woken, if it could not. */
  wake_error?: TaskError;
  /** Whether a relay has it: it tells how far the answer is ({@link StreamProgress}). */
  relay?: true;
}

/** Return value of the task workflow. */
export interface TaskSummary {
  task_id: string;
  status: Outcome;
  acknowledged: boolean;
}

/** A process that does the work of an activity. */
export interface Holder {
  /** Tells machines apart, and containers. */
  machine: string;
  pid: number;
  start: string;
}

/** An attempt whose heartbeats ran out. Its process may still do the work: a machine that sleeps sends no heartbeats. */
export interface LostAttempt {
  /** Absent where no heartbeat came. */
  holder?: Holder;
}

/** Largest prompt, in bytes of UTF-8. The engine refuses payloads over 2 MiB; the prompt travels with room to spare. */
export const MAX_PROMPT_BYTES = 1024 * 1024;
