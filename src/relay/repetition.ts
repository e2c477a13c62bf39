/**
 * Length of the end of a text that has to be periodic, in UTF-16 units: about 1,000 tokens, more than any
 * rule, table border or block of zeros in the answers seen so far.
 */
export const REPETITION_CHARS = 4_000;

/** Minimum number of repetitions. */
const MIN_TIMES = 5;

/**
 * @param end of the text, {@link REPETITION_CHARS} long.
 * @returns whether it is periodic.
 */
export function repeats(end: string): boolean {
  if (end.length < REPETITION_CHARS) return false;
  const period = periodOf(end);
  return period * MIN_TIMES <= end.length;
}

/** @returns the length of the shortest period of a text, by the prefix function of Knuth, Morris and Pratt: linear in it. */
function periodOf(text: string): number {
  const borders = new Uint32Array(text.length);
  for (let at = 1, border = 0; at < text.length; at += 1) {
    while (border > 0 && text[at] !== text[border]) border = borders[border - 1] ?? 0;
    if (text[at] === text[border]) border += 1;
    borders[at] = border;
  }
  return text.length - (borders.at(-1) ?? 0);
}
