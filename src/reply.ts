import { firstCharacters } from './characters.ts';
import { isTruncated, SUMMARY_CHARS, type ResultFile } from './contract.ts';
import { explain, type Text } from './text/index.ts';

/**
 * The reply the user sees when a task has ended (contract section 5). One whose answer is cut off says so.
 *
 * @param file where the whole result lies, as the user would type it.
 */
export function replyText(result: ResultFile, file: string, text: Text): string {
  const { reply } = text;
  const facts = [reply.task(result.task_name), reply.model(result.model)];
  if (result.tokens) facts.push(reply.tokens(result.tokens));
  facts.push(reply.completedAt(result.completed_at));
  const isCut = isTruncated(result);
  if (isCut) facts.push(`✂️ ${text.truncated.sentence}`);

  const heading = reply.heading[isCut && result.status === 'done' ? 'truncated' : result.status];
  const sections = [heading, facts.join('\n')];
  if (result.error) sections.push(`${reply.reason}\n${explain(result.error, text)}`);
  if (result.output !== undefined) sections.push(`${reply.summary}\n${firstCharacters(result.output, SUMMARY_CHARS)}`);
  sections.push(reply.whole(file));
  return sections.join('\n\n');
}
