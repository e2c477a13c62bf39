import {
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Admission, LeaseRequest, QueuePosition, SentReport, Throttled } from '../../shared/limits.ts';
import { ADMISSION_SIGNAL, LIMITER_SIGNALS, isSharedLimiter } from '../../shared/names.ts';
import type { Task } from '../../shared/task.ts';
import type { AtOnce } from '../local-first.ts';

const admissionSignal = defineSignal<[Admission]>(ADMISSION_SIGNAL);
const requestSignal = defineSignal<[LeaseRequest]>(LIMITER_SIGNALS.request);
const sentSignal = defineSignal<[SentReport]>(LIMITER_SIGNALS.sent);

/** How long a task waits for the limiter's word before it asks again, in milliseconds: doubled up to the longest. */
const ASK_AGAIN_MS = { first: 30_000, longest: 600_000 };

/** A task's leave to send one request to Kimi at a time, and its place among the tasks under way. */
export interface Lease {
  /**
   * Waits for leave to send.
   *
   * @param throttled where Kimi was too busy for the request before.
   * @returns the queue's limit where it is full.
   */
  obtain(throttled?: Throttled): Promise<{ full: number } | undefined>;
  /** The request is no longer on its way. */
  sent(accepted: boolean): void;
  /** The task needs its place no longer. Before it closes, this has to be done. */
  giveBack(sent: boolean): Promise<void>;
}

/** Where nothing is limited, nobody is asked. */
const UNLIMITED: Lease = { obtain: async () => undefined, sent: () => {}, giveBack: async () => {} };

/**
 * A task's side of the limiter.
 *
 * @param onPlace is told the task's place whenever the limiter names it.
 */
export function leaseFor(
  { task_id, limiter, priority = 3 }: Task,
  { startLimiter, release }: { startLimiter: AtOnce<'startLimiter'>; release: AtOnce<'release'> },
  onPlace: (place: QueuePosition) => void,
): Lease {
  if (limiter === undefined) return UNLIMITED;
  const id = limiter;
  const handle = getExternalWorkflowHandle(id);
  let round = 0;
  /** Settles once the limiter has the latest report of a request. */
  let reported: Promise<void> = Promise.resolve();
  /** What the limiter has decided on this round. */
  let decided: 'granted' | { full: number } | undefined;

  setHandler(admissionSignal, (received) => {
    // What was said of an earlier round comes too late.
    if (received.round !== round || decided) return;
    if (received.state === 'granted') decided = 'granted';
    else if (received.state === 'refused') decided = { full: received.limit };
    else {
      const { place, expected_wait_ms } = received;
      onPlace({ place, ...(expected_wait_ms !== undefined && { expected_wait_ms }) });
    }
  });

  return {
    async obtain(turned_away) {
      round += 1;
      decided = undefined;
      for (let wait = ASK_AGAIN_MS.first; !isDecided(); wait = Math.min(wait * 2, ASK_AGAIN_MS.longest)) {
        await Promise.all([ask(turned_away), condition(isDecided, wait)]);
      }
      return answer();
    },
    sent(accepted) {
      reported = handle.signal(sentSignal, { task_id, round, accepted }).catch(limiterIsGone);
    },
    async giveBack(sent) {
      // The engine takes no end of a task while the outcome of a signal comes: that workflow task would be done again.
      await reported;
      // No signal: the engine drops one of a workflow that closes before it is delivered.
      await release([id, { task_id, sent }]);
    },
  };

  function isDecided(): boolean {
    return decided !== undefined;
  }

  function answer(): { full: number } | undefined {
    return decided === 'granted' ? undefined : decided;
  }

  async function ask(turned_away: Throttled | undefined): Promise<void> {
    const request = {
      task_id,
      ...(isSharedLimiter(id) && { agent: workflowInfo().taskQueue }),
      priority,
      round,
      ...(turned_away && { turned_away }),
    };
    try {
      await handle.signal(requestSignal, request);
    } catch (error) {
      if (isCancellation(error)) throw error;
      await startLimiter([id]);
      await handle.signal(requestSignal, request).catch(limiterIsGone);
    }
  }
}

/** Whatever place it gave is gone with it; where it is needed, it is started when it is asked next. */
function limiterIsGone(): void {}
