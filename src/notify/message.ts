import { excerptOf, field, firstCharacters, money } from '../shared/format.ts';
import type { MapSummary } from '../shared/map.ts';
import { SUMMARY_CHARS, asksForFunctions, isTruncated, type ResultFile } from '../shared/result.ts';
import { MISSED_AFTER_MS } from '../shared/schedule.ts';
import type { ScheduleNote, Task } from '../shared/task.ts';
import type { PluginWake } from './protocol.ts';
import { explain, textFor, type Text } from '../text/index.ts';

/**
 * The reply that the user sees when a task has ended (docs/openclaw.md). It says so if the answer is truncated.
 *
 * @param file path of the whole result, as the user would type it.
 * @param excerpt makes the excerpt of the answer.
 * @param allRows command that shows the rows of a map.
 */
export function replyText(
  result: ResultFile,
  file: string,
  text: Text,
  excerpt = summaryOf,
  allRows = `kimi-dispatch result ${result.task_id} --all`,
): string {
  const sections = [outcomeText(result, text)];
  if (result.output !== undefined) sections.push(`${text.reply.summary}\n${excerpt(result.output)}`);
  sections.push(text.reply.whole(result.map ? allRows : file));
  return sections.join('\n\n');
}

/** The reply without the answer: the outcome, the facts of the task, and the reason of a failure. */
export function outcomeText(result: ResultFile, text: Text): string {
  const { reply } = text;
  const facts = [reply.task(field(result.task_name)), reply.model(field(result.model))];
  if (result.fallback) facts.push(`🔀 ${text.fallback(result.fallback)}`);
  if (result.schedule) facts.push(...scheduleFacts(result, result.schedule, text));
  const { map, status } = result;
  if (map) facts.push(reply.rows(text.rows(map)));
  const tokens = result.tokens ?? map?.tokens;
  if (tokens) facts.push(reply.tokens(tokens));
  for (const { currency, saved, ...cost } of map?.cost ?? []) {
    const less = saved === undefined ? undefined : money({ amount: saved, currency });
    facts.push(reply.costOfRows(money({ ...cost, currency }), less));
  }
  if (result.cost && result.budget !== undefined) {
    const { currency } = result.cost;
    facts.push(reply.cost(money(result.cost), money({ amount: result.budget, currency })));
  }
  facts.push(reply.completedAt(result.completed_at));
  const isCut = isTruncated(result);
  if (isCut) facts.push(`✂️ ${text.truncated.sentence}`);
  if (asksForFunctions(result)) facts.push(`🔧 ${text.functions.sentence}`);

  const isPartly = status === 'failed' && map !== undefined && map.done > 0;
  const heading = reply.heading[isCut && status === 'done' ? 'truncated' : isPartly ? 'partly' : status];
  const sections = [heading, facts.join('\n')];
  if (result.error) sections.push([reply.reason, explain(result.error, text), ...failedRows(map, text)].join('\n'));
  return sections.join('\n\n');
}

function scheduleFacts(
  { created_at }: ResultFile,
  { name, due_at, timezone, missed = 0 }: ScheduleNote,
  { schedule, reply }: Text,
): string[] {
  const created = Date.parse(created_at);
  const at = (time: string): string => schedule.at(time, timezone, created);
  const isLate = created - Date.parse(due_at) >= MISSED_AFTER_MS;
  const line = reply.schedule(field(name), at(due_at), isLate ? at(created_at) : undefined);
  return missed > 0 ? [line, reply.missed(missed)] : [line];
}

/** Rows of a map without an answer that the reply names. */
const NAMED_ROWS = 3;

function failedRows({ failures = [] }: Partial<MapSummary> = {}, text: Text): string[] {
  const { row, moreRows } = text.reply;
  const named = failures
    .slice(0, NAMED_ROWS)
    .map(({ number, status, error }) => row(number, error ? explain(error, text) : text.state[status]));
  return failures.length > NAMED_ROWS ? [...named, moreRows(failures.length - NAMED_ROWS)] : named;
}

function summaryOf(output: string): string {
  return firstCharacters(output, SUMMARY_CHARS);
}

function closedSummaryOf(output: string): string {
  return excerptOf(output, SUMMARY_CHARS);
}

/** The reply for a chat that renders Markdown: a code block that the excerpt cuts is closed. */
export function chatReplyText(result: ResultFile, file: string, text: Text): string {
  return replyText(result, file, text, closedSummaryOf, `/kimi result ${result.task_id}`);
}

/** The chat that is notified, and its language. `paused`: of a task that exceeds a budget, whose user is asked. */
export type Recipient = Pick<Task, 'route' | 'lang'> & { paused?: Pick<Task, 'task_name'> };

/**
 * The wake of the gateway's plugin.
 *
 * @param line the one line that every wake has.
 * @param recipient of the notification.
 * @param result absent if it cannot be read: then the message is the line.
 * @param file path of the result, as the user would type it.
 * @param link to the answer's page; absent if there is none.
 */
export function pluginWake(
  reply: PluginWake['reply'],
  line: string,
  task_id: string,
  { lang, route, paused }: Recipient,
  result: ResultFile | undefined,
  file: string,
  link?: string,
): PluginWake {
  const { task_name = paused?.task_name ?? task_id, status = paused ? 'paused' : 'unknown', output } = result ?? {};
  const text = textFor(lang);
  return {
    text: line,
    mode: 'now',
    task: { task_id, task_name, status },
    reply,
    ...(route && { route }),
    message: result ? chatReplyText(result, file, text) : line,
    maybe_repeated: text.reply.maybeRepeated,
    rest: link === undefined ? text.reply.rest(file, `/kimi result ${task_id} 2`) : text.reply.restAt(link),
    ...(result?.status === 'done' && isTruncated(result) && { is_cut: true }),
    ...(output && { file: { name: `${fileName(task_name)}.md`, content: output } }),
  };
}

/** Task names are safe as file names except for spaces: some channels cut a name there. */
function fileName(task_name: string): string {
  return task_name.replaceAll(' ', '-');
}
