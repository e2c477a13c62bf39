/** Tasks that go through the relay (`KIMI_CALLBACKS=relay`): a user who starts some and checks their answers, and what happened to them at Kimi. */
import { setTimeout as pause } from 'node:timers/promises';
import { startTask } from '../../src/tasks/start.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Completion, Counts } from '../../src/simulator/events.ts';
import { askedIn } from '../../src/simulator/validation.ts';
import type { Command, Start } from './check.ts';
import type { KimiEvent, Scene } from './stage.ts';

/** How long a start waits for the relay to accept, as `dispatch` does, in milliseconds. */
const WAIT_MS = 900;

/** Confirmed tasks, by task id. */
export type Asked = Map<string, { task_name: string; prompt: string }>;

/** Which tasks a user starts, and how often. */
export interface Asking {
  every_ms: number;
  /** Directives of the simulator, used in turn. */
  directives: string[];
}

/** Starts a task every `every_ms` until `over` is aborted; confirmed tasks are added to `asked`. */
export async function keepAsking(
  { client, taskQueue, limiter }: Pick<Scene, 'client' | 'taskQueue'> & { limiter?: string },
  { every_ms, directives }: Asking,
  asked: Asked,
  over: AbortSignal,
): Promise<void> {
  for (let n = 1; !over.aborted; n += 1) {
    const task_name = `relayed-${String(n).padStart(3, '0')}`;
    const prompt = `${task_name}: write a calculator [[simulate: mark=${task_name} ${directives[n % directives.length]}]]`;
    const request = {
      task_name,
      prompt,
      model: 'kimi-k2.6',
      lang: 'en' as const,
      timeout_ms: 60_000,
      grace_ms: 30_000,
      relay: true as const,
      ...(limiter && { limiter }),
    };
    const started = await startTask(client, taskQueue, request, WAIT_MS).catch(() => undefined);
    if (started && started.status !== 'unknown') asked.set(started.task_id, { task_name, prompt });
    await pause(every_ms, undefined, { signal: over }).catch(() => {});
  }
}

/**
 * Whether a task has the whole answer and was paid once (plus once per interruption), or timed out without a request because a
 * worker was killed while it passed the task to the relay.
 */
export function isRight(
  { completions }: Pick<Counts, 'completions'>,
  { task_name, prompt }: { task_name: string; prompt: string },
  result: ResultFile | undefined,
): boolean {
  const requests = completions.filter(({ mark }) => mark === task_name);
  const answered = requests.filter(({ ended }) => ended === 'answered').length;
  if (!result?.acknowledged || answered > 1 + (result.interruptions ?? 0)) return false;
  if (result.status === 'timed_out' && !result.late) return requests.length === 0;
  return result.output === answerTo(prompt, sizeIn(prompt));
}

function sizeIn(prompt: string): number | undefined {
  const [, size] = /\bsize=(\d+)/.exec(prompt) ?? [];
  return size === undefined ? undefined : Number(size);
}

/** @returns the messages of a request without the part of the answer that it resumes. */
export function questionIn({ messages }: Completion): Completion['messages'] {
  return messages.at(-1)?.role === 'assistant' ? messages.slice(0, -1) : messages;
}

/**
 * @returns the events of tasks at Moonshot's API, which has no callbacks: a request is paid, and a whole answer must be saved unless its
 *   task is cancelled. No time is known, nor needed: limits apply to dispatches.
 */
export function eventsOf(
  completions: readonly Completion[],
  starts: readonly Start[],
  commands: readonly Command[],
): KimiEvent[] {
  const unreadable = starts.filter(({ kind, task_id }) => task_id && kind === 'with an unreadable document');
  return [
    ...unreadable.map(({ task_id = '' }): KimiEvent => ({ task_id, at: 0, what: 'refused', status: 400 })),
    ...completions.flatMap((completion): KimiEvent[] => {
      const task_id = starts.find(({ task_name }) => task_name === completion.mark)?.task_id;
      if (task_id === undefined) return [];
      const about = { task_id, at: 0 };
      const content = answerTo(askedIn(questionIn(completion)));
      const isCancelled = commands.some(({ what, task_id: id }) => what === 'cancel' && id === task_id);
      const isWhole = completion.ended === 'answered' && !isCancelled;
      return [
        { ...about, what: 'taken', repeated: false, inPlace: true, answer: { content } },
        ...(isWhole ? [{ ...about, what: 'called back' as const, status: 200 }] : []),
      ];
    }),
  ];
}
