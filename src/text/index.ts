/** What a task says to its user, in both languages. Loaded by workflows. */
import { field } from '../shared/format.ts';
import { asksForFunctions, isTruncated } from '../shared/result.ts';
import type { Lang, TaskError, TaskView, ToolUse } from '../shared/task.ts';
import { en } from './en.ts';
import { zhTW, type Text } from './zh-TW.ts';

export type { Text };

const TEXTS: Record<Lang, Text> = { 'zh-TW': zhTW, en };

/**
 * @returns the sentence for an error, with what its message says in parentheses. Chinese leaves out a message that exists in English
 * only: the type's sentence says enough.
 */
export function explain(error: TaskError, text: Text): string {
  const { type, message, detail } = error;
  const sentence = (detail && sentenceFor(detail.code, text)) ?? sentenceFor(type, text);
  const said = (detail && text.detail(detail)) ?? (text.quotesMessages || sentence === undefined ? message : undefined);
  if (sentence === undefined || said === undefined) return field(sentence ?? said ?? message);
  if (said.startsWith(sentence)) return field(said);
  if (sentence.startsWith(said)) return field(sentence);
  return text.withDetail(sentence, field(said));
}

/** @returns the sentence for an error type, which also says what to do; `undefined` if there is none. */
export function sentenceFor(type: string, { reasons }: Text): string | undefined {
  return Object.hasOwn(reasons, type) ? reasons[type as keyof Text['reasons']] : undefined;
}

/** @returns a task's state for its user: one whose answer is cut off, or asks for functions, is not called done, and a simulated one is marked. */
export function stateOf(
  { state, finish_reason, simulated }: Pick<TaskView, 'state' | 'finish_reason' | 'simulated'>,
  text: Text,
): string {
  const ending = state === 'done' && endingOf({ finish_reason }, text);
  const said = ending ? ending.state : text.state[state];
  return simulated ? text.simulated(said) : said;
}

/** @returns what is said of an answer that is cut off, or asks for functions; `undefined` of any other. */
export function endingOf(
  ended: Pick<TaskView, 'finish_reason'>,
  text: Text,
): { state: string; sentence: string } | undefined {
  if (isTruncated(ended)) return text.truncated;
  return asksForFunctions(ended) ? text.functions : undefined;
}

/** @returns the tools that were used for an answer, with the addresses that they returned, as a list in Markdown. */
export function sayToolUses(uses: readonly ToolUse[], { toolUses: say }: Text): string {
  const made = uses.filter(({ not_made: isNotMade }) => !isNotMade);
  const items = made.flatMap(({ tool, input, sources = [], failed: isFailed }) => [
    `- ${say.tool[tool]}${field(input)}${isFailed ? say.failed : ''}`,
    ...sources.map((address) => `  - <${field(address)}>`),
  ]);
  const more = uses.length - made.length;
  return ['---', say.heading, '', ...items, ...(more > 0 ? [`- ${say.notMade(made.length, more)}`] : [])].join('\n');
}

export function textFor(lang: Lang): Text {
  return TEXTS[lang];
}
