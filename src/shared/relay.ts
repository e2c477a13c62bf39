/** Messages between a task and its relay. */
import type { Callback, ErrorCallback } from './callback.ts';
import { relayApiId } from './names.ts';
import type { Cost, FallbackNote } from './result.ts';
import type { TaskError, TaskFile, Tool, ToolUse } from './task.ts';

/** One request of the relay for a task: the input of its activity. Must not contain a secret. */
export interface RelayRequest {
  task_id: string;
  task_name?: string;
  /** Body of the request to Kimi: that of the dispatch call without our own members, with `stream`. */
  body: {
    model: string;
    messages: unknown[];
    response_format?: unknown;
    tools?: unknown;
    [member: string]: unknown;
  };
  /** Documents that Kimi reads before the request; absent if none. */
  files?: RelayFile[];
  /** What Kimi may use for its answer; absent if nothing. */
  tools?: Tool[];
  /** What is asked while Kimi is overloaded; absent if nothing else. */
  fallback?: RelayFallback;
  /** Kimi answers it as a batch. */
  batch?: true;
}

/** Requests to other models, or with a lower effort, in order. */
export interface RelayFallback {
  /** How long Kimi has to be overloaded before the next one is sent, in milliseconds. */
  after_ms: number;
  /** As {@link RelayRequest.body}; a number among the messages stands for the message of the task's own request in that place. */
  bodies: RelayRequest['body'][];
}

/** Most fallbacks of a task. */
export const MAX_FALLBACKS = 4;

/** Most rounds of calls of tools for one answer: each one pays for the conversation before it. After them Kimi answers with what it has. */
export const MAX_ROUNDS = 10;

/** Most calls for one answer. A model may ask for many in a round (128 at Moonshot), and each may be paid for. */
export const MAX_CALLS = 30;

/** A document that is uploaded to Kimi. */
export type RelayFile = Pick<TaskFile, 'name' | 'bytes' | 'sha256' | 'claim'>;

/** Progress of an answer that streams in: heartbeat details of the streaming activity. */
export interface StreamProgress {
  /** `reading`: Kimi extracts the text of documents; the request follows. `batch`: Kimi has it and answers within a day, `tail` is its word for the state. `using_tools`: the request that follows has what they return. */
  phase: 'batch' | 'reading' | 'using_tools' | 'waiting' | 'reasoning' | 'answering';
  /** Of answer and reasoning so far, estimated: Kimi reports them at the end. */
  tokens: number;
  /** The last {@link TAIL_CHARS} characters. */
  tail: string;
  /** The model repeats the same text. */
  repeats?: true;
  /** Another model answers than the one asked for; absent otherwise. */
  fallback?: FallbackNote;
  /** Absent before Kimi has called a tool. */
  rounds?: Rounds;
}

/** Calls of tools for an answer that is under way. */
export interface Rounds {
  /** How often Kimi has called tools. */
  round: number;
  calls: ToolCalls;
  /** Of the requests and searches so far; absent if no price is known. */
  cost?: Cost;
}

/** How often each tool was called. */
export type ToolCalls = Partial<Record<Tool, number>>;

/** @returns how often each tool was called; calls over the limit were not made. */
export function callsIn(uses: readonly ToolUse[]): ToolCalls {
  const calls: ToolCalls = {};
  for (const { tool, not_made } of uses) if (!not_made) calls[tool] = (calls[tool] ?? 0) + 1;
  return calls;
}

/** A relay's report to the task about its request to Kimi. */
export interface RelayReport {
  /** Kimi has begun to answer: the deadline starts. */
  begun?: true;
  /** When it has, in milliseconds since 1970. */
  begun_at?: number;
  /** The calls of tools before that. */
  rounds?: Rounds;
  /** Why Kimi does not have the request yet; it is retried. */
  problem?: TaskError;
  /** How long the relay's machine slept while the answer was on its way, in milliseconds: it does not count against the deadline. */
  slept_ms?: number;
}

/** Length of {@link StreamProgress.tail}: heartbeats are kept small. */
export const TAIL_CHARS = 200;

/** How long the relay retries a request that Kimi does not accept, in milliseconds. */
export const RELAY_TRIES_MS = 24 * 3_600_000;

/** Return value of the relay's activity. */
export interface RelaySummary {
  task_id: string;
  /** `answered`, or the type of the error that was delivered. */
  outcome: string;
  interruptions: number;
  /** How often Kimi called tools; absent if never. */
  rounds?: number;
}

/** @returns the callback for a request that ended without an answer. */
export function relayFailure(request: RelayRequest, error: TaskError): ErrorCallback {
  return { id: relayApiId(request.task_id), model: request.body.model, error, metadata: callbackMetadata(request) };
}

export function callbackMetadata({ task_id, task_name }: RelayRequest): Callback['metadata'] {
  return { task_id, ...(task_name !== undefined && { task_name }) };
}
