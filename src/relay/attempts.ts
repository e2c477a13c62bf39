import * as z from 'zod';
import type { AnswerCallback, Callback, ErrorCallback, Usage } from '../shared/callback.ts';
import { relayApiId } from '../shared/names.ts';
import { TAIL_CHARS, callbackMetadata, relayFailure, type RelayRequest, type StreamProgress } from '../shared/relay.ts';
import type { TaskError } from '../shared/task.ts';
import { supportsPartialMode } from '../kimi/models.ts';
import { REPETITION_CHARS, repeats } from './repetition.ts';

/** One request to Kimi, and what was received. An interrupted request is followed by another one. */
export interface Attempt {
  /** Whether it continues the text of the attempts before it; otherwise it starts over. */
  continues: boolean;
  /** Whether it was written to a connection. */
  sent: boolean;
  answer: Answer;
}

/** What to do with an interrupted answer that cannot be continued (`KIMI_ON_INTERRUPT`). */
export type OnInterrupt = 'fail' | 'retry';

export type NextStep =
  | { do: 'ask'; continues: boolean; body: RelayRequest['body'] }
  /** The answer was complete before its relay was lost. */
  | { do: 'finish' }
  | { do: 'give up' };

/** How many requests in a row may be interrupted without any new text. */
const MAX_BARREN = 5;

/** How often an answer may be started over: each one is paid for. */
const MAX_RESTARTS = 3;

/** Limit of requests for one answer: each one pays for the text before it once more, as prompt. */
const MAX_REQUESTS = 20;

/**
 * Decides the next step from the attempts so far.
 *
 * Nothing is paid for twice unless the user has chosen that: a request that was certainly not sent is sent; if there is
 * text and the model can continue it, only the rest is requested.
 *
 * @param attempts by number; `undefined` for those that ran on another machine
 */
export function nextStep(
  body: RelayRequest['body'],
  attempts: readonly (Attempt | undefined)[],
  onInterrupt: OnInterrupt,
): NextStep {
  const startOver = { do: 'ask', continues: false, body } as const;
  if (attempts.length === 0) return startOver;
  const last = attempts.at(-1);
  // The answer is complete once the model has named its end, even if `[DONE]` was lost with the relay.
  if (last?.answer.done || isEnd(last?.answer.finish_reason)) return { do: 'finish' };
  if (requestsIn(attempts) >= MAX_REQUESTS) return { do: 'give up' };

  const { content, reasoning } = textOf(attempts);
  if (content !== '' && supportsPartialMode(body.model, body)) {
    const barren = attempts.length - 1 - attempts.findLastIndex((attempt) => attempt?.answer.content);
    if (barren >= MAX_BARREN) return { do: 'give up' };
    return { do: 'ask', continues: true, body: continuation(body, content, reasoning) };
  }
  if (last && !last.sent) return startOver;
  const restarts = attempts.filter((attempt) => !attempt?.continues).length;
  return onInterrupt === 'retry' && restarts <= MAX_RESTARTS ? startOver : { do: 'give up' };
}

/** @returns the number of requests that were sent, or may have been. */
export function requestsIn(attempts: readonly (Attempt | undefined)[]): number {
  return attempts.filter((attempt) => attempt?.sent ?? true).length;
}

/** Kimi's partial mode: the answer continues this message, without repeating it. */
function continuation(body: RelayRequest['body'], content: string, reasoning: string): RelayRequest['body'] {
  // Without its reasoning the model would reason again (Moonshot's documentation: messages are replayed whole).
  const prefix = { role: 'assistant', content, ...(reasoning && { reasoning_content: reasoning }), partial: true };
  return { ...body, messages: [...body.messages, prefix] };
}

/** @returns the attempts since the answer was last started over. */
function current(attempts: readonly (Attempt | undefined)[]): readonly (Attempt | undefined)[] {
  return attempts.slice(
    Math.max(
      0,
      attempts.findLastIndex((attempt) => attempt?.continues === false),
    ),
  );
}

/** @returns the answer's text so far. */
export function textOf(attempts: readonly (Attempt | undefined)[]): { content: string; reasoning: string } {
  const answers = current(attempts).flatMap((attempt) => attempt?.answer ?? []);
  return {
    content: answers.reduce((before, { content, finish_reason }) => joined(before, content, isEnd(finish_reason)), ''),
    reasoning: answers.map(({ reasoning }) => reasoning).join(''),
  };
}

/** Text on both sides of an interruption that is equal for at least so many UTF-16 units is a repetition, not a coincidence. */
const MIN_OVERLAP = 24;

/** Longest repetition that is detected, in UTF-16 units. */
const MAX_OVERLAP = 4_000;

/**
 * Joins the text before an interruption with the text after it. In partial mode that is the rest; but some servers echo the
 * prefix, repeat its last words, or ignore the mode and start the answer over.
 *
 * @param isEnded whether the text after it has ended: an answer that was started over is complete then.
 */
