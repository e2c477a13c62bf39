import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  metricMeter,
  proxyActivities,
  sleep,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow';
import {
  FAILURE,
  isErrorCallback,
  streamsQueue,
  type Callback,
  type RelayActivities,
  type RelayRequest,
  type RelaySummary,
} from '../contract.ts';
import { interruptionMetrics } from '../metrics/meter.ts';
import { relayFailure } from '../relay/failure.ts';
import { readFailure } from './failures.ts';
import { SENDING } from './sending.ts';

/** How long a broken stream is left alone before it is gone on with, in milliseconds: doubled up to the longest. */
const GO_ON_MS = { first: 1_000, longest: 60_000 };

/** Tried for a day: the answer is paid for. */
const { deliver } = proxyActivities<Pick<RelayActivities, 'deliver'>>({
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
        return await complete.executeWithOptions({ summary: request.body.model }, [request, interruptions, why]);
      } catch (error) {
        if (isCancellation(error))
          return relayFailure(request, { type: 'cancelled', message: 'the task was cancelled' });
        const gaveUp = readFailure(error);
        if (!(error instanceof ActivityFailure) || !gaveUp) throw error;
        why = interruptionOf(error);
        if (why === undefined) return relayFailure(request, gaveUp);
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
  return proxyActivities<Pick<RelayActivities, 'complete'>>({
    taskQueue: streamsQueue(workflowInfo().taskQueue),
    // Kimi's own limit is 2 h (kimi-api.md).
    startToCloseTimeout: '3h',
    heartbeatTimeout: '10s',
    scheduleToCloseTimeout: '24h',
    ...SENDING,
  });
}

/** @returns why an answer broke off; `undefined` where nothing was on its way. */
function interruptionOf({ cause }: ActivityFailure): string | undefined {
  if (cause instanceof ApplicationFailure && cause.type === FAILURE.interrupted) return cause.message;
  const isLost = cause instanceof TimeoutFailure && cause.timeoutType !== 'SCHEDULE_TO_CLOSE';
  return isLost ? 'the relay that was taking the answer was lost' : undefined;
}
