import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import { HeldWork } from '../activities/held-work.ts';
import type { Callback } from '../shared/callback.ts';
import { streamMetrics } from '../shared/metrics.ts';
import type { RelayRequest } from '../shared/relay.ts';
import type { LostAttempt } from '../shared/task.ts';
import { answered, failed, nextStep, requestsIn, type Attempt, type OnInterrupt } from './attempts.ts';
import { TaskReports } from './reports.ts';
import { StreamedRequest, interruption, type RequestDependencies } from './request.ts';

export interface StreamDependencies extends Omit<RequestDependencies, 'reports' | 'metrics'> {
  onInterrupt: OnInterrupt;
  /** Nothing is measured if it is absent. */
  meter?: MetricMeter;
}

/** Activities that stream answers from Kimi. */
export function createStreamActivities({ onInterrupt, meter = noopMetricMeter, ...others }: StreamDependencies) {
  const { received, log } = others;
  const dependencies = { ...others, reports: new TaskReports(log), metrics: streamMetrics(meter) };
  const streams = new HeldWork<Callback>();

  /** @returns the callback if the lost attempt recorded a whole answer; `undefined` if its request was not sent. */
  async function recover(request: RelayRequest, interruptions: number): Promise<Callback | undefined> {
    const recorded = await received.read(request.task_id, interruptions + 1);
    const last = recorded.at(-1);
    if (last?.answer.done) return answered(request, recorded);
    if (last?.sent ?? true) throw interruption('interrupted', 'the relay that was receiving the answer was lost');
    return undefined;
  }

  return {
    /**
     * Sends the request to Kimi and receives the answer as it streams in. Fails as `Interrupted` if the stream is
     * interrupted.
     *
     * @param interruptions how often that has happened to this request
     * @param why the cause of the last interruption
     * @param lost the previous attempt, whose heartbeats timed out
     * @returns the callback: the answer, or the reason why there is none
     */
    async complete(request: RelayRequest, interruptions: number, why?: string, lost?: LostAttempt): Promise<Callback> {
      const { task_id } = request;
      const key = `${task_id}.${interruptions}`;
      const joined = lost && streams.join(key, lost);
      if (joined) return await joined;
      const recovered = lost && (await recover(request, interruptions));
      if (recovered) return recovered;

      const before = await received.read(task_id, interruptions);
      const step = nextStep(request.body, before, onInterrupt);
      if (step.do === 'finish') return answered(request, before);
      if (step.do === 'give up') return givenUp(request, before, why);
      const streamed = new StreamedRequest(dependencies, request, before, step);
      return await streams.begin(
        key,
        async (signal, beat) => await streamed.run(signal, beat),
        () => streamed.progress,
      );
    },
  };
}

export type StreamActivities = ReturnType<typeof createStreamActivities>;

function givenUp(
  request: RelayRequest,
  attempts: readonly (Attempt | undefined)[],
  why = 'the relay was lost',
): Callback {
  const requests = requestsIn(attempts);
  const end =
    requests > 1
      ? `Kimi was asked ${requests} times, and is not asked again`
      : 'it was not asked again, since it could be paid for twice (KIMI_ON_INTERRUPT)';
  const message = `${why}; ${end}`;
  return failed(request, { type: 'interrupted', message }, attempts);
}
