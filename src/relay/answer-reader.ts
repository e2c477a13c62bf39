import { createParser } from 'eventsource-parser';
import * as z from 'zod';
import { readUsage } from '../kimi/answer.ts';
import { KimiError } from '../kimi/errors.ts';
import { parseJson, readStated, statedError } from '../kimi/refusal.ts';
import type { Piece, ToolCallPart } from './answer.ts';
import { kimiFinishReason } from './finish-reason.ts';

/**
 * Longest JSON body or stream event, in UTF-16 units: 32 Mi. An answer has at most 4 Mi units (`MAX_ANSWER_CHARS` in request.ts), and JSON
 * needs up to 6 for each (`\uXXXX`): 24 Mi. The rest is for ids, usage and tool calls.
 */
const MAX_PIECE_CHARS = 32 * 1024 * 1024;

/** Labels that are wrong are dropped: they are not part of the answer. */
const label = z.string().nullish().catch(undefined);

/** Text, or a list of text and thinking parts (Mistral, some gateways). Any other shape would leave a gap. */
const text = z
  .union([
    z.string(),
    z.array(z.looseObject({ type: z.string(), text: z.string().optional(), thinking: z.unknown().optional() })),
  ])
  .nullish();

/** Some servers send a whole call without an index. */
const toolCall = z.looseObject({
  index: z.int().nullish().catch(undefined),
  id: label,
  function: z.looseObject({ name: label, arguments: label }).nullish(),
});

const message = z.looseObject({
  content: text,
  tool_calls: z.array(toolCall).nullish().catch(undefined),
  reasoning_content: text,
  reasoning: text,
  refusal: z.string().nullish().catch(undefined),
});

const choice = z.looseObject({
  index: z.int().nullish().catch(undefined),
  delta: message.nullish(),
  message: message.nullish(),
  finish_reason: label,
  usage: z.unknown().optional(),
});

const chunk = z.looseObject({
  id: label,
  model: label,
  choices: z.array(choice).nullish(),
  usage: z.unknown().optional(),
});

type Message = z.infer<typeof message>;

/**
 * Reads the body of an answer, a stream of events or one JSON document, whatever its content type.
 *
 * The text passed to `feed` may be cut anywhere.
 */
export class AnswerReader {
  /** Set if the body reports an error, or cannot be read. */
  failure: KimiError | undefined;
  /** The answer is complete. */
  isDone = false;
  /** Arrival of the last event, except keep-alives, by `performance.now()`. */
  lastEventAt = performance.now();
  private format: 'unknown' | 'events' | 'json' = 'unknown';
  private pieces: Piece[] = [];
  private readonly json: string[] = [];
  private jsonChars = 0;
  private hasText = false;
  private finish_reason: string | undefined;
  private readonly events = createParser({
    maxBufferSize: MAX_PIECE_CHARS,
    onEvent: ({ data, event }) => this.guard(() => this.readEvent(data, event)),
    onError: ({ type, field, value }) => {
      if (type === 'max-buffer-size-exceeded') this.failure ??= unreadable('an event without an end');
      // `error: {…}` is not a field of event streams.
      if (type === 'unknown-field' && field === 'error' && value) this.guard(() => this.readEvent(value, 'error'));
    },
  });

  /** @param clean removes secrets from the received text. */
  constructor(private readonly clean: (text: string) => string) {}

  /** @returns the pieces of the answer that this text completes. */
  feed(piece: string): Piece[] {
    if (this.format === 'unknown') this.guard(() => (this.format = formatOf(piece)));
    if (this.format === 'events' && !this.failure) this.events.feed(piece);
    else if (this.format === 'json') {
      this.lastEventAt = performance.now();
      this.jsonChars += piece.length;
      if (this.jsonChars > MAX_PIECE_CHARS) this.failure ??= unreadable('a document without an end');
      else this.json.push(piece);
    }
    return this.pieces.splice(0);
  }

  /**
   * To be called when the body or the connection has ended. Reads also an event without its empty line.
   *
   * @returns the last pieces; `isDone` or `failure` is set.
   */
  end(): Piece[] {
    if (this.format === 'events' && !this.failure) this.events.feed('\n\n');
    if (this.format === 'json') this.guard(() => this.readDocument(this.json.join('')));
    if (!this.isDone && !this.failure)
      this.guard(() => this.conclude('the stream ended before the answer was complete'));
    return this.pieces.splice(0);
  }

  /** Whether the model has ended its answer: nothing that follows is part of it. */
  get isFinished(): boolean {
    return this.finish_reason !== undefined;
  }

  /** Keeps the first failure, and reads nothing after it. */
  private guard(read: () => void): void {
    if (this.failure || this.isDone) return;
    try {
      read();
    } catch (error) {
      this.failure = error as KimiError;
    }
  }

  private readEvent(data: string, event?: string): void {
    const trimmed = data.trim();
    // Keep-alives: an empty event, or a comment inside one.
    if (trimmed === '' || trimmed.startsWith(':') || /^(?:ping|keep-?alive|heartbeat)$/i.test(trimmed)) return;
    if (trimmed === '[DONE]') return this.conclude('the stream ended with [DONE], but without a finish_reason');
    const json = parseJson(this.clean(trimmed));
    if (typeof json !== 'object' || json === null) {
      const stated = event === 'error' ? statedError(this.clean(trimmed)) : undefined;
      throw stated ? readStated(stated, this.hasText) : interrupted('the stream sent an event that is not JSON');
    }
    this.lastEventAt = performance.now();
    this.readChunk(json, event);
  }

