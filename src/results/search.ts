import { oneLine } from '../shared/format.ts';
import type { KeptTask } from './kept.ts';

/** Characters before the word that was found, and of the whole snippet. */
const BEFORE = 20;
const SNIPPET_CHARS = 80;

/**
 * Finds words in a task's question, answer and name. Substrings count, since Chinese has no spaces, and case does not.
 *
 * @returns the text around the first word; `undefined` unless every word is found
 */
export function snippetOf(task: KeptTask, words: readonly string[]): string | undefined {
  const { prompt, output, partial_output, task_name } = task;
  const texts = [prompt, output ?? partial_output, task_name].map((text) => (text ?? '').normalize('NFC'));
  const patterns = words.map((word) => patternOf(word.normalize('NFC')));
  if (!patterns.every((pattern) => texts.some((text) => pattern.test(text)))) return undefined;
  for (const text of texts) {
    const index = patterns[0]?.exec(text)?.index;
    if (index === undefined) continue;
    const start = Math.max(0, index - BEFORE);
    return `${start > 0 ? '…' : ''}${oneLine(text.slice(start).toWellFormed(), SNIPPET_CHARS)}`;
  }
  return undefined;
}

/** The pattern compares code points by their simple case folding, so that its index is one of the text. */
function patternOf(word: string): RegExp {
  return new RegExp(word.replaceAll(/[$()*+.?[\\\]^{|}/]/g, String.raw`\$&`), 'iu');
}
