const segmenter = new Intl.Segmenter();

/** @returns the characters of a text as its reader counts them: an emoji or an accented letter is one. */
export function charactersOf(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** @returns the first characters of a text, never half of one. */
export function firstCharacters(text: string, count: number): string {
  // A character has any number of code units: a long text is cut generously first, so that it need not be read whole.
  return charactersOf(text.slice(0, count * 32))
    .slice(0, count)
    .join('');
}
