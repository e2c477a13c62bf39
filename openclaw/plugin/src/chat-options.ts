/** Options at the beginning of a prompt in a chat: `--search 今天的新聞`. Any other beginning is a part of the prompt. */
import { closest } from '../../../src/shared/closest.ts';

export type ChatOption = 'search' | 'batch' | 'map';

const NAMES: Record<string, ChatOption> = {
  search: 'search',
  搜尋: 'search',
  上網: 'search',
  batch: 'batch',
  批次: 'batch',
  map: 'map',
  逐筆: 'map',
};

/** Keyboards of phones make a dash of two hyphens. */
const OPTION = /^(?:--|[–—]{1,2})(?<name>\p{L}+)(?=[\s:：]|$)[\s:：]*/u;

/** @returns the options, and the prompt after them; `misspelt` instead of an option that is nearly one. */
export function optionsIn(text: string): {
  options: ChatOption[];
  prompt: string;
  misspelt?: { word: string; meant: string };
} {
  const options = new Set<ChatOption>();
  for (let prompt = text; ;) {
    const [whole = '', name = ''] = OPTION.exec(prompt) ?? [];
    const word = name.toLowerCase();
    const option = Object.hasOwn(NAMES, word) ? NAMES[word] : undefined;
    const meant = option ? undefined : closest(word, Object.keys(NAMES));
    if (!option) return { options: [...options], prompt, ...(meant !== undefined && { misspelt: { word, meant } }) };
    options.add(option);
    prompt = prompt.slice(whole.length);
  }
}

/** Files whose rows can be asked for. */
const ROWS = /\.(?:csv|jsonl|ndjson|txt)$/i;

/**
 * @param files paths of the files that go with the prompt
 * @returns the options of the command line; `undefined` if a file of rows is missing
 */
export function optionsOf(options: readonly ChatOption[], files: readonly string[]): string[] | undefined {
  const rows = options.includes('map') ? files.find((path) => ROWS.test(path)) : undefined;
  if (options.includes('map') && rows === undefined) return undefined;
  return [
    ...options.filter((option) => option !== 'map').map((option) => `--${option}`),
    ...(rows === undefined ? [] : [`--map=${rows}`]),
    ...attaching(files.filter((path) => path !== rows)),
  ];
}

/** @returns the options that attach files. */
export function attaching(files: readonly string[]): string[] {
  return files.map((path) => `--attach=${path}`);
}
