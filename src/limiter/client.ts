import type { Client } from '@temporalio/client';
import { limitsOf, type Config } from '../config/index.ts';
import type { BudgetView } from '../shared/budget.ts';
import type { LimiterView, Limits, ReleaseReport, SentReport, Throttled } from '../shared/limits.ts';
import {
  LIMITER_QUERY,
  LIMITER_SIGNALS,
  LIMITER_WORKFLOW,
  SEARCH_ATTRIBUTES,
  SET_LIMITS_UPDATE,
  isSharedLimiter,
  limiterId,
  sharedLimiterId,
} from '../shared/names.ts';
import { STATES_IN_FLIGHT, type Lang } from '../shared/task.ts';
import { BATCH_MEMO, requestsOn, stateIn } from '../temporal/task-list.ts';
import { unlessUnknown, workersOn } from '../temporal/client.ts';
import { textFor } from '../text/index.ts';
import { setTimeout as pause } from 'node:timers/promises';
import type { MetricMeter } from '@temporalio/common';
import type { Logger } from 'pino';
import { limiterMetrics } from '../shared/metrics.ts';

/** How a limiter is started. */
export interface LimiterStart {
  /** Workflow id. */
  id: string;
  /** Task queue of the agent. */
  taskQueue: string;
  /** From the environment. */
  limits: Limits;
  lang: Lang;
}

/** @returns whether tasks need a limiter. */
export function isLimited({ per_minute, concurrent, budget }: Limits): boolean {
  return per_minute > 0 || concurrent > 0 || budget !== undefined;
}

/** @returns the workflow id of an agent's limiter: its own, or a shared one (`KIMI_LIMITER`). */
export function limiterIdOf({ KIMI_LIMITER: shared, KIMI_TASK_QUEUE: taskQueue }: Config): string {
  return shared === undefined ? limiterId(taskQueue) : sharedLimiterId(shared);
}

export function limiterOf(config: Config): LimiterStart {
  const { KIMI_TASK_QUEUE: taskQueue, KIMI_LANG: lang } = config;
  return { id: limiterIdOf(config), taskQueue, limits: limitsOf(config), lang };
}

/** Starts a limiter, or configures the running one. */
export async function startLimiter(client: Client, { id, taskQueue, limits, lang }: LimiterStart): Promise<void> {
  const isShared = isSharedLimiter(id);
  const signalArgs: [Limits, agent?: string] = isShared ? [limits, taskQueue] : [limits];
  await client.workflow.signalWithStart(LIMITER_WORKFLOW, {
    workflowId: id,
    taskQueue: isShared ? id : taskQueue,
    args: [{ limits, lang, ...(isShared && { shared: true }) }],
    signal: LIMITER_SIGNALS.configure,
    signalArgs,
    // The delay after a worker is killed amid a workflow task (10 s by default).
    workflowTaskTimeout: '3s',
    staticSummary: textFor(lang).limiter.summary,
  });
}

/**
 * Applies the environment's limits. Without limits no limiter is started, and a shared one keeps the limits of the other
 * agents.
 */
export async function configureLimiter(client: Client, start: LimiterStart): Promise<void> {
  if (isLimited(start.limits)) {
    await startLimiter(client, start);
    return;
  }
  if (isSharedLimiter(start.id)) return;
  const running = client.workflow.getHandle(start.id);
  await unlessUnknown(running.signal<[Limits]>(LIMITER_SIGNALS.configure, start.limits));
}

/** How often the clock is compared with its latest reading, in milliseconds. */
const CLOCK_MS = 30_000;

/**
 * Configures the limiter now, and again while the clock is behind its latest reading: the engine may delay the limiter's timers
 * then.
 */
export async function keepLimiterConfigured(client: Client, start: LimiterStart, log: Logger): Promise<void> {
  await configureLimiter(client, start);
  let latest = Date.now();
  setInterval(() => {
    if (Date.now() >= latest) latest = Date.now();
    else
      void configureLimiter(client, start).catch((error: unknown) =>
        log.warn({ err: error }, 'the limiter could not be reached; retrying'),
      );
  }, CLOCK_MS).unref();
}

/** @returns `undefined` if no limiter runs. */
export async function limiterView(client: Client, id: string): Promise<LimiterView | undefined> {
  return await unlessUnknown(client.workflow.getHandle(id).query<LimiterView>(LIMITER_QUERY));
}

