import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import { pino, type Logger } from 'pino';
import type { LimiterStart } from '../limiter/client.ts';
import { workerMetrics } from '../shared/metrics.ts';
import { callbackActivities, type CallbackDependencies } from './callbacks.ts';
import { dispatchActivities, type DispatchDependencies } from './dispatch.ts';
import { limiterActivities } from './limiter.ts';
import { mapActivities, type MapDependencies } from './maps.ts';
import { relayActivities } from './relay.ts';
import { resultActivities, type ResultDependencies } from './results.ts';
import { scheduleActivities, type ScheduleDependencies } from './schedules.ts';
import { wakeActivities, type WakeDependencies } from './wake.ts';

type Dependencies = DispatchDependencies &
  ResultDependencies &
  WakeDependencies &
  CallbackDependencies &
  ScheduleDependencies &
  MapDependencies;

export interface ActivityDependencies extends Omit<Dependencies, 'metrics' | 'log'> {
  /** How the limiter is started if a task does not find it. */
  limiter: LimiterStart;
  /** Nothing is measured or logged if these are absent. */
  meter?: MetricMeter;
  log?: Logger;
}

/** Activities of the task workflow and of the limiter. Each is idempotent. */
export function createActivities({
  limiter,
  meter = noopMetricMeter,
  log = pino({ level: 'silent' }),
  ...others
}: ActivityDependencies) {
  const dependencies = { ...others, metrics: workerMetrics(meter), log };
  return {
    ...dispatchActivities(dependencies),
    ...resultActivities(dependencies),
    ...wakeActivities(dependencies),
    ...callbackActivities(dependencies),
    ...limiterActivities(limiter),
    ...scheduleActivities(dependencies),
    ...relayActivities(),
    ...mapActivities(dependencies),
  };
}

/** The activities as workflows see them. */
export type Activities = ReturnType<typeof createActivities>;
