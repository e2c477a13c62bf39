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

/** @returns the text without what drives a terminal or begins a new line: for what a stranger may have written. */
export function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}
