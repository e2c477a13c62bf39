/** A user whose tasks go through the relay (`KIMI_CALLBACKS=relay`): starts tasks and checks their answers. */
import { setTimeout as pause } from 'node:timers/promises';
import { startTask } from '../../src/tasks/start.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Counts } from '../../src/simulator/events.ts';
import type { Scene } from './stage.ts';

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
