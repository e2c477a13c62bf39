import { anySignal } from '../service/any-signal.ts';
import { afterAwake } from '../service/machine-sleep.ts';
import { MAX_CALLBACK_BYTES } from '../shared/callback.ts';
import { KimiError } from '../kimi/errors.ts';
import { KimiHttp, type HttpResponse } from '../kimi/http.ts';
import { describe } from '../service/outbound.ts';
import { readRefusal } from '../kimi/refusal.ts';
import { AnswerReader } from './answer-reader.ts';
import type { Piece } from './answer.ts';

export interface StreamOptions {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  apiUrl: string;
  apiKey: string | undefined;
  /** How long a stream may be silent after its first byte, in milliseconds. */
  stallMs: number;
}

/**
 * Time limit for the first byte of an answer, in milliseconds: Kimi's gateway answers with an error after 900 s without one
 * (Moonshot's documentation).
 */
const FIRST_BYTE_MS = 960_000;

/**
 * How long a stream may consist of keep-alives only, in milliseconds: servers send them while a model reasons or is queued, and
 * so do gateways in front of a server that has died.
 */
const KEEP_ALIVE_MS = FIRST_BYTE_MS;

/** Time limit for the usage and the `[DONE]` of a finished answer, in milliseconds. */
const TRAILER_MS = 10_000;

/** Streams answers from an API that does not call back. */
export class StreamingClient {
  private readonly http: KimiHttp | undefined;

  constructor(private readonly options: StreamOptions) {
    const { apiUrl: url, apiKey: key } = options;
    // `Watchdog` replaces undici's timeouts, which do not know what was received.
    if (key) this.http = new KimiHttp({ url, key, timeoutMs: 0 });
  }

  /**
   * Requests a streamed completion.
   *
   * @param onSent called when the request is about to be written.
   * @param onBegun called when Kimi has accepted it: at the headers of its answer.
   * @returns the pieces, those of one network read together. The last one has `done`.
   * @throws {KimiError} `interrupted` if the answer ended early after its headers; else by what happened to the request.
   */
  async *complete(
    body: object,
    signal: AbortSignal,
    onSent: () => void,
    onBegun: () => void = () => {},
  ): AsyncGenerator<Piece[], void> {
    const { http } = this;
    if (!http) throw new KimiError('refused', 'no_api_key', 'KIMI_API_KEY is not set in the relay’s environment');
    const watch = new Watchdog(FIRST_BYTE_MS, 'Kimi did not begin to answer');
    const leaving = new AbortController();
    try {
      const response = await http.post('chat/completions', {
        signal: anySignal([signal, watch.signal, leaving.signal]),
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
    watch: Watchdog,
    signal: AbortSignal,
  ): AsyncGenerator<Piece[]> {
    const { stallMs } = this.options;
    const reader = new AnswerReader((text) => http.withoutKey(text));
    const decoder = new TextDecoder();
    let failure: KimiError | undefined;
    try {
      for await (const bytes of body) {
        const pieces = reader.feed(decoder.decode(bytes, { stream: true }));
        watch.expect(reader.isFinished ? Math.min(stallMs, TRAILER_MS) : stallMs, 'the stream sent nothing');
        if (pieces.length > 0) yield pieces;
        if (reader.failure) throw reader.failure;
        if (reader.isDone) return;
        if (performance.now() - reader.lastEventAt > Math.max(stallMs, KEEP_ALIVE_MS)) {
          throw interrupted(`the stream sent only keep-alives for ${KEEP_ALIVE_MS / 1000} s`, 'stalled');
        }
      }
    } catch (error) {
      if (error instanceof KimiError || (signal.aborted && !watch.signal.aborted)) throw error;
      const reason = watch.signal.aborted ? String(watch.signal.reason) : describe(error);
      failure = interrupted(
        `the stream was interrupted: ${reason}`,
        watch.signal.aborted ? 'stalled' : 'interrupted',
        error,
      );
    }
    // The model's end of the answer counts, however the connection ended.
    const pieces = reader.end();
    if (pieces.length > 0) yield pieces;
    if (!reader.isDone)
      throw reader.failure?.kind === 'interrupted' ? (failure ?? reader.failure) : (reader.failure ?? failure);
  }
}

function interrupted(message: string, type = 'interrupted', cause?: unknown): KimiError {
  return new KimiError('interrupted', type, message, { cause });
}

/** Aborts what takes too long while the machine is awake. */
class Watchdog {
  private readonly controller = new AbortController();
  private cancelTimer = (): void => {};

  /** @param ms how long the next event may take. */
  constructor(ms: number, message: string) {
    this.expect(ms, message);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Restarts the timer: the next event may take this long. */
  expect(ms: number, message: string): void {
    this.cancelTimer();
    this.cancelTimer = afterAwake(ms, () => this.controller.abort(`${message} for ${ms / 1000} s`));
  }

  stop(): void {
    this.cancelTimer();
  }
}
