import { firstCharacters } from '../shared/format.ts';

/** Longest task name, in characters. */
export const MAX_NAME_CHARS = 64;

/** Longest name derived from a prompt, in characters: it appears in lists and chat messages. */
const DERIVED_NAME_CHARS = 24;

/** Characters of a prompt that its name is derived from: a prompt may be a megabyte long. */
const NAMING_CHARS = 1_000;

/** Opening words such as "make me a …", which say nothing about the task. */
const PREAMBLE =
  /^(?:please|kindly|can you|could you|help me(?: to)?|i (?:want|need)|write|create|make|build|generate|implement|give me|me|an?|the|some|(?:請你?|麻煩你?|可以|幫我|幫忙|替我|給我|我(?:想要?|需要)|寫(?:出|好)?|撰寫|建立|製作|產生|生成|做|設計|實作|请你?|麻烦你?|帮我|帮忙|给我|写(?:出|好)?|撰写|创建|制作|产生|设计|实现)(?:一?[個份篇段支隻套个]|一[些下])?)(?=[\s\p{Script=Han}]|$)\s*/iu;

/** Letters and digits of any script, with their combining marks. */
const WORD = /(?:[\p{L}\p{N}]\p{M}{0,3})+/gu;
const NAME = /^(?:[\p{L}\p{N}]\p{M}{0,3})(?:(?:[ ._-]|[\p{L}\p{N}]\p{M}{0,3})*[\p{L}\p{N}]\p{M}{0,3})?$/u;

/**
 * Derives a short task name from a prompt: its first clause, without "please write me a", as lower-case words joined by
 * hyphens. The same prompt always gives the same name. Letters and digits of any script survive, so Chinese prompts get
 * Chinese names; the result is safe as a file name and as a search attribute. A prompt with no letter gives `task`.
 */
export function nameFromPrompt(prompt: string): string {
  let clause = prompt.trimStart().slice(0, NAMING_CHARS).normalize('NFKC').trim();
  for (let rest = clause; ; clause = rest) {
    rest = clause.replace(PREAMBLE, '');
    if (rest === clause || rest === '') break;
  }
  clause = clause.split(/[,;:!?、。…\n]|\.(?=\s|$)/u).find((part) => /[\p{L}\p{N}]/u.test(part)) ?? '';
  const words = clause.toLowerCase().match(WORD) ?? [];
  let name = '';
  for (const word of words) {
    const longer = name === '' ? word : `${name}-${word}`;
    if (firstCharacters(longer, DERIVED_NAME_CHARS) !== longer) break;
    name = longer;
  }
  return name || firstCharacters(words[0] ?? 'task', DERIVED_NAME_CHARS);
}

/**
 * @returns whether a name given by the user can be used: 1 to 64 characters, letters, digits, spaces and `. _ -` of any
 * script, starting and ending with a letter or digit. So it is never a path and never hides a control character.
 */
export function isTaskName(name: string): boolean {
  return name.length <= MAX_NAME_CHARS * 4 && firstCharacters(name, MAX_NAME_CHARS) === name && NAME.test(name);
}
