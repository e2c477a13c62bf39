/** An answer as it streams in. */
import type { Usage } from '../shared/callback.ts';
import { TAIL_CHARS, type StreamProgress } from '../shared/relay.ts';
import { REPETITION_CHARS, repeats } from './repetition.ts';
import { tokensIn } from './token-estimate.ts';

/** A part of a call of a tool; the arguments of a call come in parts. */
export interface ToolCallPart {
  index: number;
  id?: string;
  name?: string;
  arguments?: string;
}

/** A tool that the model calls. Its arguments are JSON, as the model wrote it. */
export interface ToolCall {
  id: string;
  name: string;
  arguments: string;
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
  tool_calls?: ToolCallPart[];
  /** The stream ended with `[DONE]`. */
  done?: true;
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
  private readonly calls = new Map<number, ToolCall>();
  private nextCheck = CHECK_CHARS;
  private readonly texts = { content: [] as string[], reasoning: [] as string[] };

  take(piece: Piece): void {
    this.id ??= piece.id;
    this.model ??= piece.model;
    this.finish_reason = piece.finish_reason ?? this.finish_reason;
    this.usage = piece.usage ?? this.usage;
    this.done ||= piece.done ?? false;
    for (const part of piece.tool_calls ?? []) this.takeCall(part);
    for (const kind of ['content', 'reasoning'] as const) {
      const text = piece[kind];
      if (!text) continue;
      this.texts[kind].push(text);
      this.tokens += tokensIn(text);
      this.length += text.length;
      if (this.length >= this.nextCheck) {
        this.nextCheck = this.length + CHECK_CHARS;
        this.isRepeating = repeats(lastChars(this.texts[kind], REPETITION_CHARS));
      }
    }
  }

  private takeCall({ index, id, name, arguments: text = '' }: ToolCallPart): void {
    const call = this.calls.get(index) ?? { id: '', name: '', arguments: '' };
    this.calls.set(index, { id: id || call.id, name: name || call.name, arguments: call.arguments + text });
    this.tokens += tokensIn(text);
    this.length += text.length;
  }

  get toolCalls(): ToolCall[] {
    return [...this.calls.values()];
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
  return lastChars(texts, TAIL_CHARS).replace(/^[\uDC00-\uDFFF]/, '');
}

function lastChars(texts: readonly string[], length: number): string {
  let end = '';
  for (let at = texts.length - 1; at >= 0 && end.length < length; at -= 1) end = `${texts[at]}${end}`;
  return end.slice(-length);
}
