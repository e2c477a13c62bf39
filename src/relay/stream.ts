import { createParser } from 'eventsource-parser';
import * as z from 'zod';
import { readUsage } from '../callback.ts';
import { MAX_CALLBACK_BYTES, type Usage } from '../contract.ts';
import { KimiError } from '../kimi/errors.ts';
import { describe, KimiHttp, readRefusal } from '../kimi/http.ts';
import type { HttpResponse } from '../kimi/response.ts';
import type { Piece } from './answer.ts';

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

/** Longest event of a stream, in characters. Those of Kimi take some hundreds. */
const MAX_EVENT_CHARS = 1024 * 1024;

/** What may follow the text of an error that came inside a stream: sending it again would end the same way. */
const FINAL_ERRORS = new Set([
  'content_filter',
  'invalid_request_error',
  'invalid_authentication_error',
  'incorrect_api_key_error',
  'permission_denied_error',
  'resource_not_found_error',
  'exceeded_current_quota_error',
]);

/** Members are read as far as they make sense: what one server leaves out another sends as null. */
const text = z.string().nullish().catch(undefined);
const chunk = z.object({
  id: text,
  model: text,
  choices: z
    .array(
      z.object({
        delta: z.object({ content: text, reasoning_content: text }).nullish(),
        finish_reason: text,
        usage: z.unknown().optional(),
      }),
    )
    .nullish(),
  usage: z.unknown().optional(),
  error: z.object({ type: text, message: text }).nullish(),
});

/** An answer in one piece, of a server that does not stream. */
const whole = z.object({
  id: text,
  model: text,
  choices: z
    .array(z.object({ message: z.object({ content: text, reasoning_content: text }), finish_reason: text }))
    .min(1),
  usage: z.unknown().optional(),
});

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
   * @returns the pieces, those of one read of the network together. The last one says that it is done.
   * @throws {KimiError} `interrupted` where the answer broke off after its headers; else as the request went.
   */
  async *complete(body: object, signal: AbortSignal, onSent: () => void): AsyncGenerator<Piece[], void> {
    const { http } = this;
    if (!http) throw new KimiError('refused', 'no_api_key', 'KIMI_API_KEY is not set in the relay’s environment');
    const watch = new Watch(FIRST_BYTE_MS, 'Kimi did not begin to answer');
    const leaving = new AbortController();
    try {
      const response = await http.post('chat/completions', {
        signal: AbortSignal.any([signal, watch.signal, leaving.signal]),
        headers: { accept: 'text/event-stream' },
        body: { ...body, stream: true, stream_options: { include_usage: true } },
        onSent,
      });
      const { statusCode, headers } = response;
      if (statusCode < 200 || statusCode >= 300) {
        throw readRefusal(statusCode, headers, await http.readJson(response, MAX_CALLBACK_BYTES));
      }
      const type = String(headers['content-type']);
      if (/^text\/html\b/i.test(type)) {
        throw new KimiError(
          'outcome_unknown',
          'no_answer',
          'a web page came in place of an answer; is KIMI_API_URL right?',
        );
      }
      if (/^application\/json\b/i.test(type)) {
        yield [readWhole(await http.readJson(response, MAX_CALLBACK_BYTES))];
        return;
      }
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
    let pieces: Piece[] = [];
    let failure: KimiError | undefined;
    const parser = createParser({
      maxBufferSize: MAX_EVENT_CHARS,
      onEvent: ({ data }) => {
        if (failure) return;
        try {
          pieces.push(readEvent(http.withoutKey(data)));
        } catch (error) {
          failure = error as KimiError;
        }
      },
      onError: ({ type }) => {
        if (type === 'max-buffer-size-exceeded') failure ??= interrupted('the stream sent an event without an end');
      },
    });
    const decoder = new TextDecoder();
    try {
      for await (const bytes of body) {
        watch.expect(this.options.stallMs, 'the stream fell silent');
        parser.feed(decoder.decode(bytes, { stream: true }));
        const [came, isDone] = [pieces, pieces.some(({ done }) => done)];
        pieces = [];
        if (came.length > 0) yield came;
        if (failure) throw failure;
        if (isDone) return;
      }
    } catch (error) {
      if (error instanceof KimiError || (signal.aborted && !watch.signal.aborted)) throw error;
      const reason = watch.signal.aborted ? String(watch.signal.reason) : describe(error);
      throw interrupted(`the stream broke off: ${reason}`, watch.signal.aborted ? 'stalled' : 'interrupted', error);
    }
    // An event that was not ended by an empty line is none.
    throw interrupted('the stream ended before it said that the answer is whole');
  }
}

function interrupted(message: string, type = 'interrupted', cause?: unknown): KimiError {
  return new KimiError('interrupted', type, message, { cause });
}

/** @throws {KimiError} */
function readEvent(data: string): Piece {
  if (data.trim() === '[DONE]') return { done: true };
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    throw interrupted('the stream sent what is no JSON');
  }
  const parsed = chunk.safeParse(json);
  if (!parsed.success) throw interrupted('the stream sent what is no part of an answer');
  const { id, model, choices, error } = parsed.data;
  if (error) {
    const type = error.type || 'stream_error';
    const message = `Kimi reported an error in its answer${error.message ? `: ${error.message}` : ''}`;
    throw new KimiError(FINAL_ERRORS.has(type) ? 'refused' : 'interrupted', type, message);
  }
  const [choice] = choices ?? [];
  return pieceOf({ id, model }, choice?.delta ?? {}, choice?.finish_reason, parsed.data.usage ?? choice?.usage);
}

/** @throws {KimiError} where the answer, which is paid for, cannot be read. */
function readWhole(json: unknown): Piece {
  const parsed = whole.safeParse(json);
  const [choice] = parsed.data?.choices ?? [];
  if (!parsed.data || !choice) {
    throw new KimiError('outcome_unknown', 'no_answer', 'Kimi answered with what is neither a stream nor an answer');
  }
  return { ...pieceOf(parsed.data, choice.message, choice.finish_reason, parsed.data.usage), done: true };
}

type Text = string | null | undefined;

function pieceOf(
  { id, model }: { id?: Text; model?: Text },
  { content, reasoning_content }: { content?: Text; reasoning_content?: Text },
  finish_reason: Text,
  usage: unknown,
): Piece {
  const counted: Usage | undefined = readUsage(usage);
  return {
    ...(id && { id }),
    ...(model && { model }),
    ...(content && { content }),
    ...(reasoning_content && { reasoning: reasoning_content }),
    ...(finish_reason && { finish_reason }),
    ...(counted && { usage: counted }),
  };
}

/** Ends what takes too long, by a signal. */
class Watch {
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;

  /** @param ms how long the next thing may take. */
  constructor(ms: number, words: string) {
    this.expect(ms, words);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** What was expected has come; the next thing may take this long. */
  expect(ms: number, words: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.controller.abort(`${words} for ${ms / 1000} s`), ms);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
