import { excerptOf, field, firstCharacters } from '../shared/format.ts';
import { SUMMARY_CHARS, isTruncated, type ResultFile } from '../shared/result.ts';
import type { Task } from '../shared/task.ts';
import type { PluginWake } from './protocol.ts';
import { explain, textFor, type Text } from '../text/index.ts';

/**
 * The reply the user sees when a task has ended (contract section 5). One whose answer is cut off says so.
 *
 * @param file where the whole result lies, as the user would type it.
 * @param excerpt what is shown of the answer.
 */
export function replyText(result: ResultFile, file: string, text: Text, excerpt = summaryOf): string {
  const { reply } = text;
  const facts = [reply.task(field(result.task_name)), reply.model(field(result.model))];
  if (result.tokens) facts.push(reply.tokens(result.tokens));
  facts.push(reply.completedAt(result.completed_at));
  const isCut = isTruncated(result);
  if (isCut) facts.push(`✂️ ${text.truncated.sentence}`);

  const heading = reply.heading[isCut && result.status === 'done' ? 'truncated' : result.status];
  const sections = [heading, facts.join('\n')];
  if (result.error) sections.push(`${reply.reason}\n${explain(result.error, text)}`);
  if (result.output !== undefined) sections.push(`${reply.summary}\n${excerpt(result.output)}`);
  sections.push(reply.whole(file));
  return sections.join('\n\n');
}

function summaryOf(output: string): string {
  return firstCharacters(output, SUMMARY_CHARS);
}

/** The same reply for a chat that renders Markdown: a code block that the summary cuts in two is closed. */
export function chatReplyText(result: ResultFile, file: string, text: Text): string {
  return replyText(result, file, text, (output) => excerptOf(output, SUMMARY_CHARS));
}

/**
 * What the gateway's plugin is woken with.
 *
 * @param news the one line that every wake has.
 * @param told who is told, and in which language.
 * @param result absent where it cannot be read: then the news is all that is told.
 * @param file where it lies, as the user would type it.
 */
export function pluginWake(
  reply: PluginWake['reply'],
  news: string,
  task_id: string,
  { lang, route }: Pick<Task, 'lang' | 'route'>,
  result: ResultFile | undefined,
  file: string,
): PluginWake {
  const { task_name = task_id, status = 'unknown', output } = result ?? {};
  const text = textFor(lang);
  return {
    text: news,
    mode: 'now',
    task: { task_id, task_name, status },
    reply,
    ...(route && { route }),
    message: result ? chatReplyText(result, file, text) : news,
    maybe_repeated: text.reply.maybeRepeated,
    ...(output && { file: { name: `${fileName(task_name)}.md`, content: output } }),
  };
}

/** Task names are safe as file names but for their spaces, which some channels cut at. */
function fileName(task_name: string): string {
  return task_name.replaceAll(' ', '-');
}
