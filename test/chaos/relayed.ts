/** Tasks that go through the relay (`KIMI_CALLBACKS=relay`): a user who starts some and checks their answers, and what happened to them at Kimi. */
import { setTimeout as pause } from 'node:timers/promises';
import { startTask } from '../../src/tasks/start.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import type { Task, TaskRequest } from '../../src/shared/task.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Completion, Counts } from '../../src/simulator/events.ts';
import { askedIn } from '../../src/simulator/validation.ts';
import type { Command, Start } from './check.ts';
import type { KimiEvent, Scene } from './stage.ts';

/** How long a start waits for the relay to accept, as `dispatch` does, in milliseconds. */
const WAIT_MS = 900;

/** Confirmed tasks, by task id. */
export type Asked = Map<string, AskedTask>;

type AskedTask = Pick<Task, 'task_name' | 'prompt' | 'request'>;

/** Which tasks a user starts, and how often. */
export interface Asking {
  every_ms: number;
  /** Directives of the simulator and options, used in turn. */
  tasks: { directives: string; request?: TaskRequest }[];
}

/** Starts a task every `every_ms` until `over` is aborted; confirmed tasks are added to `asked`. */
export async function keepAsking(
  { client, taskQueue, limiter }: Pick<Scene, 'client' | 'taskQueue'> & { limiter?: string },
  { every_ms, tasks }: Asking,
  asked: Asked,
  over: AbortSignal,
): Promise<void> {
  for (let n = 1; !over.aborted; n += 1) {
    const task_name = `relayed-${String(n).padStart(3, '0')}`;
    const { directives, request } = tasks[n % tasks.length] as Asking['tasks'][number];
    const prompt = `${task_name}: write a calculator [[simulate: mark=${task_name} ${directives}]]`;
    const task = {
      task_name,
      prompt,
      model: 'kimi-k2.6',
      lang: 'en' as const,
      timeout_ms: 60_000,
      grace_ms: 30_000,
      relay: true as const,
      ...(limiter && { limiter }),
      ...(request && { request }),
    };
    const started = await startTask(client, taskQueue, task, WAIT_MS).catch(() => undefined);
    if (started && started.status !== 'unknown') asked.set(started.task_id, task);
    await pause(every_ms, undefined, { signal: over }).catch(() => {});
  }
}

/**
 * Whether a task has the whole answer and was paid once (plus once per interruption), or timed out without a request because a
 * worker was killed while it passed the task to the relay.
 */
export function isRight(
  { completions, batches }: Pick<Counts, 'completions' | 'batches'>,
  { task_name, prompt, request }: AskedTask,
  result: ResultFile | undefined,
): boolean {
  const requests = completions.filter(({ mark }) => mark === task_name);
  const answered = requests.filter(({ ended }) => ended === 'answered').length;
  const most = 1 + (result?.interruptions ?? 0) + roundsOf({ prompt, request });
  const made = batches.filter(({ metadata }) => metadata['task_id'] === result?.task_id).length;
  if (!result?.acknowledged || answered + made > most) return false;
  if (result.status === 'timed_out' && !result.late) return requests.length + made === 0;
  return isAnswer(result, answerTo(prompt, sizeIn(prompt)));
}

/** Whether an output is an answer. That of a task that used tools ends with the list of them. */
export function isAnswer({ output, tool_uses: uses }: ResultFile, content: string): boolean {
  return uses ? (output?.startsWith(`${content}\n\n---\n`) ?? false) : output === content;
}

function sizeIn(prompt: string): number | undefined {
  const [, size] = /\bsize=(\d+)/.exec(prompt) ?? [];
  return size === undefined ? undefined : Number(size);
}

/** @returns the messages of a request without the part of the answer that it resumes, and without calls of tools. */
export function questionIn({ messages }: Completion): Completion['messages'] {
  const called = messages.findIndex(({ role }) => role === 'tool');
  if (called > 0) return messages.slice(0, called - 1);
  return messages.at(-1)?.role === 'assistant' ? messages.slice(0, -1) : messages;
}

/** @returns how often Kimi calls each tool of a task before it answers. */
export function roundsOf({ prompt, request }: { prompt: string; request?: TaskRequest | undefined }): number {
  if (!request?.tools) return 0;
  const [, calls = '1'] = /\bcalls=(\d+)/.exec(prompt) ?? [];
  return Number(calls);
}

/**
 * @returns the events of tasks at Moonshot's API, which has no callbacks: a request is paid, and a whole answer must be saved unless its
 *   task is cancelled. No time is known, nor needed: limits apply to dispatches.
 */
export function eventsOf(
  { completions, batches }: Pick<Counts, 'completions' | 'batches'>,
  starts: readonly Start[],
  commands: readonly Command[],
): KimiEvent[] {
  const unreadable = starts.filter(({ kind, task_id }) => task_id && kind === 'with an unreadable document');
  const taken = (task_id: string, asked: string, isWhole: boolean): KimiEvent[] => {
    const about = { task_id, at: 0 };
    const isCancelled = commands.some(({ what, task_id: id }) => what === 'cancel' && id === task_id);
    return [
      { ...about, what: 'taken', repeated: false, inPlace: true, answer: { content: answerTo(asked) } },
      ...(isWhole && !isCancelled ? [{ ...about, what: 'called back' as const, status: 200 }] : []),
    ];
  };
  return [
    ...unreadable.map(({ task_id = '' }): KimiEvent => ({ task_id, at: 0, what: 'refused', status: 400 })),
    ...completions.flatMap((completion): KimiEvent[] => {
      const start = starts.find(({ task_name }) => task_name === completion.mark);
      if (start?.task_id === undefined) return [];
      const called = completion.messages.filter(({ role }) => role === 'tool').length;
      const isLast = called === roundsOf(start) * (start.request?.tools?.length ?? 0);
      return taken(start.task_id, askedIn(questionIn(completion)), isLast && completion.ended === 'answered');
    }),
    ...batches.flatMap(({ metadata, status }) => {
      const start = starts.find(({ task_id, rows }) => !rows && task_id === metadata['task_id']);
      return start?.task_id === undefined ? [] : taken(start.task_id, start.prompt, status === 'completed');
    }),
  ];
}
