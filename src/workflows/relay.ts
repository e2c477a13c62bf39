import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  metricMeter,
  proxyActivities,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { StreamActivities } from '../relay/activities.ts';
import type { DeliveryActivities } from '../relay/delivery-activities.ts';
import { isErrorCallback, type Callback } from '../shared/callback.ts';
import { FAILURE, streamsQueue } from '../shared/names.ts';
import { RELAY_TRIES_MS, relayFailure, type RelayRequest, type RelaySummary } from '../shared/relay.ts';
import { interruptionMetrics } from '../shared/metrics.ts';
import { SENDING, readFailure, unlessLost } from './failures.ts';

/** How long a broken stream is left alone before it is gone on with, in milliseconds: doubled up to the longest. */
const GO_ON_MS = { first: 1_000, longest: 60_000 };

/** Tried for a day: the answer is paid for. */
const { deliver } = proxyActivities<DeliveryActivities>({
  startToCloseTimeout: '40s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: '24h',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
});

/**
 * One request that the relay makes for a task: ask Kimi and take the answer as it streams in → call back. The task is told
 * in any case: of the answer, or why there is none.
 */
export async function kimiRelay(request: RelayRequest): Promise<RelaySummary> {
  const metrics = interruptionMetrics(metricMeter);
  let interruptions = 0;
  const callback = await completed();
  await CancellationScope.nonCancellable(async () => {
    await deliver.executeWithOptions({ summary: request.task_id }, [request, callback]);
  });
  const outcome = isErrorCallback(callback) ? callback.error.type : 'answered';
  return { task_id: request.task_id, outcome, interruptions };

  async function completed(): Promise<Callback> {
    const { complete } = streaming();
    let why: string | undefined;
    for (let pause = GO_ON_MS.first; ; pause = Math.min(pause * 2, GO_ON_MS.longest)) {
      try {
        if (why !== undefined) await sleep(pause);
        const options = { summary: request.body.model };
        return await unlessLost(
          async (lost) => await complete.executeWithOptions(options, [request, interruptions, why, lost]),
        );
      } catch (error) {
        if (isCancellation(error))
          return relayFailure(request, { type: 'cancelled', message: 'the task was cancelled' });
        const gaveUp = readFailure(error);
        if (!(error instanceof ActivityFailure) || !gaveUp) throw error;
        why = interruptionOf(error);
        if (why === undefined)
          return relayFailure(request, { ...gaveUp, message: withPatience(error, gaveUp.message) });
        interruptions += 1;
        metrics.interrupted();
      }
    }
  }
}

/**
 * Tried for a day while nothing was sent, or while Kimi is too busy. An attempt that broke off, or whose worker was lost, is
 * followed by another one that knows of it.
 */
function streaming() {
  return proxyActivities<StreamActivities>({
    taskQueue: streamsQueue(workflowInfo().taskQueue),
    // Kimi's own limit is 2 h (kimi-api.md).
    startToCloseTimeout: '3h',
    heartbeatTimeout: '10s',
    scheduleToCloseTimeout: RELAY_TRIES_MS,
    ...SENDING,
  });
}

/** @returns why an answer broke off; `undefined` where nothing was on its way. */
function interruptionOf({ cause }: ActivityFailure): string | undefined {
  return cause instanceof ApplicationFailure && cause.type === FAILURE.interrupted ? cause.message : undefined;
}

/** What was repeated for as long as it may be says so. */
function withPatience({ retryState }: ActivityFailure, message: string): string {
  if (retryState !== 'TIMEOUT') return message;
  return `${message}; the relay tried for ${RELAY_TRIES_MS / 3_600_000} h, and gave up`;
}
