/**
 * The shapes, names and numbers that every room of this house agrees on.
 *
 * Loaded by workflows too: it imports nothing from Node and validates nothing (see callback.ts for that).
 */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

/** The languages a user may read. Chosen with `KIMI_LANG`; Traditional Chinese unless told otherwise. */
export type Lang = 'zh-TW' | 'en';

/** Default namespace of the engine (`TEMPORAL_NAMESPACE` chooses another). */
export const NAMESPACE = 'default';

/** Default task queue. Another one (`KIMI_TASK_QUEUE`) keeps two stacks apart on one Temporal namespace. */
export const TASK_QUEUE = 'kimi-dispatch';

/** The workflow type of a task. Its workflow id is the task id. */
export const TASK_WORKFLOW = 'kimiTask';

/** Signal, argument {@link Callback}: Kimi's answer. Raised by the webhook endpoint. */
export const CALLBACK_SIGNAL = 'callback';

/** Query → {@link TaskView}: where the task stands. */
export const STATUS_QUERY = 'status';

/** Update → {@link Acceptance}: answers once Kimi has taken the task, throws what made it refuse. */
export const ACCEPTED_UPDATE = 'accepted';

/** Update → {@link TaskView}: the agent has shown the result to its user. Refused while there is none. */
export const ACKNOWLEDGE_UPDATE = 'acknowledge';

/** Signal to a task, argument {@link RelayReport}: what its relay has seen of the request to Kimi. */
export const RELAY_SIGNAL = 'relay';

/** Signal to a task, argument {@link Admission}: what the limiter decided. */
export const ADMISSION_SIGNAL = 'admission';

/** The workflow type of the limiter. */
export const LIMITER_WORKFLOW = 'kimiLimiter';

/** Signals to the limiter. All but `configure` come from tasks. */
export const LIMITER_SIGNALS = {
  /** Argument {@link Limits}: what a worker's environment says; where several agents share it, whose, by its task queue. */
  configure: 'configure',
  /** Argument {@link LeaseRequest}: asks for a lease, or where it stands in the queue. */
  request: 'request',
  /** Argument {@link SentReport}: a request is no longer on its way. */
  sent: 'sent',
  /** Argument {@link ReleaseReport}: the task has its outcome, or is no longer wanted. */
  release: 'release',
  /** Argument {@link TurnedAway}: Kimi was too busy for a request that had a lease, and that its relay sends again. */
  turnedAway: 'turned-away',
} as const;

/** Query to the limiter → {@link LimiterView}. */
export const LIMITER_QUERY = 'limits';

/** Update of the limiter, argument a part of {@link Limits} → {@link LimiterView}. */
export const SET_LIMITS_UPDATE = 'setLimits';

/** @returns the workflow id of the limiter of everything that runs on a task queue, where it runs too. */
export function limiterId(taskQueue: string): string {
  return `kimi-limiter-${taskQueue}`;
}

const SHARED_LIMITER = 'kimi-shared-limiter-';

/** @returns the workflow id of a limiter that several agents share. It is its task queue too, which the workers of all serve. */
export function sharedLimiterId(name: string): string {
  return `${SHARED_LIMITER}${name}`;
}

/** @returns whether several agents may share the limiter of a workflow id. */
export function isSharedLimiter(id: string): boolean {
  return id.startsWith(SHARED_LIMITER);
}

/** The workflow type of one request that the relay makes for a task. */
export const RELAY_WORKFLOW = 'kimiRelay';

/** @returns the workflow id of the relay's request for a task: one request a task, however often it is dispatched. */
export function relayId(task_id: string): string {
  return `relay-${task_id}`;
}

/** @returns the API id that the relay gives a task: always the same one. */
export function relayApiId(task_id: string): string {
  return task_id.replace(/^kimi-/, 'cmpl-');
}

/** @returns the task queue of the relay's workflows and deliveries, beside the one of the tasks. */
export function relayQueue(taskQueue: string): string {
  return `${taskQueue}-relay`;
}

/** @returns the task queue of the streams of a relay: how many run at once is limited for each worker. */
export function streamsQueue(relayQueue: string): string {
  return `${relayQueue}-streams`;
}

/** Search attributes of a task, as columns and filters in the Web UI. */
export const SEARCH_ATTRIBUTES = {
  status: defineSearchAttributeKey('KimiStatus', SearchAttributeType.KEYWORD),
  taskName: defineSearchAttributeKey('KimiTaskName', SearchAttributeType.KEYWORD),
  model: defineSearchAttributeKey('KimiModel', SearchAttributeType.KEYWORD),
  tokens: defineSearchAttributeKey('KimiTokens', SearchAttributeType.INT),
} as const;

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

