/** The body of a callback (contract section 3). */
import type { TaskError } from './task.ts';

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

/** What the dispatch call brought back. */
export interface Dispatched {
  api_id: string;
  /** Set when the provider answered at once instead of calling back: paid for, so it is kept. */
  answer?: AnswerCallback;
}

/** Largest callback body, and answer given in place: 16 MiB, in bytes. What is large is stored outside the engine. */
export const MAX_CALLBACK_BYTES = 16 * 1024 * 1024;

/** @returns whether the callback reports an error in place of an answer. */
export function isErrorCallback(callback: Callback): callback is Callback & ErrorCallback {
  return 'error' in callback;
}
