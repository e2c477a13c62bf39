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

/** A length, such as "three thousand characters". "三字經" (the Three Character Classic) is none. */
const LENGTH =
  /^(?:大?約|大约)?(?:\d[\d,]{2,}|[一二兩两三四五六七八九十]*[百千萬万][零〇一二兩两三四五六七八九十百千]*)(?:\s?個?字|\s?个字|[\s-]words?)(?:左右|以內|以内|以上|以下)?的?\s*/iu;

/** A kind of text, which says less than what it is about. */
const KIND = '文章|短文|長文|长文|論文|论文|報告|报告|作文|散文|故事|小說|小说|詩|诗|新聞稿|新闻稿|部落格文章|博客';
const ABOUT =
  '關於|关于|有關|有关|談談|谈谈|談到?|谈到?|討論|讨论|探討|探讨|介紹|介绍|說明|说明|分析|講述?|讲述?|論述?|论述?';
const ONLY_KIND = new RegExp(`^(?:${KIND})$`, 'u');
const OF_TOPIC = new RegExp(`^(?:(?:主題|主题|題目|题目|內容|内容)[是為为]?)?(?:${ABOUT})\\s*(?=.)`, 'u');
const BEFORE_TOPIC = new RegExp(`^(?:(?:${KIND})[，,]?(?:${ABOUT})|關於|关于|有關|有关)\\s*(?=.)`, 'u');

/** Letters and digits of any script, with their combining marks. */
const WORD = /(?:[\p{L}\p{N}]\p{M}{0,3})+/gu;
const NAME = /^(?:[\p{L}\p{N}]\p{M}{0,3})(?:(?:[ ._-]|[\p{L}\p{N}]\p{M}{0,3})*[\p{L}\p{N}]\p{M}{0,3})?$/u;

/** What {@link isTaskName} allows, in English, for programs. */
export const NAME_RULE =
  'At most 64 letters, digits, spaces and . _ - of any script, with a letter or digit at both ends; not `last`, a number or the beginning of an id (`kimi-1`), which name another task.';

/** What names another task where a task is named: the newest one, the end of an id, an id. */
const RESERVED = /^(?:last|\d+|kimi-\d.*)$/u;

/**
 * Derives a short task name from a prompt: its first clause, without "please write me a", or what the text shall be about,
 * as lower-case words joined by hyphens. The same prompt always gives the same name. Letters and digits of any script survive, so Chinese prompts get
 * Chinese names; the result is safe as a file name and as a search attribute. A prompt with no letter gives `task`.
 */
export function nameFromPrompt(prompt: string): string {
  let clause = prompt.trimStart().slice(0, NAMING_CHARS).normalize('NFKC').trim();
  for (let rest = clause; ; clause = rest) {
    rest = clause.replace(PREAMBLE, '');
    if (rest === clause || rest === '') break;
  }
  const words = topicOf(clause).toLowerCase().match(WORD) ?? [];
  let name = '';
  for (const word of words) {
    const longer = name === '' ? word : `${name}-${word}`;
    if (firstCharacters(longer, DERIVED_NAME_CHARS) !== longer) break;
    name = longer;
  }
  const derived = name || firstCharacters(words[0] ?? 'task', DERIVED_NAME_CHARS);
  return RESERVED.test(derived) ? firstCharacters(`task-${derived}`, DERIVED_NAME_CHARS).replace(/-$/, '') : derived;
}

/** @returns the first clause; the next one if the first has only the kind of text, and the next one says what it is about. */
function topicOf(request: string): string {
  const clauses = request.split(/[,;:!?、。…\n]|\.(?=\s|$)/u).filter((part) => /[\p{L}\p{N}]/u.test(part));
  const [first = '', next = ''] = clauses.map((clause) => clause.trim());
  const clause = first.replace(LENGTH, '') || first;
  if (ONLY_KIND.test(clause) && OF_TOPIC.test(next)) return next.replace(OF_TOPIC, '');
  return clause.replace(BEFORE_TOPIC, '');
}

/**
 * @returns whether a name given by the user can be used: 1 to 64 characters, letters, digits, spaces and `. _ -` of any
 * script, starting and ending with a letter or digit; not what names another task. So it is never a path and never hides a
 * control character.
 */
export function isTaskName(name: string): boolean {
  return (
    name.length <= MAX_NAME_CHARS * 4 &&
    firstCharacters(name, MAX_NAME_CHARS) === name &&
    NAME.test(name) &&
    !RESERVED.test(name)
  );
}
