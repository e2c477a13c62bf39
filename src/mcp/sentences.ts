/** What a tool says, as text for the agent and as data of its output schema. */
import type { CallToolResult } from '@modelcontextprotocol/server';
import type * as z from 'zod';
import { outcomeText } from '../notify/message.ts';
import { cutAt, field } from '../shared/format.ts';
import type { ResultFile } from '../shared/result.ts';
import type { Lang } from '../shared/task.ts';
import type { LiveTask, Standing, StartedTask } from '../tasks/tasks.ts';
import { stateOf, textFor } from '../text/index.ts';
import { OUTPUTS } from './shapes.ts';
import { mcpText } from './text/index.ts';

/** Longest part of an answer in one result, in characters: about 10,000 tokens of Chinese, as for OpenClaw's agent. */
const MOST_CHARS = 20_000;

/** @param data of the tool's output schema: other members are left out */
export function saying<Name extends keyof typeof OUTPUTS>(
  name: Name,
  text: string | string[],
  data: z.input<(typeof OUTPUTS)[Name]>,
): CallToolResult {
  const texts = [text].flat().filter((each) => each !== '');
  const shaped = OUTPUTS[name].parse(data);
  return {
    content: texts.map((each) => ({ type: 'text', text: each })),
    // Members that are `undefined` are no JSON.
    structuredContent: JSON.parse(JSON.stringify(shaped)) as Record<string, unknown>,
  };
}

/** @returns the error of a tool: the agent reads the sentence and can act on it. */
export function failing(sentence: string): CallToolResult {
  return { content: [{ type: 'text', text: sentence }], isError: true };
}

/** Says how a task was started. */
export function sayStarted(started: Exclude<StartedTask, { status: 'refused' }>, lang: Lang): string[] {
  const say = mcpText(lang);
  const { task_id, task_name } = started;
  const name = field(task_name);
  const how =
    started.status === 'queued'
      ? say.started.queued(name, task_id, textFor(lang).queuePosition(started.queued))
      : started.status === 'paused'
        ? say.started.paused(name, task_id, textFor(lang).budget.pause(started.paused, Date.now()))
        : say.started[started.status](name, task_id);
  return [how, say.next(task_id), started.simulated ? say.simulated : ''];
}

/**
 * The outcome of a task, and a part of its answer.
 *
 * @param offset character of the answer to begin at
 */
export function resultOf(saved: ResultFile, lang: Lang, offset = 0): CallToolResult {
  const say = mcpText(lang);
  const { part, next } = partOf(saved.output ?? '', offset);
  const data = { ...saved, output: saved.output === undefined ? undefined : part, next_offset: next };
  const texts = [
    outcomeText(saved, textFor(lang)),
    part,
    next === undefined ? '' : say.cut(next, saved.output?.length ?? 0),
    saved.simulated ? say.simulated : '',
  ];
  return saying('kimi_result', texts, data);
}

function partOf(output: string, offset: number): { part: string; next?: number } {
  const end = offset + MOST_CHARS;
  if (output.length <= end) return { part: output.slice(offset) };
  const next = cutAt(output, end);
  return { part: output.slice(offset, next), next };
}

/** @returns where a task stands, in one line. */
export function progressOf(task: Standing, lang: Lang): string {
  const text = textFor(lang);
  const { queue, paused, progress, map, step, completed_at: ended } = task;
  const state = stateOf(task, text);
  if (ended !== undefined) return state;
  const how = map
    ? text.rows(map)
    : queue
      ? text.queuePosition(queue)
      : paused
        ? text.budget.pause(paused, Date.now())
        : progress
          ? text.stream(progress)
          : text.step[step];
  return text.withDetail(state, how);
}

export function sayStanding(task: Standing, lang: Lang): string {
  return `${field(task.task_name)}  ${task.task_id}  ${progressOf(task, lang)}`;
}

export function sayList(tasks: readonly LiveTask[], lang: Lang): string {
  const text = textFor(lang);
  const lines = tasks.map((task) => `${task.task_id}  ${stateOf(task, text)}  ${field(task.task_name)}`);
  return lines.join('\n') || mcpText(lang).noTasks;
}
