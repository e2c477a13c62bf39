/** A task: its input and its state. */
import type { BudgetPause } from './budget.ts';
import type { Route } from './chat.ts';
import type { EventOptions } from './delivery.ts';
import type { ErrorDetail } from './error-detail.ts';
import { firstCharacters } from './format.ts';
import type { QueuePosition } from './limits.ts';
import type { MapCounts, RowOf, StoredRows } from './map.ts';
import type { Cost, FallbackNote } from './result.ts';

/** Languages of texts for users (`KIMI_LANG`); Traditional Chinese by default. */
export type Lang = 'zh-TW' | 'en';

/** Input of a task's workflow. Must not contain a secret. */
export interface Task {
  /** `kimi-<unix seconds>-<number>`; also the workflow id. */
  task_id: string;
  /** Short name shown to the user; see cli/task-name.ts. */
  task_name: string;
  prompt: string;
  model: string;
  /** How long Kimi may take to call back, counted from its acceptance, behind the relay from the head of its answer. Milliseconds. */
  timeout_ms: number;
  /** How long a timed-out or cancelled task accepts a late answer. Milliseconds. */
  grace_ms: number;
  /** Language of every text this task shows. */
  lang: Lang;
  /** Workflow id of its limiter; absent if nothing is limited. */
  limiter?: string;
  /** What it may cost at most, in the currency of the account's host; absent if that is not limited. */
  budget?: number;
  /** Its user lets it be sent, whatever it costs. */
  allowed?: true;
  /** 1 is admitted first, 5 last; 3 by default (Temporal's scale). */
  priority?: Priority;
  /** Resend a request whose outcome is unknown, at the risk of paying twice. */
  resend_unknown?: true;
  /** Who acknowledges a notification: the gateway with its 2xx (if absent), or the agent. */
  ack?: 'agent';
  /** Sent through a relay (`relayId`), whose request is cancelled with the task. */
  relay?: true;
  /** The chat that asked for it and is notified; also in the workflow's memo, so that a chat sees its own tasks. */
  route?: Route;
  /** Options besides prompt and model; absent if none. */
  request?: TaskRequest;
  /** Answered by the simulated Kimi. */
  simulated?: true;
  /** Files that go with the prompt; absent if none. */
  files?: TaskFile[];
  /** The task whose conversation it continues. */
  continues?: string;
  /** The map that it is a row of: that is notified in place of the user. */
  row?: RowOf;
  /** Claim of the content that has its callback among others: Kimi has answered it in the batch of its map. */
  answers?: string;
  /** Of a map: the rows that are asked. */
  rows?: StoredRows;
  /** Questions and answers before the prompt, the oldest first; absent if there are none. */
  conversation?: Turn[];
  /** Words of the program that started it. */
  metadata?: Record<string, string>;
  /** False if the program that started it asks for the answer: the gateway is not woken. */
  wake?: false;
  /** How its end is reported to a program, if that is not as configured. */
  event?: EventOptions;
  /** The schedule that started it. */
  schedule?: ScheduleNote;
  /** Name of the token that started it; absent if no token did. Also a search attribute, so that a token sees its own tasks. */
  owner?: string;
}

/** A schedule, as its task shows it. */
export interface ScheduleNote {
  name: string;
  /** When the task was due. ISO 8601, UTC, whole seconds. */
  due_at: string;
  /** IANA name of the schedule's time zone. */
  timezone: string;
  /** How many earlier due times did not start a task, since nothing ran then; absent if none. */
  missed?: number;
}

/** A question and its answer, in a conversation that is continued. */
export interface Turn {
  prompt: string;
  /** `data:` URLs. */
  images?: string[];
  files?: TaskFile[];
  /** What the functions returned that the answer before it asks for. The prompt, which follows them, may be empty then. */
  function_results?: FunctionResult[];
  output: string;
  /** The model's reasoning; absent if it reported none. */
  reasoning?: string;
  /** Functions that the answer asks for. The output may be empty then. */
  function_calls?: FunctionCall[];
}

/** A function of the program that starts a task: the model may ask for it, and the program runs it. */
export interface FunctionTool {
  name: string;
  description?: string;
  /** JSON Schema of its arguments. */
  parameters?: Record<string, unknown>;
  strict?: boolean;
}