function joined(before: string, after: string, isEnded: boolean): string {
  if (after.startsWith(before)) return after;
  if (before === '' || after === '') return before;
  if (commonStart(before, after) >= Math.min(2 * MIN_OVERLAP, before.length)) {
    return isEnded || after.length > before.length ? after : before;
  }
  const most = Math.min(before.length, after.length, MAX_OVERLAP);
  for (let length = most; length >= MIN_OVERLAP; length -= 1) {
    const overlap = after.slice(0, length);
    if (before.endsWith(overlap) && new Set(overlap).size > MIN_OVERLAP / 3) return before + after.slice(length);
  }
  return before + after;
}

function commonStart(one: string, other: string): number {
  const most = Math.min(one.length, other.length, 2 * MIN_OVERLAP);
  let length = 0;
  while (length < most && one[length] === other[length]) length += 1;
  return length;
}

/** Errors for an answer that has ended incomplete, by `finish_reason`. */
const CUT: Record<string, [type: string, message: string]> = {
  content_filter: ['content_filter', 'Kimi stopped its answer because it was considered high risk (content_filter)'],
  tool_calls: ['tool_calls', 'Kimi called a tool instead of answering, though the request offered none (tool_calls)'],
};

/** @returns the callback for an answer that has ended: the answer, or an error with the partial text. */
export function answered(request: RelayRequest, attempts: readonly (Attempt | undefined)[]): Callback {
  const last = attempts.at(-1);
  const { content, reasoning } = textOf(attempts);
  const finish_reason = last?.answer.finish_reason;
  if (finish_reason !== undefined && !isEnd(finish_reason)) {
    const [type, message] = CUT[finish_reason] ?? ['unfinished_answer', `Kimi stopped its answer: ${finish_reason}`];
    return failed(request, { type, message }, attempts);
  }
  if (content === '' && finish_reason !== 'length') {
    return failed(request, { type: 'empty_answer', message: `Kimi’s answer is empty (${finish_reason})` }, attempts);
  }
  if (last?.continues && last.answer.content === '' && finish_reason === 'stop') {
    const message = 'the answer was interrupted, and Kimi returned no text for the rest';
    return failed(request, { type: 'interrupted', message }, attempts);
  }
  const callback: AnswerCallback = {
    id: relayApiId(request.task_id),
    model: last?.answer.model ?? request.body.model,
    usage: usageOf(request, attempts),
    choices: [
      {
        message: { content, ...(reasoning && { reasoning_content: reasoning }) },
        ...(finish_reason !== undefined && { finish_reason }),
      },
    ],
    metadata: callbackMetadata(request),
  };
  return attempts.length > 1 ? { ...callback, interruptions: attempts.length - 1 } : callback;
}

/** @returns the callback for a request without a complete answer, with the partial text. */
export function failed(
  request: RelayRequest,
  error: TaskError,
  attempts: readonly (Attempt | undefined)[] = [],
): ErrorCallback {
  const { content, reasoning } = textOf(attempts);
  const hasTokens = attempts.some((attempt) => attempt && (attempt.answer.tokens > 0 || attempt.answer.usage));
  return {
    ...relayFailure(request, error),
    ...(content !== '' && { partial: content }),
    ...(reasoning !== '' && { partial_reasoning: reasoning }),
    // A request that was refused or got no token may have cost nothing.
    ...(hasTokens && { usage: usageOf(request, attempts) }),
    ...(attempts.length > 1 && { interruptions: attempts.length - 1 }),
  };
}

/**
 * Usage of all attempts together. Kimi reports usage only at the end of an answer: that of interrupted attempts is estimated, as is
 * all of a server that reports none.
 */
function usageOf({ body }: RelayRequest, attempts: readonly (Attempt | undefined)[]): Usage {
  const known = attempts.flatMap((attempt) => (attempt?.sent ? [attempt] : []));
  const last = attempts.at(-1);
  const counted = last?.answer.usage;
  const given = known.map((attempt) => (attempt.continues ? tokensBefore(attempt, attempts) : 0));
  const prompt = counted ? counted.prompt_tokens - (given.at(-1) ?? 0) : tokensIn(messageText(body.messages));
  const sum = { prompt: 0, completion: 0 };
  for (const [index, attempt] of known.entries()) {
    const isCounted = attempt === last && counted !== undefined;
    sum.prompt += isCounted ? counted.prompt_tokens : Math.max(0, prompt) + (given[index] ?? 0);
    sum.completion += isCounted ? counted.completion_tokens : attempt.answer.tokens;
  }
  const [prompt_tokens, completion_tokens] = [Math.round(sum.prompt), Math.round(sum.completion)];
  return { ...counted, prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

const texts = z.array(
  z.object({ content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]) }),
);

