import type { TaskError } from '../shared/task.ts';

/** What happens to a task at the API that calls back. */
export type SimulatorEvent = { task_id: string } &
  /** A dispatch call has arrived. */
  (
    | { what: 'arrived' }
    | { what: 'refused'; status: number }
    /**
     * A dispatch call was accepted and will be answered with `answer`. `repeated`: its `Idempotency-Key` is known.
     * `inPlace`: the answer is the response to the call itself.
     */
    | { what: 'taken'; repeated: boolean; inPlace: boolean; answer: { content: string } | { error: TaskError } }
    /** A callback got a response with this status; 0 for none. */
    | { what: 'called back'; status: number }
    /** No further callback is sent: it was accepted or refused, or a directive drops it. */
    | { what: 'finished' }
  );

/** Counters, served at `GET /simulator/counts`. */
export interface Counts {
  /** Requests for a completion, at both APIs. */
  requests: number;
  /** Completions that would have been billed. */
  billed: number;
  /** Callbacks sent, by the status of their response; `0` for none. */
  callbacks: Record<string, number>;
  /** Wakes accepted by the simulated gateway; `key` is their `Idempotency-Key`. */
  wakes: { key: string | undefined; text: string }[];
  /** Requests for a completion at Moonshot's API that had a key, in order of arrival. */
  completions: Completion[];
  /** Files at Moonshot's API, in order of arrival. */
  uploads: Upload[];
  /** Batches at Moonshot's API, in order of arrival. */
  batches: BatchCount[];
  /** Calls of tools that were run, in order of arrival. */
  fibers: { name: string; arguments: string; billed: boolean }[];
  /** Bodies of uploads, with the bytes received so far; `cut`: the client left before its end, so there is no file. */
  receiving: { bytes: number; ended?: 'whole' | 'cut' }[];
}

/** One batch, with its status when it was last asked for. */
export interface BatchCount {
  id: string;
  metadata: Record<string, string>;
  status: string;
}

/** One file. */
export interface Upload {
  id: string;
  filename: string;
  bytes: number;
  /** How often its text was read. */
  read: number;
  deleted?: true;
}

/** A message of a request: the beginning of its texts. */
export interface ReceivedMessage {
  role: string;
  content: string;
  reasoning_content?: string;
}

/** One request at Moonshot's API. Tokens are counted by {@link tokensIn}. */
export interface Completion {
  /** The answer's `Msh-Request-Id`. */
  request_id: string;
  /** The directive `mark`, or 16 hex digits of the SHA-256 of model and prompt without a partial answer. */
  mark: string;
  model: string;
  messages: ReceivedMessage[];
  stream: boolean;
  /** HTTP status of the response; absent before it is sent. */
  status?: number;
  /**
   * How it ended; absent while it is in progress. `answered` in full; `refused`; `left`: the client closed the connection;
   * `formed`: in the form of the directive `form`; or the value of the directive `break`.
   */
  ended?: 'answered' | 'refused' | 'left' | 'cut' | 'eof' | 'error' | 'stall' | 'formed';
  /** The prompt, a partial answer included; `cached_tokens` is the part of it that was cached. */
  prompt_tokens: number;
  cached_tokens: number;
  /** Tokens generated until it ended. */
  generated: { reasoning_tokens: number; content_tokens: number };
  /**
   * What would be billed. Kimi's documents conflict on a client that disconnects: this is the dearer reading, the whole
   * answer from its first token. For an answer that ends with an error in the stream: the generated tokens, since a user
   * reports a charge against Moonshot's documentation on timeouts and disconnects.
   */
  billed: { prompt_tokens: number; completion_tokens: number };
}

/** @returns counters at zero. */
export function noCounts(): Counts {
  return {
    requests: 0,
    billed: 0,
    callbacks: {},
    wakes: [],
    completions: [],
    uploads: [],
    fibers: [],
    batches: [],
    receiving: [],
  };
}