/** Changes limits of a running limiter. @returns `undefined` if none runs. */
export async function setLimits(client: Client, id: string, limits: Partial<Limits>): Promise<LimiterView | undefined> {
  const handle = client.workflow.getHandle(id);
  return await unlessUnknown(
    handle.executeUpdate<LimiterView, [Partial<Limits>]>(SET_LIMITS_UPDATE, { args: [limits] }),
  );
}

/** Reports a 429 to the limiter, if one runs: it admits nothing for a while. */
export async function reportThrottled(client: Client, id: string, throttled: Throttled): Promise<void> {
  await unlessUnknown(client.workflow.getHandle(id).signal<[Throttled]>(LIMITER_SIGNALS.throttled, throttled));
}

/** Reports that a task's request is no longer on its way, if a limiter runs. */
export async function reportSent(client: Client, id: string, report: SentReport): Promise<void> {
  await unlessUnknown(client.workflow.getHandle(id).signal<[SentReport]>(LIMITER_SIGNALS.sent, report));
}

/** Releases a task's slot, if a limiter runs. */
export async function release(client: Client, id: string, report: ReleaseReport): Promise<void> {
  await unlessUnknown(client.workflow.getHandle(id).signal<[ReleaseReport]>(LIMITER_SIGNALS.release, report));
}

/** @returns those of the tasks that are closed or have their outcome. */
export async function endedTasks(client: Client, task_ids: string[]): Promise<string[]> {
  const looked = await Promise.all(
    task_ids.map(async (task_id) => {
      const task = await unlessUnknown(client.workflow.getHandle(task_id).describe());
      const state = task?.typedSearchAttributes.get(SEARCH_ATTRIBUTES.status) ?? '';
      return task?.status.name === 'RUNNING' && IN_FLIGHT.has(state) ? [] : [task_id];
    }),
  );
  return looked.flat();
}

const IN_FLIGHT = new Set<string>(STATES_IN_FLIGHT);

/** @returns the tasks of a task queue that Kimi works on, without batches, which have no slot. */
export async function tasksInFlight(client: Client, taskQueue: string): Promise<string[]> {
  const query = `${requestsOn(taskQueue)} AND ExecutionStatus = "Running" AND ${stateIn(['dispatched'])}`;
  const found: string[] = [];
  for await (const { workflowId, memo } of client.workflow.list({ query })) {
    if (!memo?.[BATCH_MEMO]) found.push(workflowId);
  }
  return found;
}

/** @returns those task queues that no worker polls. */
export async function missingAgents(client: Client, taskQueues: string[]): Promise<string[]> {
  const looked = await Promise.all(
    taskQueues.map(async (name) => ((await workersOn(client, name)) === 0 ? [name] : [])),
  );
  return looked.flat();
}

/** Before the first task the currency is not known, and nothing is spent. */
function showBudget(
  { money, overBudget }: ReturnType<typeof limiterMetrics>,
  { currency, spent, reserved, per_day, paused }: BudgetView,
): void {
  overBudget.set(paused.length);
  if (currency === undefined) return;
  money.set(spent, { of: 'spent', currency });
  money.set(reserved, { of: 'reserved', currency });
  if (per_day !== undefined) money.set(per_day, { of: 'per_day', currency });
}

/** Query interval in milliseconds: the default scrape interval of the compose file's Prometheus. */
const QUERY_MS = 15_000;

/**
 * Queries the limiter for its gauges, for as long as the process lives. Without a limiter there are no gauges. Every worker
 * reports the same values: dashboards take the maximum.
 *
 * @param id workflow id of the limiter
 */
export async function watchLimiter(client: Client, id: string, meter: MetricMeter, log: Logger): Promise<never> {
  let gauges: ReturnType<typeof limiterMetrics> | undefined;
  for (;;) {
    try {
      const view = await limiterView(client, id);
      if (view) {
        gauges ??= limiterMetrics(meter);
        const { limits, queue, in_flight, used_per_minute, paused_until, budget } = view;
        if (budget) showBudget(gauges, budget);
        gauges.queued.set(queue.length);
        gauges.inFlight.set(in_flight.length);
        gauges.used.set(used_per_minute);
        gauges.paused.set(paused_until === undefined ? 0 : 1);
        for (const of of ['per_minute', 'concurrent', 'queued'] as const) {
          gauges.limit.set(limits[of], { of });
        }
      }
    } catch (error) {
      log.debug({ err: error }, 'the limiter could not be queried for its metrics');
    }
    await pause(QUERY_MS, undefined, { ref: false });
  }
}