/** @returns the text of messages, without pictures. */
function messageText(messages: unknown[]): string {
  const { data = [] } = texts.safeParse(messages);
  return data
    .flatMap(({ content }) => (typeof content === 'string' ? content : content.map(({ text = '' }) => text)))
    .join('');
}

/** @returns estimated tokens of the text that an attempt continues. */
function tokensBefore(attempt: Attempt, attempts: readonly (Attempt | undefined)[]): number {
  const { content, reasoning } = textOf(attempts.slice(0, attempts.indexOf(attempt)));
  return tokensIn(content) + tokensIn(reasoning);
}

/** A piece of an answer: one chunk of a stream. */
export interface Piece {
  /** Kimi's id of the completion, e.g. `chatcmpl-6a976549…`. */
  id?: string;
  model?: string;
  content?: string;
  reasoning?: string;
  finish_reason?: string;
  usage?: Usage;
  /** The stream ended with `[DONE]`. */
  done?: true;
}

/** Other servers' values of `finish_reason`, by Kimi's. */
const ENDS: Record<string, string> = {
  end_turn: 'stop',
  eos: 'stop',
  eos_token: 'stop',
  stop_sequence: 'stop',
  complete: 'stop',
  completed: 'stop',
  max_tokens: 'length',
  model_length: 'length',
  max_output_tokens: 'length',
};

/** @returns Kimi's `finish_reason` for another server's, if there is one: `stop`, or `length` for a truncated answer. */
export function endOf(finish_reason: string): string {
  const reason = finish_reason.toLowerCase();
  return ENDS[reason] ?? reason;
}

/** @returns whether the model ended its answer: a request for more would be paid for and return something else. */
function isEnd(finish_reason: string | undefined): boolean {
  return finish_reason === 'stop' || finish_reason === 'length';
}

/** How often an answer is checked for repetition, in UTF-16 units. */
const CHECK_CHARS = 1_000;

/**
 * The answer received so far. Texts are kept as pieces, since they are many and the whole is read once.
 */
export class Answer {
  id: string | undefined;
  model: string | undefined;
  finish_reason: string | undefined;
  /** The last one counts: Kimi was observed to send it twice. */
  usage: Usage | undefined;
  /** Whether it is complete; `finish_reason` alone does not prove it (Moonshot's documentation). */
  done = false;
  /** Estimated, of content and reasoning. */
  tokens = 0;
  /** UTF-16 units of content and reasoning. */
  length = 0;
  /** Whether it ends in the same text over and over: such a model repeats it until its tokens are spent. */
  isRepeating = false;
  private nextCheck = CHECK_CHARS;
  private readonly texts = { content: [] as string[], reasoning: [] as string[] };

  take(piece: Piece): void {
    this.id ??= piece.id;
    this.model ??= piece.model;
    this.finish_reason = piece.finish_reason ?? this.finish_reason;
    this.usage = piece.usage ?? this.usage;
    this.done ||= piece.done ?? false;
    for (const kind of ['content', 'reasoning'] as const) {
      const text = piece[kind];
      if (!text) continue;
      this.texts[kind].push(text);
      this.tokens += tokensIn(text);
      this.length += text.length;
      if (this.length >= this.nextCheck) {
        this.nextCheck = this.length + CHECK_CHARS;
        this.isRepeating = repeats(endOfTexts(this.texts[kind], REPETITION_CHARS));
      }
    }
  }

  get content(): string {
    return this.texts.content.join('');
  }

  get reasoning(): string {
    return this.texts.reasoning.join('');
  }

  get progress(): StreamProgress {
    const { content, reasoning } = this.texts;
    const [phase, texts] =
      content.length > 0
        ? (['answering', content] as const)
        : reasoning.length > 0
          ? (['reasoning', reasoning] as const)
          : (['waiting', []] as const);
    return { phase, tokens: Math.round(this.tokens), tail: tailOf(texts), ...(this.isRepeating && { repeats: true }) };
  }
}

function tailOf(texts: readonly string[]): string {
  // Drops half of a surrogate pair.
  return endOfTexts(texts, TAIL_CHARS).replace(/^[\uDC00-\uDFFF]/, '');
}

function endOfTexts(texts: readonly string[], length: number): string {
  let end = '';
  for (let at = texts.length - 1; at >= 0 && end.length < length; at -= 1) end = `${texts[at]}${end}`;
  return end.slice(-length);
}

/**
 * Estimates the tokens of a text: one per 4 ASCII characters, one per 1.6 others. Moonshot's rule of thumb: a token is 3–4
 * English letters or 1.5–2 Chinese characters.
 *
 * @returns not rounded, so that the sum over the pieces of a text is that of the whole.
 */
export function tokensIn(text: string): number {
  let ascii = 0;
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) < 128) ascii += 1;
  return ascii / 4 + (text.length - ascii) / 1.6;
}