/** A chat, as the agent's gateway knows it. */
export interface Route {
  /** e.g. `telegram`. */
  channel: string;
  /** The chat itself, without the channel's name in front: `4242`, not `telegram:4242`. */
  to: string;
  /** Which of the gateway's accounts on the channel. */
  account_id?: string;
  /** A topic or thread within the chat. */
  thread_id?: string;
  /** The gateway's conversation, whose agent is woken with `KIMI_REPLY=agent`. */
  session_key?: string;
  /** The message that asked for the task: a gateway that was killed may be given it again, and that is one task all the same. */
  message?: { id: string; /** Milliseconds since 1970. */ at: number };
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
  turned_away?: TurnedAway;
}

export interface TurnedAway {
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
export interface Place {
  /** From 1. */
  place: number;
  /** Milliseconds; absent where there is nothing yet to tell it by. */
  expected_wait_ms?: number;
}

/** The limiter's word to a task, for one of its rounds. */
export type Admission = { round: number } & (
  | { state: 'granted' }
  | ({ state: 'queued' } & Place)
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
  queue: ({ task_id: string; agent?: string; priority: Priority } & Place)[];
  /** Who shares it, by task queue; absent where it is one agent's own. */
  agents?: AgentView[];
  /** Until when nothing is admitted, since Kimi was too busy. */
  paused_until?: string;
}

/** What one of the agents that share a limiter has of it. */
export interface AgentView {
  /** Its task queue. */
  agent: string;
  /** Its tasks that hold a place. */
  in_flight: number;
  /** Its tasks that wait. */
  queued: number;
  /** No worker serves its task queue: its places are not counted, and nothing of it is admitted. */
  away?: true;
}

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
  { task_id: string; api_id: string } | { task_id: string; queued: Place };

/** What went wrong, as the provider or we name it. Never carries a secret. */
export interface TaskError {
  type: string;
  message: string;
}

/** Token counts as the provider reports them. */
export interface Usage {
  /** Those found in its cache included. */
  prompt_tokens: number;
  /** Those of its reasoning included. */
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: { cached_tokens: number };
  completion_tokens_details?: { reasoning_tokens: number };
}

interface CallbackMetadata {
  task_id: string;
  task_name?: string;
}

/** A callback that carries Kimi's answer (contract section 3). */
export interface AnswerCallback {
  id: string;
  model: string;
  usage: Usage;
  /** `content` may be empty where `finish_reason` is `length`: the tokens ran out while the model reasoned. */
  choices: { message: { content: string; reasoning_content?: string }; finish_reason?: string }[];
  metadata: CallbackMetadata;
  /** How often the answer broke off and was gone on with; absent where it did not. Tokens before a break are estimated. */
  interruptions?: number;
}

/** A callback of a provider that failed. */
export interface ErrorCallback {
  id?: string;
  model?: string;
  error: TaskError;
  metadata: CallbackMetadata;
  /** What there is of an answer that broke off. */
  partial?: string;
  partial_reasoning?: string;
  /** What that took, estimated where the provider did not count. */
  usage?: Usage;
  /** How often it had broken off before. */
  interruptions?: number;
}

/** What Kimi calls back with, and when that reached us. */
export type Callback = (AnswerCallback | ErrorCallback) & {
  /** When the webhook had received it, by the webhook's clock, in milliseconds since 1970; a sender's own word is dropped. */
  received_at?: number;
  /** Made by the webhook once it has checked the signature (callback-proof.ts); a sender's own is dropped. */
  proof?: string;
};

/** `pending-<task_id>.json` (contract section 2). */
export interface PendingFile {
  task_id: string;
  status: 'dispatched';
  /** ISO 8601, UTC, whole seconds. */
  created_at: string;
}

/** What an answer took. */
export interface Tokens {
  prompt: number;
  completion: number;
  total: number;
  /** The part of `prompt` that Kimi's cache knew. */
  cached?: number;
  /** The part of `completion` that was reasoning. */
  reasoning?: number;
}

/** What an answer cost by the price table (src/kimi/models.ts). */
export interface Cost {
  amount: number;
  currency: 'CNY' | 'USD';
  /** The day the price was read. */
  price_date: string;
}

/** How long each step of a task took, in milliseconds, as its workflow saw it. What is not known is absent. */
export interface Timings {
  /** From the start until it was its turn to be sent; the last time, where Kimi turned it away before. */
  queued_ms?: number;
  /** From there until Kimi's API id. */
  dispatch_ms?: number;
  /** From there, or from Kimi's first byte behind a relay, until the webhook had the callback. */
  kimi_ms?: number;
  /** From there until the result was saved. */
  save_ms?: number;
  /** From there until the gateway had taken the wake. */
  wake_ms?: number;
}

/** A finished task, before it is written. */
export interface TaskResult {
  task_id: string;
  task_name: string;
  status: Outcome;
  model: string;
  /** Kimi's answer; absent when there is none. */
  output?: string;
  /** What the model thought on its way to the answer; absent where it does not say. */
  reasoning?: string;
  tokens?: Tokens;
  /** `length` where the answer is cut off. */
  finish_reason?: string;
  /** How often the answer broke off and was gone on with. Tokens before a break are estimated. */
  interruptions?: number;
  error?: TaskError;
  /** What there is of an answer that broke off and was not gone on with. */
  partial_output?: string;
  /** True when the answer came after the task had timed out or was cancelled. */
  late?: true;
  /** `save_ms` and `wake_ms` are added when the result is acknowledged. */
  timings?: Timings;
  /** When the task was started. ISO 8601, UTC, whole seconds. */
  created_at: string;
}

/** `<task_id>.json` and `latest.json` (contract section 4). */
export interface ResultFile extends TaskResult {
  /** Absent where no price is known. */
  cost?: Cost;
  /** When the result was saved. ISO 8601, UTC, whole seconds. */
  completed_at: string;
  /** True once the agent has been told. */
  acknowledged?: true;
  acknowledged_at?: string;
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
  queue?: Place;
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

/** What saving a result brought about. */
export interface Saved extends Pick<ResultFile, 'completed_at' | 'cost'> {
  /** {@link TaskView.result_file}. */
  file: string;
  /** What is there, where it is not what was to be saved: it was saved by a workflow task that the engine does not know of. */
  instead?: Pick<TaskResult, 'status' | 'late' | 'model' | 'error' | 'tokens' | 'finish_reason'>;
}

/** Return value of the task workflow. */
export interface TaskSummary {
  task_id: string;
  status: Outcome;
  acknowledged: boolean;
}

/** Activities the task workflow calls. */
export interface TaskActivities {
  /**
   * Sends the task to Kimi. Never sends twice: what is retried was not sent.
   *
   * @param lost the attempt before, whose heartbeats ran out.
   */
  dispatch(task: Task, lost?: LostAttempt): Promise<Dispatched>;
  /** @returns whether a callback of this task was passed on by the webhook, and not made up by somebody who reaches the engine. */
  verifyCallback(task_id: string, callback: Callback): Promise<boolean>;
  /** Writes `pending-<task_id>.json`. */
  recordPending(task_id: string, created_at: string): Promise<void>;
  /** Writes the result and `latest.json`, removes the pending file. */
  persist(result: TaskResult): Promise<Saved>;
  /**
   * Wakes the agent's gateway, unless the result has been acknowledged by then. The key names the news: a gateway that has
   * had it need not show it again.
   *
   * @param told who is told, and in which language.
   */
  wake(
    task_id: string,
    text: string,
    key: string,
    told: Pick<Task, 'route' | 'lang'>,
  ): Promise<'woken' | 'acknowledged'>;
  /**
   * Marks the result as shown, and adds what is known by then of how long its steps took.
   *
   * @param news where the result holds other news than these by now, nothing is marked.
   * @returns `no_result` where the file was removed or damaged since it was saved.
   */
  acknowledge(task_id: string, timings: Timings | undefined, news: string): Promise<'no_result' | undefined>;
  /** Starts the limiter of a workflow id where it is not there. */
  startLimiter(id: string): Promise<void>;
  /** Gives a task's place back to the limiter of an id; one that is gone has none to take back. */
  release(id: string, report: ReleaseReport): Promise<void>;
}

/** Activities the limiter calls. */
export interface LimiterActivities {
  /** Of these tasks, those that no longer need a place: closed in whatever way, or with an outcome. */
  endedTasks(task_ids: string[]): Promise<string[]>;
  /**
   * Tasks that Kimi is working on.
   *
   * @param taskQueue whose; of the worker's own where absent.
   */
  tasksInFlight(taskQueue?: string): Promise<string[]>;
  /** Of these agents, by their task queues, those whose queue no worker has asked for work for a while. */
  missingAgents(taskQueues: string[]): Promise<string[]>;
}

/** One request that the relay makes for a task: the input of its workflow. Nothing secret may ever stand here. */
export interface RelayRequest {
  task_id: string;
  task_name?: string;
  /** What Kimi is sent: the body of the dispatch call, without what is ours, streamed. */
  body: {
    model: string;
    messages: unknown[];
    response_format?: unknown;
    tools?: unknown;
    [member: string]: unknown;
  };
}

/** How far an answer is, while it streams in: what the streaming activity heartbeats. */
export interface StreamProgress {
  phase: 'waiting' | 'reasoning' | 'answering';
  /** Of answer and reasoning so far, estimated: Kimi counts them at the end only. */
  tokens: number;
  /** The last words, at most {@link TAIL_CHARS} characters. */
  tail: string;
  /** The model writes the same text over and over. */
  repeats?: true;
}

/** What a relay tells the task of its request to Kimi. */
export interface RelayReport {
  /** Kimi has begun to answer: the deadline starts. */
  begun?: true;
  /** Why Kimi does not have the request yet; it is tried again. */
  problem?: TaskError;
  /** How long the relay's machine slept while the answer was on its way, in milliseconds: it does not count against the deadline. */
  slept_ms?: number;
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

/** Length of {@link StreamProgress.tail}: heartbeats are kept small. */
export const TAIL_CHARS = 200;

/** How long the relay asks Kimi while Kimi does not take the request, in milliseconds. */
export const RELAY_TRIES_MS = 24 * 3_600_000;

/** Activities the relay's workflow calls. */
export interface RelayActivities {
  /**
   * Asks Kimi and takes the answer as it streams in. Fails as {@link FAILURE.interrupted} where it breaks off.
   *
   * @param interruptions how often that has happened to this request, and why it did last.
   * @param lost the attempt before, whose heartbeats ran out.
   * @returns what the task is to be told: the answer, or why there is none.
   */
  complete(request: RelayRequest, interruptions: number, why?: string, lost?: LostAttempt): Promise<Callback>;
  /** Posts the signed callback until it is taken. */
  deliver(request: RelayRequest, callback: Callback): Promise<void>;
}

/** Return value of the relay's workflow. */
export interface RelaySummary {
  task_id: string;
  /** `answered`, or the type of the error that was delivered. */
  outcome: string;
  interruptions: number;
}

/** What the dispatch call brought back. */
export interface Dispatched {
  api_id: string;
  /** Set when the provider answered at once instead of calling back: paid for, so it is kept. */
  answer?: AnswerCallback;
}

/**
 * Types of the application failures that activities raise. `retried` says what Temporal does with them.
 */
export const FAILURE = {
  /** Kimi said no; nothing will come. Not retried. */
  refused: 'Refused',
  /** The request may or may not have reached Kimi. Not retried: it could be paid for twice. */
  outcomeUnknown: 'OutcomeUnknown',
  /** The request was certainly not accepted. Retried. */
  notSent: 'NotSent',
  /** Kimi was too busy to take it. Retried, but by the limiter where there is one. */
  turnedAway: 'TurnedAway',
  /** Another process of this machine has the work. Retried until it has ended. */
  held: 'Held',
  /** An answer broke off. The relay's workflow decides what to do. */
  interrupted: 'Interrupted',
  /** Nothing will ever take a callback. Not retried. */
  callbackRefused: 'CallbackRefused',
  /** A callback was not taken. Retried. */
  callbackFailed: 'CallbackFailed',
  /** The gateway said no (wrong token, wrong address). Not retried. */
  wakeRefused: 'WakeRefused',
  /** The gateway is out of reach or busy. Retried. */
  wakeFailed: 'WakeFailed',
} as const;

/** Largest prompt, in bytes of UTF-8. The engine refuses payloads over 2 MiB; the prompt travels with room to spare. */
export const MAX_PROMPT_BYTES = 1024 * 1024;

/** Largest callback body, and answer given in place: 16 MiB, in bytes. What is large is stored outside the engine. */
export const MAX_CALLBACK_BYTES = 16 * 1024 * 1024;

/** Characters of the answer shown in the reply (contract section 5). */
export const SUMMARY_CHARS = 300;

/** The task's {@link Route} in its workflow's memo. */
export const ROUTE_MEMO = 'route';

export { newsOf, NOTIFICATION, parseTaskName, repeatOf, taskIdIn, TASK_ID, type Named } from './names.ts';

/** @returns whether an answer is cut off: it is paid for, and not complete. */
export function isTruncated({ finish_reason }: Pick<TaskResult, 'finish_reason'>): boolean {
  return finish_reason === 'length';
}

/** @returns whether the callback reports an error in place of an answer. */
export function isErrorCallback(callback: Callback): callback is Callback & ErrorCallback {
  return 'error' in callback;
}

/** @returns ISO 8601 in UTC with whole seconds, the form of contract section 4 (and the one `jq` can parse). */
export function isoSeconds(time: Date | number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
