import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import { pino, type Logger } from 'pino';
import { workerMetrics } from '../shared/metrics.ts';
import { callbackActivities, type CallbackDependencies } from './callbacks.ts';
import { dispatchActivities, type DispatchDependencies } from './dispatch.ts';
import { eventActivities, type EventDependencies } from './events.ts';
import { limiterActivities, type LimiterDependencies } from './limiter.ts';
import { mapActivities, type MapDependencies } from './maps.ts';
import { relayActivities } from './relay.ts';
import { resultActivities, type ResultDependencies } from './results.ts';
import { rowBudgetActivities, type RowBudgetDependencies } from './row-budgets.ts';
import { scheduleActivities, type ScheduleDependencies } from './schedules.ts';
import { wakeActivities, type WakeDependencies } from './wake.ts';

type Dependencies = DispatchDependencies &
  ResultDependencies &
  WakeDependencies &
  CallbackDependencies &
  EventDependencies &
  ScheduleDependencies &
  LimiterDependencies &
  RowBudgetDependencies &
  MapDependencies;

export interface ActivityDependencies extends Omit<Dependencies, 'metrics' | 'log'> {
  /** Nothing is measured or logged if these are absent. */
  meter?: MetricMeter;
  log?: Logger;
}

/** Activities of the task workflow and of the limiter. Each is idempotent. */
export function createActivities({
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
    ...eventActivities(dependencies),
    ...limiterActivities(dependencies),
    ...scheduleActivities(dependencies),
    ...relayActivities(),
    ...mapActivities(dependencies),
    ...rowBudgetActivities(dependencies),
  };
}

/** The activities as workflows see them. */
export type Activities = ReturnType<typeof createActivities>;
