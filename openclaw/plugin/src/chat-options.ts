/** Options at the beginning of a prompt in a chat: `--search 今天的新聞`. Any other beginning is a part of the prompt. */
import { basename } from 'node:path';
import { readBudget } from '../../../src/shared/budget.ts';
import { closest } from '../../../src/shared/closest.ts';
import { field } from '../../../src/shared/format.ts';

type ChatOption = 'search' | 'batch' | 'map' | 'budget';

/** Options and their values; only a budget has one. */
export type ChatOptions = ReadonlyMap<ChatOption, string>;

const NAMES: Record<string, ChatOption> = {
  search: 'search',
  搜尋: 'search',
  上網: 'search',
  batch: 'batch',
  批次: 'batch',
  map: 'map',
  逐筆: 'map',
  budget: 'budget',
  預算: 'budget',
};

/** Keyboards of phones make a dash of two hyphens. */
const OPTION = /^(?:--|[–—]{1,2})(?<name>\p{L}+)(?=[\s:：=]|$)[\s:：=]*/u;

const VALUE = /^(?<value>[^\s:：]*)[\s:：]*/u;

/** @returns the options, and the prompt after them; a `refusal` instead of an option that cannot be read. */
export function optionsIn(text: string): { options: ChatOptions; prompt: string; refusal?: string } {
  const options = new Map<ChatOption, string>();
  for (let prompt = text; ;) {
    const [whole = '', name = ''] = OPTION.exec(prompt) ?? [];
    const word = name.toLowerCase();
    const option = Object.hasOwn(NAMES, word) ? NAMES[word] : undefined;
    const meant = option ? undefined : closest(word, Object.keys(NAMES));
    if (meant !== undefined) return { options, prompt, refusal: misspelt(word, meant) };
    if (!option) return { options, prompt };
    prompt = prompt.slice(whole.length);
    if (option !== 'budget') options.set(option, '');
    else {
      const [taken = '', value = ''] = VALUE.exec(prompt) ?? [];
      if (readBudget(value) === undefined) return { options, prompt, refusal: NO_AMOUNT };
      options.set(option, value);
      prompt = prompt.slice(taken.length);
    }
  }
}

function misspelt(word: string, meant: string): string {
  return (
    `沒有 --${word} 這個選項，是不是 --${meant}？什麼都沒做。\n` +
    `There is no option --${word}; did you mean --${meant}? Nothing was done.`
  );
}

const NO_AMOUNT =
  '--預算（--budget）後面要有金額，用帳戶的幣別，例如 --預算 0.5，所以什麼都沒做。\n' +
  '--budget needs an amount in the currency of the account, e.g. --budget 0.5, so nothing was done.';

const NO_ROWS =
  '--逐筆（--map）要附上一個 .csv、.jsonl 或 .txt，所以什麼都沒做。問題裡的 {{欄名}} 會逐筆代入，.txt 用 {{text}}。\n' +
  '--map needs an attached .csv, .jsonl or .txt, so nothing was done. {{column}} in the prompt stands for each row’s value, {{text}} of a .txt.';

/** Files whose rows can be asked for. A `.txt` may be for all rows as well. */
const ROWS = [/\.(?:csv|jsonl|ndjson)$/i, /\.txt$/i];

function severalFiles(paths: readonly string[]): string {
  const names = paths.map((path) => field(basename(path)));
  return (
    `--逐筆（--map）一次只能用一個檔案，這則訊息附了 ${names.join('、')}，所以什麼都沒做。請分開傳。\n` +
    `--map takes one file, and this message has ${names.join(', ')}, so nothing was done. Send one at a time.`
  );
}

/**
 * @param files paths of the files that go with the prompt
 * @returns the options of the command line; or why there are none
 */
export function optionsOf(options: ChatOptions, files: readonly string[]): string[] | { text: string } {
  const found = options.has('map') ? ROWS.map((kind) => files.filter((path) => kind.test(path))) : [];
  const [rows, ...others] = found.find((paths) => paths.length > 0) ?? [];
  if (rows !== undefined && others.length > 0) return { text: severalFiles([rows, ...others]) };
  if (options.has('map') && rows === undefined) return { text: NO_ROWS };
  return [
    ...[...options].flatMap(([option, value]) =>
      option === 'map' ? [] : value === '' ? [`--${option}`] : [`--${option}=${value}`],
    ),
    ...(rows === undefined ? [] : [`--map=${rows}`]),
    ...attaching(files.filter((path) => path !== rows)),
  ];
}

/** @returns the options that attach files. */
export function attaching(files: readonly string[]): string[] {
  return files.map((path) => `--attach=${path}`);
}
