import type { TaskError } from '../shared/task.ts';

/** What happens to a task at the face that calls back. */
export type SimulatorEvent = { task_id: string } &
  /** A dispatch call is here. */
  (
    | { what: 'arrived' }
    | { what: 'refused'; status: number }
    /**
     * A dispatch call was taken; it has this answer. `repeated`: as one before it was, under the same `Idempotency-Key`.
     * `inPlace`: the call itself is answered with it.
     */
    | { what: 'taken'; repeated: boolean; inPlace: boolean; answer: { content: string } | { error: TaskError } }
    /** A callback was answered with this status; 0 for no answer. */
    | { what: 'called back'; status: number }
    /** No callback follows: it was taken or refused, or is not meant to come. */
    | { what: 'finished' }
  );

/** What the simulator has counted; `GET /simulator/counts`. */
export interface Counts {
  /** Requests for a completion received, whichever face they were for. */
  requests: number;
  /** Completions that would have been paid for. */
  billed: number;
  /** Callbacks sent, by the status they were answered with; `0` for none. */
  callbacks: Record<string, number>;
  /** Wakes taken by the simulated gateway, with the `Idempotency-Key` that names the news. */
  wakes: { key: string | undefined; text: string }[];
  /** Requests for a completion to the real API's face that had a key, in the order they came. */
  completions: Completion[];
}

/** One request to the real API's face. Tokens are counted as {@link tokensIn} does. */
export interface Completion {
  /** The answer's `Msh-Request-Id`. */
  request_id: string;
  /** The wish `mark`, or 16 hex digits of the SHA-256 of model and prompt, a partial answer left out. */
  mark: string;
  model: string;
  stream: boolean;
  /** HTTP status it was answered with; absent while it was not. */
  status?: number;
  /**
   * How it ended; absent while it is under way. `answered` in full; `refused`; `left`: the client closed the connection;
   * `formed`: in the form that was wished for; or the name of the break that was wished for.
   */
  ended?: 'answered' | 'refused' | 'left' | 'cut' | 'eof' | 'error' | 'stall' | 'formed';
  /** The prompt, a partial answer included; `cached` is the part of it that was known. */
  prompt_tokens: number;
  cached_tokens: number;
  /** What was generated until it ended. */
  generated: { reasoning_tokens: number; content_tokens: number };
  /**
   * What would be paid for. Kimi's documents conflict on a client that leaves: this is the dearer reading, the whole
   * answer, as soon as it is begun. Of an answer that ends in an error inside the stream: what was generated, though the
   * documents say nothing would be charged, since a user reports otherwise (kimi-api.md, "Timeouts, disconnects").
   */
  billed: { prompt_tokens: number; completion_tokens: number };
}

/** @returns counts of nothing yet. */
export function noCounts(): Counts {
  return { requests: 0, billed: 0, callbacks: {}, wakes: [], completions: [] };
}
