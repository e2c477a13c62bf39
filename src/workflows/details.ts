import { clock, firstCharacters, money } from '../shared/format.ts';
import type { LimiterView } from '../shared/limits.ts';
import type { Timings } from '../shared/result.ts';
import type { Task, TaskView } from '../shared/task.ts';
import { budgetRows } from '../text/budget.ts';
import { endingOf, explain, sentenceFor, stateOf, type Text } from '../text/index.ts';

/** How much of the prompt the Web UI shows, in characters. */
const EXCERPT_CHARS = 500;

/** @returns the static details of a task in the Web UI, in Markdown: its prompt. */
export function staticDetails(task: Task, text: Text): string {
  const excerpt = firstCharacters(task.prompt, EXCERPT_CHARS);
  return `**${text.prompt}**\n\n${excerpt.replaceAll(/^/gm, '> ')}${excerpt.length < task.prompt.length ? '…' : ''}`;
}

/**
 * @returns the current details of a task in the Web UI, in Markdown: the completed steps with their times, the current step, then
 *   the facts. They are updated with the steps, so a deadline is shown as a point in time.
 * @param tools what Kimi has used
 */
export function currentDetails(task: Task, view: TaskView, timings: Timings, text: Text, tools?: string): string {
  const { details } = text;
  const facts: [string, string | undefined][] = [
    [details.task, `${view.task_name} (\`${view.task_id}\`)`],
    [details.state, `**${stateOf(view, text)}**`],
    [details.error, view.error && withOptions(explain(view.error, text))],
    [details.wakeError, view.wake_error && withOptions(explain(view.wake_error, text))],
    [details.advice, withOptions(advice(view, text) ?? '') || undefined],
    [details.model, view.fallback ? text.fallback(view.fallback) : view.model],
    [details.files, view.files && text.files(view.files)],
    [details.rows, view.map && text.rows(view.map)],
    [details.tools, tools],
    [details.continues, view.continues && `\`${view.continues}\``],
    [details.tokens, view.tokens?.toString()],
    [details.cost, view.cost && money(view.cost)],
    [details.budget, budgetOf(view, text)],
    [details.result, view.result_file && `\`${view.result_file}\``],
  ];
  return [
    `### ${details.heading}`,
    '',
    ...completedSteps(task, view, timings, text).map((step) => `1. ✓ ${step}`),
    ...(view.step === 'closed' ? [] : [`1. **${currentStep(task, view, text)}**`]),
    '',
    ...facts.filter(([, value]) => value !== undefined).map(([label, value]) => `- ${label}: ${value}`),
  ].join('\n');
}

function budgetOf({ paused, budget, cost }: TaskView, text: Text): string | undefined {
  if (paused) return withOptions(text.budget.pause(paused, Date.now()));
  return cost && budget !== undefined ? money({ amount: budget, currency: cost.currency }) : undefined;
}

/** A shorter wait in the queue is not shown, in milliseconds. */
const NO_WAIT_MS = 1_000;

function completedSteps(
  { timeout_ms }: Task,
  view: TaskView,
  { queued_ms = 0, kimi_ms }: Timings,
  text: Text,
): string[] {
  const { passed: say } = text.details;
  return [
    !view.queue && queued_ms >= NO_WAIT_MS && say.admitted(clock(queued_ms)),
    view.api_id && say.accepted(view.api_id),
    kimi_ms !== undefined && say.answered(clock(kimi_ms), clock(timeout_ms)),
    view.completed_at && say.saved(view.completed_at),
    view.woken_at && say.woken(view.woken_at),
    view.completed_at && view.acknowledged && say.acknowledged,
  ].filter((step) => typeof step === 'string');
}

function currentStep({ timeout_ms }: Task, { step, queue, deadline, map }: TaskView, text: Text): string {
  if (map && step === 'waiting') return text.rows(map);
  // Behind a relay: Kimi has not begun to answer.
  if (step === 'waiting' && !deadline) return text.stream({ phase: 'waiting', tokens: 0, tail: '' });
  const more =
    step === 'queued' && queue
      ? text.queuePosition(queue)
      : step === 'waiting' && deadline && text.details.until(clock(timeout_ms), deadline);
  return more ? `${text.step[step]} · ${more}` : text.step[step];
}

/** @returns what to do, if the reason does not say it. */
function advice(view: TaskView, text: Text): string | undefined {
  const { error, wake_error, state, step } = view;
  const say = text.details.advise;
  if (wake_error) return say.notWoken;
  if (state === 'done') return endingOf(view, text)?.sentence;
  if (state === 'timed_out') return step === 'closed' ? say.timedOut : say.mayFollow;
  if (state === 'failed' && error && !sentenceFor(error.type, text)) return say.failed;
  return undefined;
}

/** The Web UI renders the two hyphens of an option as a dash. */
function withOptions(sentence: string): string {
  return sentence.replaceAll(/--[a-z][a-z-]*/g, '`$&`');
}

/** Waiting tasks in the limiter's details. */
const QUEUE_ROWS = 50;

/** @returns the current details of the limiter in the Web UI, in Markdown: use of the limits, and the queue. */
export function limiterDetails(view: LimiterView, text: Text): string {
  const { limiter } = text;
  const { limits, queue, in_flight, used_per_minute, paused_until, agents } = view;
  const facts = [
    `- ${limiter.perMinute}: ${limiter.use(used_per_minute, limits.per_minute)}`,
    `- ${limiter.concurrent}: ${limiter.use(in_flight.length, limits.concurrent)}`,
    `- ${limiter.queued}: ${agents ? queue.length : limiter.use(queue.length, limits.queued)}`,
    ...budgetRows(view.budget, text).map(([label, value]) => `- ${label}: ${value}`),
    ...(paused_until ? [`- ${limiter.paused}: ${paused_until}`] : []),
    ...(agents ?? []).map(
      ({ agent, in_flight: has, queued, away = false }) =>
        `- \`${agent}\`: ${limiter.agent(has, limiter.use(queued, limits.queued), away)}`,
    ),
  ];
  const waiting = queue.slice(0, QUEUE_ROWS).map((task) => `1. \`${task.task_id}\` ${text.queuePosition(task)}`);
  return [`### ${limiter.heading}`, '', ...facts, '', ...waiting].join('\n').trimEnd();
}