/** A function that an answer asks for. */
export interface FunctionCall {
  id: string;
  name: string;
  /** JSON, as the model wrote it. */
  arguments: string;
}

/** What a function returned. */
export interface FunctionResult {
  call_id: string;
  output: string;
}

/** A file that goes with a prompt. */
export interface TaskFile extends FileNote {
  /**
   * What is stored: `text`, its text in UTF-8; `image`; `pages`, pictures of scanned pages, as a JSON array of `data:` URLs; `document`,
   * the file itself, which Kimi reads (Moonshot's `file-extract`).
   */
  kind: 'text' | 'image' | 'pages' | 'document';
  /** Encoding of the text, if it is not UTF-8, e.g. `Big5`. */
  encoding?: string;
  /** Size of what is stored, in bytes. */
  stored_bytes: number;
  /** SHA-256 of the file, in hex. */
  sha256: string;
  /** Where its content is stored, see temporal/payloads/contents.ts. */
  claim: string;
}

/** A file, as a task shows it. */
export interface FileNote {
  /** Its name, without folders. */
  name: string;
  /** Size of the file, in bytes. */
  bytes: number;
}

/** Options of a request to a model. src/kimi/models.ts defines which model accepts which. */
export interface TaskRequest {
  /** System prompt. */
  system?: string;
  temperature?: number;
  /** Token limit of the answer, including its reasoning. */
  max_tokens?: number;
  /** `on`, `off`, or the model's word for an effort, e.g. `low`. */
  thinking?: string;
  /** `data:` URLs. */
  images?: string[];
  /** JSON Schema of the answer. */
  json_schema?: Record<string, unknown>;
  /** What Kimi may use for its answer. */
  tools?: Tool[];
  /** Functions that the answer may ask for. */
  functions?: FunctionTool[];
  /** Whether it has to ask for one, or for this one; absent if the model decides. */
  function_choice?: 'none' | 'required' | { name: string };
  /** As {@link Turn.function_results}. */
  function_results?: FunctionResult[];
  /** Answered within a day, at 60 % of the price. */
  batch?: true;
}

/** Tools that Moonshot runs: searching the web, reading a page, running Python, reading tables. */
export const TOOLS = ['search', 'fetch', 'code', 'excel'] as const;

export type Tool = (typeof TOOLS)[number];

/** A tool that the model used for an answer. */
export interface ToolUse {
  tool: Tool;
  /** What was searched, or the page that was read; the beginning of other arguments. */
  input: string;
  /** Addresses in what the tool returned; absent if it returned none in clear. */
  sources?: string[];
  /** Set if the tool returned nothing. */
  failed?: true;
  /** Set, with `failed`, if the limit of calls was reached: nothing was paid. */
  not_made?: true;
}

export type Priority = 1 | 2 | 3 | 4 | 5;

export const OUTCOMES = ['done', 'failed', 'timed_out', 'cancelled'] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** @returns whether a task in this state has ended. */
export function isOutcome(state: TaskState): state is Outcome {
  return (OUTCOMES as readonly TaskState[]).includes(state);
}

/** States before the outcome. */
export const STATES_IN_FLIGHT = ['queued', 'paused', 'dispatching', 'dispatched'] as const;

/** Values of the search attribute `KimiStatus`. */
export const TASK_STATES = [...STATES_IN_FLIGHT, ...OUTCOMES] as const;

export type TaskState = (typeof TASK_STATES)[number];

/** Kimi has accepted the task, the limiter has queued it, or it exceeds a budget. */
export type Acceptance =
  /** The provider's id of the request, e.g. `cmpl-1707654360-abc123`. */
  | { task_id: string; api_id: string }
  | { task_id: string; queued: QueuePosition }
  | { task_id: string; paused: BudgetPause };

/** An error of the provider or of ours. Never contains a secret. */
export interface TaskError {
  type: string;
  /** In English, unless the task itself made it. */
  message: string;
  /** What the message says, by code, so that it can be said in the user's language; not of every error. */
  detail?: ErrorDetail;
}

export type TaskStep =
  | 'queued'
  /** It exceeds a budget. */
  | 'paused'
  | 'dispatching'
  | 'waiting'
  | 'saving'
  | 'waking'
  | 'acknowledging'
  /** The agent is woken and has not acknowledged. */
  | 'awaiting_acknowledgement'
  /** The outcome is saved; a late answer is still accepted. */
  | 'awaiting_late_answer'
  | 'closed';