  private readDocument(document: string): void {
    const json = parseJson(this.clean(document));
    if (typeof json !== 'object' || json === null) throw interrupted('the answer was cut before its end');
    this.readChunk(json);
    // Valid JSON is complete; a missing `finish_reason` means `stop`.
    this.finish_reason ??= 'stop';
    if (!this.failure) this.conclude('');
  }

  private readChunk(json: object, event?: string): void {
    const error = errorIn(json, event);
    if (error) throw readStated(error, this.hasText);
    const parsed = chunk.safeParse(json);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw unreadable(`${issue?.path.join('.') || 'an event'} in an unknown form`);
    }
    const { id, model, choices, usage } = parsed.data;
    if (!choices && !('usage' in json) && this.format === 'json') throw noAnswer();
    // Only the first choice: others are alternative answers.
    const first = choices?.find(({ index }) => (index ?? 0) === 0);
    const part = first?.delta ?? first?.message;
    const counted = readUsage(usage) ?? readUsage(first?.usage);
    const content = part && contentOf(part);
    const reasoning = part && reasoningOf(part);
    const tool_calls = part?.tool_calls?.map(callPart);
    if (first?.finish_reason) this.finish_reason = kimiFinishReason(first.finish_reason);
    this.hasText ||= Boolean(content || reasoning || tool_calls);
    this.pieces.push({
      ...(id && { id }),
      ...(model && { model }),
      ...(content && { content }),
      ...(reasoning && { reasoning }),
      ...(tool_calls && tool_calls.length > 0 && { tool_calls }),
      ...(first?.finish_reason && { finish_reason: kimiFinishReason(first.finish_reason) }),
      ...(counted && { usage: counted }),
    });
  }

  /** @throws {KimiError} if the model has not ended its answer. */
  private conclude(otherwise: string): void {
    if (this.finish_reason === undefined) throw interrupted(otherwise);
    if (/^(?:error|abort|aborted|unknown)$/.test(this.finish_reason)) {
      throw interrupted(`the model stopped with finish_reason "${this.finish_reason}"`);
    }
    this.isDone = true;
    this.pieces.push({ done: true });
  }
}

function callPart({ index, id, function: called }: z.infer<typeof toolCall>, position: number): ToolCallPart {
  return {
    index: index ?? position,
    ...(id && { id }),
    ...(called?.name && { name: called.name }),
    ...(called?.arguments && { arguments: called.arguments }),
  };
}

function formatOf(piece: string): 'unknown' | 'events' | 'json' {
  const [first] = piece.replace(/^\uFEFF/, '').trimStart();
  if (first === undefined) return 'unknown';
  if (first === '<') {
    throw new KimiError('outcome_unknown', 'no_answer', 'the answer is a web page; is KIMI_API_URL right?');
  }
  return first === '{' || first === '[' || first === '"' ? 'json' : 'events';
}

function errorIn(json: object, event: string | undefined) {
  const { error, choices, object } = json as Record<string, unknown>;
  const inChoice = (choices as { error?: unknown }[] | undefined)?.[0]?.error;
  const isError = event === 'error' || object === 'error' || Boolean(error ?? inChoice);
  // Without choices it is an error: `{code, message}`, `{detail}`.
  if (!isError && Array.isArray(choices)) return undefined;
  const stated = statedError(inChoice === undefined ? json : { error: inChoice });
  return stated ?? (isError ? { message: 'no message' } : undefined);
}

function contentOf({ content, refusal }: Message): string | undefined {
  const text = Array.isArray(content)
    ? content.map((part) => (isThinking(part) ? '' : textOf(part))).join('')
    : content;
  return text || refusal || undefined;
}

/** Some servers send the same text under both names. */
function reasoningOf({ content, reasoning_content, reasoning }: Message): string | undefined {
  const named = [reasoning_content, reasoning].map((text) => (Array.isArray(text) ? text.map(textOf).join('') : text));
  const inParts = Array.isArray(content) ? content.filter(isThinking).map(textOf).join('') : '';
  return named.find(Boolean) ?? (inParts || undefined);
}

type Part = { type: string; text?: string | undefined; thinking?: unknown };

function isThinking({ type }: Part): boolean {
  return /think|reason/.test(type);
}

/** @throws {KimiError} if the part is neither text nor thinking: the answer would have a gap. */
function textOf({ type, text, thinking }: Part): string {
  if (text !== undefined) return text;
  if (typeof thinking === 'string') return thinking;
  if (Array.isArray(thinking)) return thinking.map((part) => textOf(part as Part)).join('');
  throw unreadable(`a part of the unknown type ${JSON.stringify(type)}`);
}

function interrupted(message: string): KimiError {
  return new KimiError('interrupted', 'interrupted', message);
}

function noAnswer(): KimiError {
  return new KimiError('outcome_unknown', 'no_answer', 'Kimi’s response is neither a stream nor an answer');
}

/** Final: a retry would be answered in the same form. */
function unreadable(what: string): KimiError {
  return new KimiError('refused', 'unreadable_answer', `Kimi’s answer cannot be read: it sent ${what}`);
}
