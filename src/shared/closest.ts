/** Suggestions for mistyped words. */

/** @returns the edit distance: letters inserted, removed, replaced, or swapped with their neighbour (Damerau–Levenshtein). */
function distance(a: string, b: string): number {
  let older: number[] = [];
  let old: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    [older, old, row] = [old, row, [i]];
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        at(old, j) + 1,
        at(row, j - 1) + 1,
        at(old, j - 1) + (isSame ? 0 : 1),
        isSwapped ? at(older, j - 2) + 1 : Infinity,
      );
    }
  }
  return at(row, b.length);
}

function at(row: number[], index: number): number {
  return row[index] ?? Infinity;
}

/** @returns the closest known word: at distance 2 at most, or 1 for words below six letters. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const most = word.length < 6 ? 1 : 2;
  const [best] = known
    .map((name) => ({ name, mistakes: distance(word, name) }))
    .filter(({ mistakes }) => mistakes <= most)
    .toSorted((one, other) => one.mistakes - other.mistakes);
  return best?.name;
}
