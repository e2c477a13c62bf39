import { ApplicationFailure, CancelledFailure, Context, heartbeat } from '@temporalio/activity';
import { ActivityCancelledError } from '@temporalio/client';
import { afterAwake } from '../service/machine-sleep.ts';
import { FAILURE } from '../shared/names.ts';
import type { Holder, LostAttempt } from '../shared/task.ts';
import { beatingOn } from './heartbeat.ts';
import { identify, isAlive, processSpace } from '../stack/process-id.ts';

/** How long work without an attempt is kept for the next one, in milliseconds during which the machine is awake. */
const HOLD_MS = 60_000;

/** Retry delay while another process has the work, in milliseconds. */
const ASK_AGAIN_MS = 1_000;

/** Why work was aborted: the reason of its signal. */
export type Ended = 'cancelled' | 'shutdown' | 'abandoned';

interface Held {
  outcome: Promise<unknown>;
  controller: AbortController;
  details: () => object;
  attempts: number;
  isSettled: boolean;
}

/**
 * Work that outlives the attempt which began it. While a machine sleeps its heartbeats time out, but its processes and
 * connections live: the next attempt joins the work instead of repeating it.
 */
export class HeldWork<T> {
  private readonly held = new Map<string, Held>();

  /**
   * Begins work, or joins it if it is in progress. Work begins when the engine has confirmed the first heartbeat: an attempt that was
   * lost without one has done nothing.
   *
   * @param work its `beat` sends a heartbeat immediately.
   * @param details of the heartbeats, besides the holder.
   * @throws {ApplicationFailure} `NotSent`, if the engine did not confirm the heartbeat
   */
  async begin(
    key: string,
    work: (signal: AbortSignal, beat: () => void) => Promise<T>,
    details: () => object = () => ({}),
  ): Promise<T> {
    const known = this.held.get(key);
    if (known && !known.isSettled) return await this.attend(key, known);
    const controller = new AbortController();
    const detailsHere = (): object => ({ ...details(), holder: here });
    const outcome = confirmed(detailsHere(), controller).then(
      async () => await work(controller.signal, () => heartbeat(detailsHere())),
    );
    const held: Held = { outcome, controller, details: detailsHere, attempts: 0, isSettled: false };
    const settle = (): void => {
      held.isSettled = true;
    };
    held.outcome.then(settle, settle);
    this.held.set(key, held);
    return await this.attend(key, held);
  }

  /**
   * Joins the work of an attempt whose heartbeats timed out.
   *
   * @returns `undefined` if the work seems to be lost.
   * @throws {ApplicationFailure} retryable, while another process of this machine has the work.
   */
  join(key: string, { holder }: LostAttempt): Promise<T> | undefined {
    const known = this.held.get(key);
    if (known) return this.attend(key, known);
    if (holder && holder.machine === here.machine && holder.pid !== here.pid && isAlive(holder)) {
      throw ApplicationFailure.create({
        message: `process ${holder.pid} of this machine is still doing the work`,
        type: FAILURE.held,
        nextRetryDelay: ASK_AGAIN_MS,
      });
    }
    return undefined;
  }

  private async attend(key: string, held: Held): Promise<T> {
    const context = Context.current();
    const { cancellationSignal } = context;
    held.attempts += 1;
    let leave = nothing;
    const left = new Promise<never>((_, reject) => {
      leave = () => {
        const { notFound, timedOut, workerShutdown } = context.cancellationDetails ?? {};
        // The engine has given up this attempt, but not the work.
        if (notFound || timedOut) reject(new CancelledFailure('the engine has given up this attempt'));
        else held.controller.abort((workerShutdown ? 'shutdown' : 'cancelled') satisfies Ended);
      };
    });
    left.catch(() => {});
    if (cancellationSignal.aborted) leave();
    else cancellationSignal.addEventListener('abort', leave, { once: true });
    try {
      const outcome = async () => await Promise.race([held.outcome, left]);
      return (await beatingOn(outcome, held.details)) as T;
    } finally {
      cancellationSignal.removeEventListener('abort', leave);
      held.attempts -= 1;
      if (held.attempts === 0) this.dropLater(key, held);
    }
  }

  private dropLater(key: string, held: Held): void {
    afterAwake(HOLD_MS, () => {
      if (held.attempts > 0) return;
      if (this.held.get(key) === held) this.held.delete(key);
      held.controller.abort('abandoned' satisfies Ended);
    });
  }
}

/** Sends the first heartbeat of an attempt and waits for the engine's confirmation. A local activity has none. */
async function confirmed(details: object, controller: AbortController): Promise<void> {
  const { client, info } = Context.current();
  if (info.isLocal) return;
  try {
    await client.activity.heartbeat(info.taskToken, details);
  } catch (error) {
    if (error instanceof ActivityCancelledError) controller.abort('cancelled' satisfies Ended);
    else throw notBegun(error);
  }
}

function notBegun(error: unknown): ApplicationFailure {
  const message = `nothing was sent, since the engine did not confirm the first heartbeat: ${String(error)}`;
  return ApplicationFailure.create({ message, type: FAILURE.notSent });
}

const here: Holder = { machine: processSpace(), ...(identify(process.pid) ?? { pid: process.pid, start: '' }) };

function nothing(): void {}
