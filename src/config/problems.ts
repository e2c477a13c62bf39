/** What may be wrong with the configuration, in words of both languages. */
import { sayDetail } from '../text/error-details.ts';
import { sayCode } from '../text/system-errors.ts';
import type { Refusal } from '../shared/error-detail.ts';
import type { Lang } from '../shared/task.ts';

/** What may be wrong with a variable or a file, by code, and what its sentence names. */
interface Problems {
  above_zero: object;
  age: object;
  amount: object;
  /** `maximum` with its unit, if it has one. */
  at_most: { maximum: number | string };
  bucket: object;
  both_set: { other: string };
  duplicate_key: object;
  event_secret: object;
  fallback: object;
  /** `words`: the efforts of the model. */
  fallback_effort: { model: string; words: string[] };
  fallback_retired: { model: string; date: string; successor: string };
  fallback_time: object;
  folder: object;
  header_characters: object;
  hosts: object;
  http_url: object;
  ip_address: object;
  limit: object;
  /** Numbers of the lines. */
  malformed_lines: { lines: number[] };
  metrics_port: object;
  one_of: { values: string[] };
  path_token: object;
  payload_keys: object;
  port: object;
  profile_invalid: { detail: string };
  profile_missing: object;
  profile_syntax: { line: number };
  profile_unreadable: { cause: string };
  quoted: object;
  /** `cause` is a code of the operating system, such as `ENOENT`. */
  receiver: { why: Refusal };
  secret_file_unreadable: { cause: string };
  signing_base64: object;
  too_long: { maximum: number };
  too_long_to_simulate: { maximum: number };
  too_short: { minimum: number };
  unreadable: { cause: string };
  whole_number: object;
}

export type ProblemCode = keyof Problems;

/** What is wrong with a variable, or with a file of them. */
export type ConfigProblem = {
  [Code in ProblemCode]: {
    /** Name of the variable, or path of the file. */
    subject: string;
    code: Code;
    params: Problems[Code];
    /** A value that works. */
    example?: string;
  };
}[ProblemCode];

/** Configuration that cannot be used. Its message lists every problem, one a line, in English. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: ConfigProblem[]) {
    super(problems.map((problem) => describeProblem(problem, 'en')).join('\n'));
  }
}

/** @returns a sentence that names the variable and a value that works, and never the value that is wrong. */
export function describeProblem(problem: ConfigProblem, lang: Lang): string {
  const { subject, code, params, example } = problem;
  const words = (WORDS[lang][code] as (params: ConfigProblem['params']) => string)(params);
  return SENTENCE[lang](subject, words, example && `${subject}=${example}`);
}

const SENTENCE: Record<Lang, (subject: string, words: string, example?: string) => string> = {
  en: (subject, words, example) => `${subject}: ${words}${example === undefined ? '' : ` (e.g. ${example})`}`,
  'zh-TW': (subject, words, example) => `${subject} ${words}${example === undefined ? '' : `（例如 ${example}）`}`,
};

type Words = { [Code in ProblemCode]: (params: Problems[Code]) => string };

