/** Estimates of tokens, where the provider reports none. */
import * as z from 'zod';

const texts = z.array(
  z.object({
    content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]),
    reasoning_content: z.string().default(''),
  }),
);

/** @returns the text of messages, with the reasoning of earlier answers, without pictures. */
export function textOfMessages(messages: unknown[]): string {
  const { data = [] } = texts.safeParse(messages);
  return data
    .flatMap(({ content, reasoning_content: reasoning }) => [
      reasoning,
      ...(typeof content === 'string' ? [content] : content.map(({ text = '' }) => text)),
    ])
    .join('');
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
