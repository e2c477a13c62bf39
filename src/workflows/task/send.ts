import { proxyActivities, sleep } from '@temporalio/workflow';
import type { Activities } from '../../activities/index.ts';
import type { Dispatched } from '../../shared/callback.ts';
import type { Throttled } from '../../shared/limits.ts';
import { readDispatchFailure, unlessLost, type DispatchFailure } from '../failures.ts';
import { DISPATCH, SEND_WITHIN_MS } from './activity-options.ts';
import type { Lease } from './lease.ts';
import type { TaskRun } from './state.ts';

/** Backoff for resending a request whose outcome is unknown (`resend_unknown`), in milliseconds. */
const RESEND_MS = [1_000, 10_000, 60_000];

const { dispatch } = proxyActivities<Pick<Activities, 'dispatch'>>(DISPATCH);

/**
 * Sends the request once the limiter grants a lease. It is sent again only if Kimi did not accept it, or if the outcome is
 * unknown and the user prefers a second payment to a lost answer (`resend_unknown`).
 */
export async function send(run: TaskRun, lease: Lease): Promise<Dispatched | DispatchFailure> {
  const giveUpAt = Date.now() + SEND_WITHIN_MS;
  const resendAfter = run.task.resend_unknown ? [...RESEND_MS] : [];
  let mayHaveArrived = false;
  let pause = 0;
  let throttled: Throttled | undefined;
  for (;;) {
    const sending = await sendOnce(run, lease, pause, throttled);
    if ('api_id' in sending) return sending;
    mayHaveArrived ||= sending.mayHaveArrived;
    ({ throttled } = sending);
    pause = !throttled && sending.mayHaveArrived ? (resendAfter.shift() ?? 0) : 0;
    if (pause === 0 && !(throttled && Date.now() < giveUpAt)) return { ...sending, mayHaveArrived };
    run.view.error = sending.error;
    run.updateDetails();
  }
}

async function sendOnce(
  run: TaskRun,
  lease: Lease,
  pause: number,
  throttled: Throttled | undefined,
): Promise<Dispatched | DispatchFailure> {
  const { task, text } = run;
  try {
    if (pause > 0) await sleep(pause);
    const refused = await lease.obtain(throttled);
    if (refused) {
      const error = { type: 'queue_full', message: text.error.queueFull(refused.full) };
      return { error, mayHaveArrived: false, wasSent: false };
    }
    run.times.mark('queued');
    run.leaveQueue();
    const summary = text.activity.dispatch(task);
    const { round } = lease;
    const request = { created_at: run.view.created_at, ...(round !== undefined && { round }) };
    const dispatched = await unlessLost(async (lost) =>
      task.relay && !lost
        ? await run.activities.dispatchToRelay([task, request], summary)
        : await dispatch.executeWithOptions({ summary }, lost ? [task, request, lost] : [task, request]),
    );
    run.wasSent = true;
    if (!run.callback) {
      run.times.mark('dispatch');
      run.view.error = undefined;
    }
    if (!dispatched.reported) lease.sent(true);
    return dispatched;
  } catch (error) {
    const failure = readDispatchFailure(error);
    run.wasSent ||= failure.wasSent;
    if (failure.wasSent && !failure.throttled) lease.sent(false);
    return failure;
  }
}
