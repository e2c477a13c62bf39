import type { Usage } from '../shared/callback.ts';
import { TAIL_CHARS, type StreamProgress } from '../shared/relay.ts';
import { REPETITION_CHARS, repeats } from './repetition.ts';

/** A piece of an answer: what one chunk of a stream brings. */
export interface Piece {
  /** Kimi's id of the completion, e.g. `chatcmpl-6a976549…`. */
  id?: string;
  model?: string;
  content?: string;
  reasoning?: string;
  finish_reason?: string;
  usage?: Usage;
  /** The stream said that it is whole: `[DONE]`. */
  done?: true;
}

/** Other servers' words for the two ends that an answer may have. */
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

/** @returns why an answer ended, in Kimi's words where there are any: `stop`, or `length` where it is cut off. */
export function endOf(finish_reason: string): string {
  const word = finish_reason.toLowerCase();
  return ENDS[word] ?? word;
}

/** @returns whether the model came to an end by itself: asking it to go on would be paid for and bring something else. */
export function isEnd(finish_reason: string | undefined): boolean {
  return finish_reason === 'stop' || finish_reason === 'length';
}

/** How often an answer is looked at for repetition, in UTF-16 units. */
const LOOK_CHARS = 1_000;

/**
 * An answer as far as it has come: what its pieces add up to. Texts are kept in pieces, since they are many and the whole is
 * asked for once.
 */
export class Answer {
  id: string | undefined;
  model: string | undefined;
  finish_reason: string | undefined;
  /** The last word counts: Kimi says it twice (kimi-api.md). */
  usage: Usage | undefined;
  /** Whether it is whole. Without this it is not, whatever `finish_reason` says (kimi-api.md). */
  done = false;
  /** Estimated, of content and reasoning. */
  tokens = 0;
  /** UTF-16 units of content and reasoning. */
  length = 0;
  /** Whether it ends in the same text over and over: a model that goes round in circles does so until its tokens are spent. */
  isRepeating = false;
  private nextLook = LOOK_CHARS;
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
      if (this.length >= this.nextLook) {
        this.nextLook = this.length + LOOK_CHARS;
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
  // Half of a character would be no text.
  return endOfTexts(texts, TAIL_CHARS).replace(/^[\uDC00-\uDFFF]/, '');
}

function endOfTexts(texts: readonly string[], length: number): string {
  let end = '';
  for (let at = texts.length - 1; at >= 0 && end.length < length; at -= 1) end = `${texts[at]}${end}`;
  return end.slice(-length);
}

/**
 * Estimates the tokens of a text: one for 4 ASCII characters, one for 1.6 others. Moonshot's rule of thumb: a token is 3–4
 * English letters or 1.5–2 Chinese characters.
 *
 * @returns not rounded, so that the pieces of a text add up to the whole.
 */
export function tokensIn(text: string): number {
  let ascii = 0;
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) < 128) ascii += 1;
  return ascii / 4 + (text.length - ascii) / 1.6;
}
