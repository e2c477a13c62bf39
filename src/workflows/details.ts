import { firstCharacters } from '../characters.ts';
import type { LimiterView, Task, TaskView } from '../contract.ts';
import { explain, stateOf, type Text } from '../text/index.ts';

/** How much of the prompt the Web UI shows, in characters. */
const EXCERPT_CHARS = 500;

/** What a task is about, in Markdown: its static details in the Web UI. */
export function staticDetails(task: Task, text: Text): string {
  const excerpt = firstCharacters(task.prompt, EXCERPT_CHARS);
  return `**${text.prompt}**\n\n${excerpt.replaceAll(/^/gm, '> ')}${excerpt.length < task.prompt.length ? '…' : ''}`;
}

/** Where a task stands, in Markdown: its current details in the Web UI. */
export function currentDetails(view: TaskView, text: Text): string {
  const { details } = text;
  const rows: [string, string | undefined][] = [
    [details.task, `${view.task_name} (\`${view.task_id}\`)`],
    [details.state, `**${stateOf(view, text)}**`],
    [details.step, text.step[view.step]],
    [details.place, view.queue && text.place(view.queue)],
    [details.model, view.model],
    [details.apiId, view.api_id && `\`${view.api_id}\``],
    [details.deadline, view.deadline],
    [details.tokens, view.tokens?.toString()],
    [details.completedAt, view.completed_at],
    [details.error, view.error && explain(view.error, text)],
    [details.wakeError, view.wake_error && explain(view.wake_error, text)],
    [details.result, view.completed_at && `\`results/${view.task_id}.json\``],
  ];
  const body = rows.filter(([, value]) => value !== undefined).map(([label, value]) => `- ${label}: ${value}`);
  return [`### ${details.heading}`, '', ...body].join('\n');
}

/** How many waiting tasks the limiter's details name. */
const QUEUE_ROWS = 50;

/** Who is under way and who waits, in Markdown: the limiter's current details in the Web UI. */
export function limiterDetails(view: LimiterView, text: Text): string {
  const { limiter } = text;
  const { limits, queue, in_flight, used_per_minute, paused_until } = view;
  const facts = [
    `- ${limiter.perMinute}: ${limiter.use(used_per_minute, limits.per_minute)}`,
    `- ${limiter.concurrent}: ${limiter.use(in_flight.length, limits.concurrent)}`,
    `- ${limiter.queued}: ${limiter.use(queue.length, limits.queued)}`,
    ...(paused_until ? [`- ${limiter.paused}: ${paused_until}`] : []),
  ];
  const waiting = queue.slice(0, QUEUE_ROWS).map((place) => `1. \`${place.task_id}\` ${text.place(place)}`);
  return [`### ${limiter.heading}`, '', ...facts, '', ...waiting].join('\n').trimEnd();
}
