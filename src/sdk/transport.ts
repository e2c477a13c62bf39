/** Requests to the API, over TCP by `fetch`, and when they are given up. */
import { noService, UnreachableError } from './errors.ts';

export interface Sent {
  method: 'GET' | 'POST' | 'DELETE';
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
  signal: AbortSignal;
}

export interface Answer {
  status: number;
  header(name: 'retry-after'): string | undefined;
  body: AsyncIterable<Uint8Array>;
}

export type Transport = (sent: Sent) => Promise<Answer>;

/** Errors of a connection that was never open, of Node and of Bun. */
const NEVER_OPEN = ['ECONNREFUSED', 'ENOENT', 'EACCES', 'ENOTFOUND', 'ConnectionRefused', 'FailedToOpenSocket'];

/** @param baseUrl with or without the `/v1` of its paths */
export function overTcp(baseUrl: string, token?: string): Transport {
  const server = new URL(baseUrl).href.replace(/(?:\/v1)?\/*$/, '');
  return async ({ path, headers, ...init }) => {
    const all = { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) };
    // A redirect would send the token elsewhere.
    const response = await fetch(server + path, { ...init, headers: all, redirect: 'manual' });
    return {
      status: response.status,
      header: (name) => response.headers.get(name) ?? undefined,
      body: response.body ?? new Blob([]).stream(),
    };
  };
}

/** @param home `KIMI_HOME`, by default that of the environment */
export function overSocket(home?: string): Transport {
  return async (sent) => await (await import('./socket.ts')).sendOverSocket(sent, home);
}

/**
 * Sends a request.
 *
 * @param silenceMs how long the service may be silent, in milliseconds
 * @param caller aborts it
 * @returns the answer. Its body has to be read, to its end or not.
 * @throws {UnreachableError}, or the reason of the caller's signal
 */
export async function exchange(
  send: Transport,
  sent: Omit<Sent, 'signal'>,
  silenceMs: number,
  caller?: AbortSignal,
): Promise<Answer> {
  const deadline = new Deadline(silenceMs, caller);
  try {
    const answer = await send({ ...sent, signal: deadline.signal });
    return { ...answer, body: watched(answer.body, deadline) };
  } catch (error) {
    const thrown = deadline.errorOf(error);
    deadline.end();
    throw thrown;
  }
}

async function* watched(body: Answer['body'], deadline: Deadline): Answer['body'] {
  try {
    for await (const bytes of body) {
      deadline.extend();
      yield bytes;
    }
  } catch (error) {
    throw deadline.errorOf(error);
  } finally {
    deadline.end();
  }
}

export async function textOf(body: Answer['body']): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of body) text += decoder.decode(bytes, { stream: true });
  return text + decoder.decode();
}

/** Aborts a request when its caller does, or when nothing has been received for a time. */
class Deadline {
  private readonly own = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly ms: number,
    private readonly caller?: AbortSignal,
  ) {
    caller?.throwIfAborted();
    caller?.addEventListener('abort', this.leave);
    this.extend();
  }

  get signal(): AbortSignal {
    return this.own.signal;
  }

  extend(): void {
    clearTimeout(this.timer);
    const late = `The service was silent for ${this.ms} ms`;
    this.timer = setTimeout(() => this.own.abort(new UnreachableError('timeout', late)), this.ms);
  }

  /** @returns what to throw for an error of the connection. */
  errorOf(error: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : connectionError(error);
  }

  /** Closes the connection, if it is open. */
  end(): void {
    clearTimeout(this.timer);
    this.caller?.removeEventListener('abort', this.leave);
    this.own.abort();
  }

  private readonly leave = (): void => this.own.abort(this.caller?.reason);
}

function connectionError(error: unknown): UnreachableError {
  if (error instanceof UnreachableError) return error;
  // `fetch` of Node has the reason as its cause.
  const { cause = error } = error as Error;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const why = message || code;
  if (NEVER_OPEN.includes(code)) return noService(`The service cannot be reached: ${why}`, error);
  return new UnreachableError('connection_lost', `The connection to the service was lost: ${why}`, { cause: error });
}
