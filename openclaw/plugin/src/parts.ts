/** What a notification consists of: one part is one request to the channel. */
import type { Presentation } from 'openclaw/plugin-sdk/plugin-entry';
import { cutAt } from '../../../src/shared/format.ts';
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
 * @param page in such a channel, which part of a long answer
 * @returns the text, and the whole answer if the text does not show all of it unchanged; nothing if there is no such page
 */
export function partsOf(channel: string, text: string, file: File | undefined, rest: string, page = 1): Part[] {
  const { textOnly } = channelOf(channel);
  const answer = file?.content.trimEnd();
  if (textOnly) {
    const isWhole = answer === undefined || text.includes(answer);
    const heading = pieces(text, textOnly.chars);
    const texts = pageOf(heading, isWhole ? [] : pieces(answer, textOnly.chars), textOnly, rest, page);
    return requests(texts, textOnly.messages);
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
    const at = breaks.find((index) => index > chars / 2) ?? cutAt(left, chars);
    found.push(left.slice(0, at));
    left = left.slice(at).replace(/^\n{1,2}/, '');
  }
  found.push(left);
  return found.filter((piece) => piece.trim() !== '');
}

type TextOnly = NonNullable<ReturnType<typeof channelOf>['textOnly']>;

/** Pages are the same with a heading and without one. */
function pageOf(
  heading: string[],
  answer: string[],
  { messages, requests: most }: TextOnly,
  rest: string,
  page: number,
): string[] {
  if (page === 1 && heading.length + answer.length <= messages * most) return [...heading, ...answer];
  // One message is the heading, one the sentence at the end.
  const size = messages * most - 2;
  const shown = answer.slice((page - 1) * size, page * size);
  return [...(page === 1 ? heading : []), ...shown, ...(answer.length > page * size ? [rest] : [])];
}

function requests(texts: string[], size: number): Part[] {
  return Array.from({ length: Math.ceil(texts.length / size) }, (_, n) => ({
    texts: texts.slice(n * size, (n + 1) * size),
  }));
}
