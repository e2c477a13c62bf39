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
import type { DeliveryActivities } from '../relay/delivery.ts';
import { backoffMs } from '../shared/backoff.ts';
import { isErrorCallback, type Callback } from '../shared/callback.ts';
import { FAILURE, streamsQueue } from '../shared/names.ts';
import { RELAY_TRIES_MS, relayFailure, type RelayRequest, type RelaySummary } from '../shared/relay.ts';
import { interruptionMetrics } from '../shared/metrics.ts';
import { SENDING, readFailure, unlessLost } from './failures.ts';

/** Backoff before an interrupted stream is resumed, in milliseconds: doubled up to the longest. */
const RESUME_MS = { first: 1_000, longest: 60_000 };

/** Retried for a day: the answer is paid for. */
const { deliver } = proxyActivities<DeliveryActivities>({
  startToCloseTimeout: '40s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: '24h',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
});

/**
 * One request of the relay for a task: stream Kimi's answer → call back, in any case: with the answer, or with the error.
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
    for (;;) {
      try {
        if (why !== undefined) await sleep(backoffMs(RESUME_MS, interruptions));
        const options = { summary: request.body.model };
        return await unlessLost(
          async (lost) => await complete.executeWithOptions(options, [request, interruptions, why, lost]),
        );
      } catch (error) {
        if (isCancellation(error))
          return relayFailure(request, { type: 'cancelled', message: 'the task was cancelled' });
        const failure = readFailure(error);
        if (!(error instanceof ActivityFailure) || !failure) throw error;
        why = interruptionOf(error);
        if (why === undefined)
          return relayFailure(request, { ...failure, message: withDuration(error, failure.message) });
        interruptions += 1;
        metrics.interrupted();
      }
    }
  }
}

/**
 * Retried for a day while nothing was sent, or while Kimi answers 429. After an interruption, or the loss of its worker, the
 * workflow schedules another attempt that resumes the answer.
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

/** @returns why an answer was interrupted; `undefined` if no answer had begun. */
function interruptionOf({ cause }: ActivityFailure): string | undefined {
  return cause instanceof ApplicationFailure && cause.type === FAILURE.interrupted ? cause.message : undefined;
}

/** Adds to the message of a request that was retried until its timeout for how long. */
function withDuration({ retryState }: ActivityFailure, message: string): string {
  if (retryState !== 'TIMEOUT') return message;
  return `${message}; the relay tried for ${RELAY_TRIES_MS / 3_600_000} h, and gave up`;
}