const WORDS: Record<Lang, Words> = {
  en: {
    above_zero: () => 'needs a number above 0',
    age: () => 'needs a number above 0 and a unit: h, d, w or y',
    amount: () => 'needs an amount of 0.0001 or more, in digits, without a currency',
    at_most: ({ maximum }) => `needs at most ${maximum}`,
    both_set: ({ other }) => `is set, and so is ${other}; keep one of the two`,
    bucket: () => 'needs the name of a bucket',
    duplicate_key: () => 'names an id twice',
    event_secret: () => 'needs whsec_ and base64 of at least 24 bytes',
    fallback: () => 'needs one to four models, separated by commas, each with :EFFORT if wanted',
    fallback_effort: ({ model, words }) => `names an effort that ${model} does not have; it has ${words.join(', ')}`,
    fallback_retired: ({ model, date, successor }) =>
      `names ${model}, which was retired at Moonshot on ${date}; use ${successor}`,
    fallback_time: () => 'begins with a time that needs to be above 0 with a unit: s, m or h',
    folder: () => 'needs a folder that can be made, not in /proc or /sys',
    header_characters: () => 'holds a space, a line end or a character that is not ASCII',
    hosts: () => 'needs names of hosts, addresses, or networks such as 10.0.0.0/8',
    http_url: () => 'needs an http or https URL',
    ip_address: () => 'needs an IP address',
    limit: () => 'needs 0 (no limit) or more',
    malformed_lines: ({ lines }) => `has lines that are not NAME=value: ${lines.join(', ')}`,
    metrics_port: () => 'needs a port from 1 to 65533',
    one_of: ({ values }) => `needs one of ${values.join(', ')}`,
    path_token: () => 'needs at least 16 letters, digits or - . _ ~',
    payload_keys: () => 'needs id:base64 pairs, each of 32 bytes',
    port: () => 'needs a port from 0 to 65535',
    profile_invalid: ({ detail }) => `names a profile that is not valid: ${detail}`,
    profile_missing: () => 'names a profile that is not in temporal.toml; temporal config list shows those that are',
    profile_syntax: ({ line }) => `needs a valid temporal.toml; line ${line} is not valid TOML`,
    profile_unreadable: ({ cause }) => `names a profile with a file that cannot be read: ${sayCode(cause, 'en')}`,
    quoted: () => 'begins or ends with a quotation mark, which would be part of the value; remove it',
    receiver: ({ why }) => `cannot be used: ${sayDetail({ code: 'receiver_refused', why }, 'en')}`,
    secret_file_unreadable: ({ cause }) => `its file cannot be read: ${sayCode(cause, 'en')}`,
    signing_base64: () => 'needs base64 of 16 bytes after whsec_',
    too_long: ({ maximum }) => `needs at most ${maximum} characters`,
    too_long_to_simulate: ({ maximum }) => `needs at most ${maximum} characters with --simulate, which adds a suffix`,
    too_short: ({ minimum }) => `needs at least ${minimum} characters`,
    unreadable: ({ cause }) => `cannot be read: ${sayCode(cause, 'en')}; make it a file that you may read`,
    whole_number: () => 'needs a whole number',
  },
  'zh-TW': {
    above_zero: () => '必須大於 0',
    age: () => '必須是大於 0 的數字加單位：h、d、w 或 y',
    amount: () => '必須是 0.0001 以上的金額，只寫數字，不加幣別',
    at_most: ({ maximum }) => `最大是 ${maximum}`,
    both_set: ({ other }) => `與 ${other} 都設定了；請只留一個`,
    bucket: () => '必須是儲存貯體的名稱',
    duplicate_key: () => '有重複的 id',
    event_secret: () => '必須是 whsec_ 加上至少 24 位元組的 base64',
    fallback: () => '必須是一到四個模型，以逗號分隔，每個都可以加上 :思考強度',
    fallback_effort: ({ model, words }) => `寫了 ${model} 沒有的思考強度；它有 ${words.join('、')}`,
    fallback_retired: ({ model, date, successor }) =>
      `列了 ${model}，而它於 ${date} 在 Moonshot 停用；請改用 ${successor}`,
    fallback_time: () => '開頭的時間必須大於 0，並加上單位：s、m 或 h',
    folder: () => '必須是可以建立的資料夾，不能在 /proc 或 /sys 裡',
    header_characters: () => '含有空白、換行或不是 ASCII 的字元',
    hosts: () => '必須是主機名稱、位址或 10.0.0.0/8 這樣的網段',
    http_url: () => '必須是 http 或 https 的網址',
    ip_address: () => '必須是 IP 位址',
    limit: () => '必須是 0（無上限）或更大的數字',
    malformed_lines: ({ lines }) => `有幾行不是「名稱=值」：第 ${lines.join('、')} 行`,
    metrics_port: () => '必須是 1 到 65533 的連接埠',
    one_of: ({ values }) => `必須是其中之一：${values.join('、')}`,
    path_token: () => '必須有至少 16 個英文字母、數字或 - . _ ~',
    payload_keys: () => '必須是 id:base64，每一把 32 位元組',
    port: () => '必須是 0 到 65535 的連接埠',
    profile_invalid: () => '指定的 profile 內容不正確',
    profile_missing: () => '指定的 profile 不在 temporal.toml 裡；執行 temporal config list 可列出現有的 profile',
    profile_syntax: ({ line }) => `所用的 temporal.toml 第 ${line} 行不是正確的 TOML`,
    profile_unreadable: ({ cause }) => `指定的 profile 有檔案讀不到：${sayCode(cause, 'zh-TW')}`,
    quoted: () => '的開頭或結尾有引號，會被當成值的一部分；請去掉',
    receiver: ({ why }) => `不能使用：${sayDetail({ code: 'receiver_refused', why }, 'zh-TW')}`,
    secret_file_unreadable: ({ cause }) => `指定的檔案讀不到：${sayCode(cause, 'zh-TW')}`,
    signing_base64: () => '在 whsec_ 之後必須是 16 位元組以上的 base64',
    too_long: ({ maximum }) => `最多 ${maximum} 個字元`,
    too_long_to_simulate: ({ maximum }) => `使用 --simulate 時會加上後綴，所以最多 ${maximum} 個字元`,
    too_short: ({ minimum }) => `至少要有 ${minimum} 個字元`,
    unreadable: ({ cause }) => `讀不到：${sayCode(cause, 'zh-TW')}；它必須是你可以讀取的檔案`,
    whole_number: () => '必須是整數',
  },
};
