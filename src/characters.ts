/** Made when it is needed: it reads tables of some milliseconds. */
let segmenter: Intl.Segmenter | undefined;

/**
 * @returns the first characters of a text as its reader counts them: an emoji or an accented letter is one, and none is
 * cut in half. Only so much of the text is read.
 */
export function firstCharacters(text: string, count: number): string {
  if (text.length <= count) return text;
  segmenter ??= new Intl.Segmenter();
  let end = 0;
  let seen = 0;
  for (const { segment } of segmenter.segment(text)) {
    if (seen === count) break;
    end += segment.length;
    seen += 1;
  }
  return text.slice(0, end);
}

/**
 * What a single-line value must not contain: control characters (ESC, C1), line separators, bidirectional controls, and
 * characters without width that make two names look the same. The joiners that scripts and emoji need are not among them.
 */
const UNSAFE_IN_FIELD =
  /[\p{Cc}\u00AD\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF\u{E0000}-\u{E007F}]/gu;

/** @returns a short text from outside (a model, an id, an error's message) as one line that is safe to print. */
export function field(text: string): string {
  return text.toWellFormed().replaceAll(UNSAFE_IN_FIELD, ' ');
}
