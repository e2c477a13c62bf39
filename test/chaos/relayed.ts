/** A user whose Kimi answers in place, so that each task goes through a relay: what is asked, and whether the answer is right. */
import { setTimeout as pause } from 'node:timers/promises';
import { startTask } from '../../src/cli/start.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Counts } from '../../src/simulator/events.ts';
import type { Scene } from './stage.ts';

/** How long a start waits for the relay, as `dispatch` does for Kimi, in milliseconds. */
const WAIT_MS = 900;

/** What has been asked, by task id. */
export type Asked = Map<string, { task_name: string; prompt: string }>;

/** What a user asks, and how often. */
export interface Asking {
  every_ms: number;
  /** What the tasks wish of the simulated Kimi, in turn. */
  wishes: string[];
}

/** Starts a task from time to time until it is over; each that was confirmed is in `asked`. */
export async function keepAsking(
  { client, taskQueue, limiter }: Pick<Scene, 'client' | 'taskQueue'> & { limiter?: string },
  { every_ms, wishes }: Asking,
  asked: Asked,
  over: AbortSignal,
): Promise<void> {
  for (let n = 1; !over.aborted; n += 1) {
    const task_name = `relayed-${String(n).padStart(3, '0')}`;
    const prompt = `${task_name}: write a calculator [[simulate: mark=${task_name} ${wishes[n % wishes.length]}]]`;
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
 * Whether a task was answered whole, and paid for once, what an interruption cost aside; or never asked, where a worker was
 * killed while it gave the task to the relay.
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
