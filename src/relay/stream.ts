import { afterAwake } from '../service/awake.ts';
import { MAX_CALLBACK_BYTES } from '../shared/callback.ts';
import { KimiError } from '../kimi/errors.ts';
import { KimiHttp, describe, type HttpResponse } from '../kimi/http.ts';
import { readRefusal } from '../kimi/refusal.ts';
import { AnswerReader } from './answer-reader.ts';
import type { Piece } from './attempts.ts';

export interface StreamOptions {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  apiUrl: string;
  apiKey: string | undefined;
  /** How long a stream that has begun may be silent, in milliseconds. */
  stallMs: number;
}

/**
 * How long Kimi may take to the first byte of an answer, in milliseconds: its gateway gives up after 900 s without one
 * (kimi-api.md), and says so.
 */
const FIRST_BYTE_MS = 960_000;

/**
 * How long a stream may bring keep-alives alone, in milliseconds: servers send them while a model thinks or waits for its
 * turn, and so do gateways in front of a server that has died.
 */
const KEEP_ALIVE_MS = FIRST_BYTE_MS;

/** How long a finished answer is waited for its usage and its `[DONE]`, in milliseconds. */
const TRAILER_MS = 10_000;

/** Asks an API that answers in place, and takes its answer as it streams in. */
export class StreamingClient {
  private readonly http: KimiHttp | undefined;

  constructor(private readonly options: StreamOptions) {
    const { apiUrl: url, apiKey: key } = options;
    // The watch below knows what has come; undici's own timeouts do not.
    if (key) this.http = new KimiHttp({ url, key, timeoutMs: 0 });
  }

  /**
   * Asks for a completion, streamed.
   *
   * @param onSent called when the request is about to be written.
   * @param onBegun called when Kimi has taken it: at the head of its answer.
   * @returns the pieces, those of one read of the network together. The last one says that it is done.
   * @throws {KimiError} `interrupted` where the answer broke off after its headers; else as the request went.
   */
  async *complete(
    body: object,
    signal: AbortSignal,
    onSent: () => void,
    onBegun: () => void = () => {},
  ): AsyncGenerator<Piece[], void> {
    const { http } = this;
    if (!http) throw new KimiError('refused', 'no_api_key', 'KIMI_API_KEY is not set in the relay’s environment');
    const watch = new Watch(FIRST_BYTE_MS, 'Kimi did not begin to answer');
    const leaving = new AbortController();
    try {
      const response = await http.post('chat/completions', {
        signal: AbortSignal.any([signal, watch.signal, leaving.signal]),
        headers: { accept: 'text/event-stream', 'accept-encoding': 'identity' },
        body: { ...body, stream: true, stream_options: { include_usage: true } },
        onSent,
      });
      const { statusCode, headers } = response;
      if (statusCode < 200 || statusCode >= 300) {
        throw readRefusal(statusCode, headers, await http.readJson(response, MAX_CALLBACK_BYTES));
      }
      onBegun();
      yield* this.read(http, response, watch, signal);
    } finally {
      watch.stop();
      leaving.abort();
    }
  }

  private async *read(
    http: KimiHttp,
    { body }: HttpResponse,
    watch: Watch,
    signal: AbortSignal,
  ): AsyncGenerator<Piece[]> {
    const { stallMs } = this.options;
    const reader = new AnswerReader((text) => http.withoutKey(text));
    const decoder = new TextDecoder();
    let broke: KimiError | undefined;
    try {
      for await (const bytes of body) {
        const pieces = reader.feed(decoder.decode(bytes, { stream: true }));
        watch.expect(reader.isFinished ? Math.min(stallMs, TRAILER_MS) : stallMs, 'the stream fell silent');
        if (pieces.length > 0) yield pieces;
        if (reader.failure) throw reader.failure;
        if (reader.isDone) return;
        if (performance.now() - reader.heardAt > Math.max(stallMs, KEEP_ALIVE_MS)) {
          throw interrupted(`the stream sent keep-alives alone for ${KEEP_ALIVE_MS / 1000} s`, 'stalled');
        }
      }
    } catch (error) {
      if (error instanceof KimiError || (signal.aborted && !watch.signal.aborted)) throw error;
      const reason = watch.signal.aborted ? String(watch.signal.reason) : describe(error);
      broke = interrupted(`the stream broke off: ${reason}`, watch.signal.aborted ? 'stalled' : 'interrupted', error);
    }
    // What was said of its end counts, however the connection ended.
    const pieces = reader.end();
    if (pieces.length > 0) yield pieces;
    if (!reader.isDone)
      throw reader.failure?.kind === 'interrupted' ? (broke ?? reader.failure) : (reader.failure ?? broke);
  }
}

function interrupted(message: string, type = 'interrupted', cause?: unknown): KimiError {
  return new KimiError('interrupted', type, message, { cause });
}

/** Ends what takes too long while this process is awake, by a signal. */
class Watch {
  private readonly controller = new AbortController();
  private callOff = (): void => {};

  /** @param ms how long the next thing may take. */
  constructor(ms: number, words: string) {
    this.expect(ms, words);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** What was expected has come; the next thing may take this long. */
  expect(ms: number, words: string): void {
    this.callOff();
    this.callOff = afterAwake(ms, () => this.controller.abort(`${words} for ${ms / 1000} s`));
  }

  stop(): void {
    this.callOff();
  }
}