/** Answer of the `status` query. Times are ISO 8601, UTC, whole seconds. */
export interface TaskView {
  task_id: string;
  task_name: string;
  model: string;
  state: TaskState;
  step: TaskStep;
  /** Set if another model was asked than the task's. */
  fallback?: FallbackNote;
  api_id?: string;
  /** Position in the queue by the limiter's last answer. */
  queue?: QueuePosition;
  /** Why it is not sent: it exceeds a budget. */
  paused?: BudgetPause;
  /** What it may cost at most. */
  budget?: number;
  /** Beginning of the prompt; absent if no worker answers, or if it was not kept. */
  question?: string;
  created_at: string;
  /** When Kimi itself received the request: start of the deadline. Behind a relay, absent until Kimi begins to answer. */
  accepted_at?: string;
  deadline?: string;
  completed_at?: string;
  tokens?: number;
  /** Absent if no price is known. */
  cost?: Cost;
  /** Path of the result file, with `~` for the worker's home. */
  result_file?: string;
  /** `length` if the answer is cut off. */
  finish_reason?: string;
  error?: TaskError;
  /** When the gateway accepted the wake. */
  woken_at?: string;
  /** Whether the pending notification is acknowledged. */
  acknowledged: boolean;
  /** Why the agent could not be woken. */
  wake_error?: TaskError;
  /** Sent through a relay, which reports the answer's progress ({@link StreamProgress}). */
  relay?: true;
  /** Answered by the simulated Kimi. */
  simulated?: true;
  /** Files that go with the prompt; absent if none. */
  files?: FileNote[];
  /** Words of the program that started it. */
  metadata?: Record<string, string>;
  /** The task whose conversation it continues. */
  continues?: string;
  /** The schedule that started it. */
  schedule?: ScheduleNote;
  /** Of a map: its rows by outcome. */
  map?: MapCounts;
  /** The map that it is a row of. */
  row?: RowOf;
  /** Name of the token that started it. */
  owner?: string;
}

/** Characters of the prompt in {@link TaskView.question}. */
export const QUESTION_CHARS = 300;

type Asked = Pick<
  Task,
  'prompt' | 'files' | 'metadata' | 'continues' | 'relay' | 'simulated' | 'schedule' | 'row' | 'owner' | 'budget'
>;

/** @returns what a task shows of what it was asked. */
export function viewOfAsked(asked: Asked): Partial<TaskView> {
  const { prompt, files, metadata, continues, relay, simulated, schedule, row, owner, budget } = asked;
  return {
    question: firstCharacters(prompt, QUESTION_CHARS),
    ...(metadata && { metadata }),
    ...(relay && { relay }),
    ...(simulated && { simulated }),
    ...(files && { files: fileNotes(files) }),
    ...(continues !== undefined && { continues }),
    ...(schedule && { schedule }),
    ...(row && { row }),
    ...(owner !== undefined && { owner }),
    ...(budget !== undefined && { budget }),
  };
}

/** Return value of the task workflow. */
export interface TaskSummary {
  task_id: string;
  status: Outcome;
  acknowledged: boolean;
}

/** A process that executes an activity. */
export interface Holder {
  /** Unique to a machine or container. */
  machine: string;
  pid: number;
  start: string;
}

/** An attempt whose heartbeat timed out. Its process may still do the work: a machine that sleeps sends no heartbeats. */
export interface LostAttempt {
  /** Absent if there was no heartbeat: the attempt did not begin. */
  holder?: Holder;
}

/** Largest prompt with the text of its files and the conversation before it, in bytes of UTF-8: about as much as the largest context holds (a million tokens). */
export const MAX_PROMPT_BYTES = 4 * 1024 * 1024;

/** Largest file, in bytes (Moonshot's limit). */
export const MAX_FILE_BYTES = 100_000_000;

/** Most files of a task, their total size, and that of the pictures among them, in bytes. A request to Moonshot has at most 100 MB. */
export const MAX_FILES = 50;
export const MAX_FILES_BYTES = 100_000_000;
export const MAX_IMAGES_BYTES = 20_000_000;

/** @returns the files as a task shows them. */
function fileNotes(files: readonly FileNote[]): FileNote[] {
  return files.map(({ name, bytes }) => ({ name, bytes }));
}
