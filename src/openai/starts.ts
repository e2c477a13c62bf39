/** Starts a task for a request, once: a client that lost its connection sends the request again. */
import { createHash } from 'node:crypto';
import { unlessAway } from '../tasks/away.ts';
import { Problem } from '../tasks/problem.ts';
import { idFrom, originOf } from '../tasks/start.ts';
import { keyAt } from '../tasks/task-id.ts';
import type { NewTask, StartedTask, Tasks } from '../tasks/tasks.ts';

/** Who asks, what, and how. */
export interface Asking {
  /** `Idempotency-Key`; absent if the client sent none. */
  key: string | undefined;
  /** Name of the caller's token; absent if it has none. */
  owner: string | undefined;
  /** The request as it was sent. */
  sent: string;
  /** Whether the client waits for the answer on this connection. */
  waits: boolean;
  /** Whether the client says that it sends the request again (`X-Stainless-Retry-Count` of OpenAI's clients). */
  isRepeated: boolean;
  /** Aborted when the connection ends. */
  signal: AbortSignal;
  /** Resolves when the connection has ended and, if the answer was sent on it, that is saved. */
  over: Promise<unknown>;
}

/** How long to wait until Kimi has accepted a task, in milliseconds: by then most have been refused or accepted. */
const ACCEPT_MS = 900;

const HOUR_MS = 3_600_000;

/**
 * Requests without an `Idempotency-Key` have a key that is made of their body, the hour and a number. The same request again
 *
 * - joins the task of an earlier one whose answer reached no client: its connection was lost, or the services were killed
 * - is a task of its own while a client still waits for the earlier one, and once it was answered
 *
 * A request in the background is answered at once, so it joins only if the client says that it sends it again.
 */
export class Starts {
  /** Keys whose clients wait on a connection of this process, or whose acknowledgement is not saved yet. */
  private readonly awaited = new Set<string>();

  async start(tasks: Tasks, task: NewTask, asking: Asking): Promise<StartedTask> {
    if (asking.key !== undefined) {
      // A token that may not read is refused before it pays for an answer that it cannot get.
      await isKnown(tasks, asking, asking.key);
      return await tasks.start(task, asking.key, ACCEPT_MS);
    }
    const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    const before = await this.joined(tasks, task, asking, hour - HOUR_MS);
    if (before) return before;
    for (let number = 0; ; number += 1) {
      const one = await this.tryKey(tasks, task, asking, keyOf(asking, hour, number));
      if (one) return one;
    }
  }

  /** @returns the task of the hour before that the request joins; `undefined` if there is none. */
  private async joined(tasks: Tasks, task: NewTask, asking: Asking, hour: number) {
    for (let number = 0; ; number += 1) {
      const key = keyOf(asking, hour, number);
      if (!(await isKnown(tasks, asking, key))) return undefined;
      const one = await this.tryKey(tasks, task, asking, key);
      if (one) return one;
    }
  }

  /** @returns `undefined` if the task of the key belongs to another request. */
  private async tryKey(tasks: Tasks, task: NewTask, asking: Asking, key: string) {
    if (this.awaited.has(key)) return undefined;
    asking.signal.throwIfAborted();
    this.awaited.add(key);
    const leave = () => void this.awaited.delete(key);
    // A client may send the same request again as soon as it has the answer, before that is saved.
    void asking.over.then(leave);
    const started = await tasks.start(task, key, ACCEPT_MS);
    if (started.status !== 'known' || (await mayJoin(tasks, started.task_id, asking))) return started;
    leave();
    return undefined;
  }
}

function keyOf({ owner = '', sent }: Asking, hour: number, number: number): string {
  const digest = createHash('sha256').update(`${owner}\0${sent}`).digest('hex');
  return keyAt(`openai ${digest} ${number}`, hour);
}

async function isKnown(tasks: Tasks, { owner }: Asking, key: string): Promise<boolean> {
  const origin = originOf({ owner }, key);
  try {
    return origin !== undefined && (await tasks.find(idFrom(origin, 0))) !== undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === 'unknown_task') return false;
    throw error;
  }
}

/** An answer that reached its client is acknowledged. */
async function mayJoin(tasks: Tasks, task_id: string, { waits, isRepeated }: Asking): Promise<boolean> {
  if (!waits) return isRepeated;
  return (await unlessAway(tasks.result(task_id)))?.acknowledged !== true;
}
