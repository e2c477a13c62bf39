import { firstCharacters, money } from '../shared/format.ts';
import type { LimiterView } from '../shared/limits.ts';
import { isTruncated, type Timings } from '../shared/result.ts';
import type { Task, TaskView } from '../shared/task.ts';
import { explain, isExplained, stateOf, type Text } from '../text/index.ts';

/** How much of the prompt the Web UI shows, in characters. */
const EXCERPT_CHARS = 500;

/** What a task is about, in Markdown: its static details in the Web UI. */
export function staticDetails(task: Task, text: Text): string {
  const excerpt = firstCharacters(task.prompt, EXCERPT_CHARS);
  return `**${text.prompt}**\n\n${excerpt.replaceAll(/^/gm, '> ')}${excerpt.length < task.prompt.length ? '…' : ''}`;
}

/**
 * Where a task stands, in Markdown: its current details in the Web UI. What has passed, with the times of it, then what is
 * under way, then the facts. They change with the task's steps, so the time that is left is said as the moment it ends.
 */
export function currentDetails(task: Task, view: TaskView, timings: Timings, text: Text): string {
  const { details } = text;
  const facts: [string, string | undefined][] = [
    [details.task, `${view.task_name} (\`${view.task_id}\`)`],
    [details.state, `**${stateOf(view, text)}**`],
    [details.error, view.error && withOptions(explain(view.error, text))],
    [details.wakeError, view.wake_error && withOptions(explain(view.wake_error, text))],
    [details.advice, withOptions(advice(view, text) ?? '') || undefined],
    [details.model, view.model],
    [details.tokens, view.tokens?.toString()],
    [details.cost, view.cost && money(view.cost)],
    [details.result, view.result_file && `\`${view.result_file}\``],
  ];
  return [
    `### ${details.heading}`,
    '',
    ...passed(task, view, timings, text).map((step) => `1. ✓ ${step}`),
    ...(view.step === 'closed' ? [] : [`1. **${underWay(task, view, text)}**`]),
    '',
    ...facts.filter(([, value]) => value !== undefined).map(([label, value]) => `- ${label}: ${value}`),
  ].join('\n');
}

/** A wait that is not worth a word, in milliseconds. */
const NO_WAIT_MS = 1_000;

function passed({ timeout_ms }: Task, view: TaskView, { queued_ms = 0, kimi_ms }: Timings, text: Text): string[] {
  const { passed: say } = text.details;
  return [
    !view.queue && queued_ms >= NO_WAIT_MS && say.admitted(minutes(queued_ms)),
    view.api_id && say.accepted(view.api_id),
    kimi_ms !== undefined && say.answered(minutes(kimi_ms), minutes(timeout_ms)),
    view.completed_at && say.saved(view.completed_at),
    view.woken_at && say.woken(view.woken_at),
    view.completed_at && view.acknowledged && say.acknowledged,
  ].filter((step) => typeof step === 'string');
}

function underWay({ timeout_ms }: Task, { step, queue, deadline }: TaskView, text: Text): string {
  // Behind a relay: Kimi itself does not have the request yet.
  if (step === 'waiting' && !deadline) return text.stream({ phase: 'waiting', tokens: 0, tail: '' });
  const more =
    step === 'queued' && queue
      ? text.queuePosition(queue)
      : step === 'waiting' && deadline && text.details.until(minutes(timeout_ms), deadline);
  return more ? `${text.step[step]} · ${more}` : text.step[step];
}

/** What to do, where the reason does not say it. */
function advice(view: TaskView, text: Text): string | undefined {
  const { error, wake_error, state, step } = view;
  const say = text.details.advise;
  if (wake_error) return say.notWoken;
  if (state === 'done' && isTruncated(view)) return text.truncated.sentence;
  if (state === 'timed_out') return step === 'closed' ? say.timedOut : say.mayFollow;
  if (state === 'failed' && error && !isExplained(error, text)) return say.failed;
  return undefined;
}

/** The Web UI would make a dash of the two before an option. */
function withOptions(sentence: string): string {
  return sentence.replaceAll(/--[a-z][a-z-]*/g, '`$&`');
}

/** @returns e.g. `0:42`. */
function minutes(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** How many waiting tasks the limiter's details name. */
const QUEUE_ROWS = 50;

/** Who is under way and who waits, in Markdown: the limiter's current details in the Web UI. */
export function limiterDetails(view: LimiterView, text: Text): string {
  const { limiter } = text;
  const { limits, queue, in_flight, used_per_minute, paused_until, agents } = view;
  const facts = [
    `- ${limiter.perMinute}: ${limiter.use(used_per_minute, limits.per_minute)}`,
    `- ${limiter.concurrent}: ${limiter.use(in_flight.length, limits.concurrent)}`,
    `- ${limiter.queued}: ${agents ? queue.length : limiter.use(queue.length, limits.queued)}`,
    ...(paused_until ? [`- ${limiter.paused}: ${paused_until}`] : []),
    ...(agents ?? []).map(
      ({ agent, in_flight: has, queued, away = false }) =>
        `- \`${agent}\`: ${limiter.agent(has, limiter.use(queued, limits.queued), away)}`,
    ),
  ];
  const waiting = queue.slice(0, QUEUE_ROWS).map((place) => `1. \`${place.task_id}\` ${text.queuePosition(place)}`);
  return [`### ${limiter.heading}`, '', ...facts, '', ...waiting].join('\n').trimEnd();
}
