import { firstCharacters } from './characters.ts';
import { SUMMARY_CHARS, type ResultFile } from './contract.ts';
import { explain, type Text } from './text/index.ts';

/**
 * The reply the user sees when a task has ended (contract section 5).
 *
 * @param file where the whole result lies, as the user would type it.
 */
export function replyText(result: ResultFile, file: string, text: Text): string {
  const { reply } = text;
  const facts = [reply.task(result.task_name), reply.model(result.model)];
  if (result.tokens) facts.push(reply.tokens(result.tokens));
  facts.push(reply.completedAt(result.completed_at));

  const sections = [reply.heading[result.status], facts.join('\n')];
  if (result.error) sections.push(`${reply.reason}\n${explain(result.error, text)}`);
  if (result.output !== undefined) sections.push(`${reply.summary}\n${firstCharacters(result.output, SUMMARY_CHARS)}`);
  sections.push(reply.whole(file));
  return sections.join('\n\n');
}
