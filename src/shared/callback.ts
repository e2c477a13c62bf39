/** The body of a callback (docs/http-api.md). */
import type { FallbackNote } from './result.ts';
import type { FunctionCall, TaskError, ToolUse } from './task.ts';

/** Token counts as the provider reports them. */
export interface Usage {
  /** Including cached tokens. */
  prompt_tokens: number;
  /** Including reasoning tokens. */
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: { cached_tokens: number };
  completion_tokens_details?: { reasoning_tokens: number };
}

interface CallbackMetadata {
  task_id: string;
  task_name?: string;
}

/** A callback with Kimi's answer. */
export interface AnswerCallback {
  id: string;
  model: string;
  usage: Usage;
  /**
   * `content` may be empty if `finish_reason` is `length`, as the tokens ran out while the model reasoned, or if there are
   * `function_calls`, which only the relay sends.
   */
  choices: {
    message: { content: string; reasoning_content?: string; function_calls?: FunctionCall[] };
    finish_reason?: string;
  }[];
  metadata: CallbackMetadata;
  /** How often the stream was interrupted and resumed; absent if never. Tokens before an interruption are estimated. */
  interruptions?: number;
  /** In order; absent if none. Only the relay sends it. */
  tool_uses?: ToolUse[];
  /** Set if another model was asked than the task's. Only the relay sends it. */
  fallback?: FallbackNote;
}

/** A callback with the provider's error. */
export interface ErrorCallback {
  id?: string;
  model?: string;
  error: TaskError;
  metadata: CallbackMetadata;
  /** The part of an interrupted answer that was received. */
  partial?: string;
  partial_reasoning?: string;
  /** Tokens of that part; estimated if the provider did not report them. */
  usage?: Usage;
  /** How often the stream was interrupted and resumed before. */
  interruptions?: number;
  tool_uses?: ToolUse[];
  fallback?: FallbackNote;
}

/** The body of a callback, with what the webhook adds. */
export type Callback = (AnswerCallback | ErrorCallback) & {
  /** When the webhook received it, by its clock, in milliseconds since 1970; a value from the sender is dropped. */
  received_at?: number;
  /** Made by the webhook after it has checked the signature (webhook/proof.ts); a value from the sender is dropped. */
  proof?: string;
};

/** Result of the dispatch call. */
export interface Dispatched {
  api_id: string;
  /** Set if the provider returned the answer instead of calling back, or has answered in a batch. */
  answer?: Callback;
  /** The pending file is written. */
  pending?: true;
  /** The limiter knows that the request is no longer on its way. */
  reported?: true;
}

/** Largest callback body, and answer of a dispatch call: 16 MiB, in bytes. Large payloads are stored outside Temporal. */
export const MAX_CALLBACK_BYTES = 16 * 1024 * 1024;

/** @returns whether the callback reports an error in place of an answer. */
export function isErrorCallback(callback: Callback): callback is Callback & ErrorCallback {
  return 'error' in callback;
}
