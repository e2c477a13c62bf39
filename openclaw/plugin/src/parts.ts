/** What a notification consists of: one part is one request to the channel. */
import type { Presentation } from 'openclaw/plugin-sdk/plugin-entry';
import { channelOf } from './channels.ts';
import { asData, isShownAsItIs } from './safe-text.ts';

export interface File {
  name: string;
  content: string;
}

/** Several texts are sent in one request by channels that only take text. */
export type Part = ({ texts: string[] } | { text: string; file?: File }) & { presentation?: Presentation };

/**
 * @param text for the chat, with an excerpt of the answer at most
 * @param file the whole answer
 * @param rest sentence at the end of an answer that is too long for a channel without files
 * @returns the text, and the whole answer if the text does not show all of it unchanged
 */
export function partsOf(channel: string, text: string, file: File | undefined, rest: string): Part[] {
  const { textOnly } = channelOf(channel);
  const answer = file?.content.trimEnd();
  if (textOnly) {
    const isWhole = answer === undefined || text.includes(answer);
    const texts = [text, ...(isWhole ? [] : [answer])].flatMap((whole) => pieces(whole, textOnly.chars));
    return requests(atMost(texts, textOnly, rest), textOnly.messages);
  }
  const shown = asData(text, channel);
  const isWhole = answer === undefined || (shown.includes(answer) && isShownAsItIs(answer));
  return isWhole ? [{ text: shown }] : [{ text: shown }, { text: '', ...(file && { file }) }];
}

/** The same part, marked as one that may have been shown. */
export function marked(part: Part, mark: string): Part {
  if ('texts' in part) return part;
  return { ...part, text: part.text === '' ? mark : `${mark}\n\n${part.text}` };
}

/** Divides a text, where possible between paragraphs or lines; the line breaks there are left out. */
export function pieces(text: string, chars: number): string[] {
  const found: string[] = [];
  let left = text;
  while (left.length > chars) {
    const window = left.slice(0, chars + 1);
    const breaks = [window.lastIndexOf('\n\n'), window.lastIndexOf('\n')];
    const at = breaks.find((index) => index > chars / 2) ?? withoutHalf(left, chars);
    found.push(left.slice(0, at));
    left = left.slice(at).replace(/^\n{1,2}/, '');
  }
  found.push(left);
  return found.filter((piece) => piece.trim() !== '');
}

/** @returns the end of a piece that does not divide a pair of surrogates. */
function withoutHalf(text: string, end: number): number {
  return /[\uD800-\uDBFF]/.test(text[end - 1] ?? '') ? end - 1 : end;
}

type TextOnly = NonNullable<ReturnType<typeof channelOf>['textOnly']>;

function atMost(texts: string[], { chars, messages, requests: most }: TextOnly, rest: string): string[] {
  if (texts.length <= messages * most) return texts;
  const shown = texts.slice(0, messages * most);
  const last = shown.pop() ?? '';
  return [...shown, `${last.slice(0, withoutHalf(last, chars - rest.length - 2))}\n\n${rest}`];
}

function requests(texts: string[], size: number): Part[] {
  return Array.from({ length: Math.ceil(texts.length / size) }, (_, n) => ({
    texts: texts.slice(n * size, (n + 1) * size),
  }));
}
