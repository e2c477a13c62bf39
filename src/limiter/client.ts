import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { limitsOf, type Config } from '../config/index.ts';
import type { LimiterView, Limits, ReleaseReport, Throttled } from '../shared/limits.ts';
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
import { stateIn, tasksOn } from '../temporal/task-list.ts';
import { workersOn } from '../temporal/client.ts';
import { textFor } from '../text/index.ts';
import { setTimeout as pause } from 'node:timers/promises';
import type { MetricMeter } from '@temporalio/common';
import type { Logger } from 'pino';
import { limiterMetrics } from '../shared/metrics.ts';

/** What a limiter is started with. */
export interface LimiterStart {
  /** Its workflow id: the agent's own, or one that it shares. */
  id: string;
  /** The agent's. */
  taskQueue: string;
  /** What the environment says. */
  limits: Limits;
  lang: Lang;
}

/** @returns whether anything is limited: where nothing is, no task asks. */
export function isLimited({ per_minute, concurrent }: Limits): boolean {
  return per_minute > 0 || concurrent > 0;
}

/** @returns the workflow id of the limiter that an agent has by its configuration: its own, unless it shares one. */
export function limiterIdOf({ KIMI_LIMITER: shared, KIMI_TASK_QUEUE: taskQueue }: Config): string {
  return shared === undefined ? limiterId(taskQueue) : sharedLimiterId(shared);
}

/** @returns the limiter that an agent has by its configuration. */
export function limiterOf(config: Config): LimiterStart {
  const { KIMI_TASK_QUEUE: taskQueue, KIMI_LANG: lang } = config;
  return { id: limiterIdOf(config), taskQueue, limits: limitsOf(config), lang };
}

/** Starts a limiter, or tells the one that runs what the environment says. */
export async function startLimiter(client: Client, { id, taskQueue, limits, lang }: LimiterStart): Promise<void> {
  const isShared = isSharedLimiter(id);
  const said: [Limits, agent?: string] = isShared ? [limits, taskQueue] : [limits];
  await client.workflow.signalWithStart(LIMITER_WORKFLOW, {
    workflowId: id,
    taskQueue: isShared ? id : taskQueue,
    args: [{ limits, lang, ...(isShared && { shared: true }) }],
    signal: LIMITER_SIGNALS.configure,
    signalArgs: said,
    // How long it waits for a worker that was killed while it worked on it (10 s by default).
    workflowTaskTimeout: '3s',
    staticSummary: textFor(lang).limiter.summary,
  });
}

/**
 * Tells the limiter what the environment says now. Where nothing is limited, none is started; and an agent that has no limits
 * does not take away those that others share.
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

/** @returns what the limiter says, or `undefined` where there is none. */
export async function limiterView(client: Client, id: string): Promise<LimiterView | undefined> {
  return await unlessUnknown(client.workflow.getHandle(id).query<LimiterView>(LIMITER_QUERY));
}

/** Changes limits while it runs. @returns what the limiter says then, or `undefined` where there is none. */
export async function setLimits(client: Client, id: string, limits: Partial<Limits>): Promise<LimiterView | undefined> {
  const handle = client.workflow.getHandle(id);
  return await unlessUnknown(
    handle.executeUpdate<LimiterView, [Partial<Limits>]>(SET_LIMITS_UPDATE, { args: [limits] }),
  );
}

/** Tells the limiter, where there is one, that Kimi was too busy for a request: nobody else is sent for a while. */
export async function reportThrottled(client: Client, id: string, throttled: Throttled): Promise<void> {
  await unlessUnknown(client.workflow.getHandle(id).signal<[Throttled]>(LIMITER_SIGNALS.throttled, throttled));
}

/** Gives a task's place back to the limiter, where there is one. */
export async function release(client: Client, id: string, report: ReleaseReport): Promise<void> {
  await unlessUnknown(client.workflow.getHandle(id).signal<[ReleaseReport]>(LIMITER_SIGNALS.release, report));
}

/** @returns those of the tasks that are closed, in whatever way, or have their outcome. */
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

/** @returns the tasks of a queue that Kimi is working on. */
export async function tasksInFlight(client: Client, taskQueue: string): Promise<string[]> {
  const query = `${tasksOn(taskQueue)} AND ExecutionStatus = "Running" AND ${stateIn(['dispatched'])}`;
  const found: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query })) found.push(workflowId);
  return found;
}

/** @returns those task queues for which no worker has asked for a while. */
export async function missingAgents(client: Client, taskQueues: string[]): Promise<string[]> {
  const looked = await Promise.all(
    taskQueues.map(async (name) => ((await workersOn(client, name)) === 0 ? [name] : [])),
  );
  return looked.flat();
}

async function unlessUnknown<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** How often the limiter is asked, in milliseconds: as often as Prometheus comes by where nothing else is said. */
const ASK_MS = 15_000;

/**
 * Asks the limiter, for as long as the process lives, how many tasks wait and what is used. Where there is no limiter nothing
 * is said of one. Every worker says the same: dashboards take the greatest.
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
        const { limits, queue, in_flight, used_per_minute, paused_until } = view;
        gauges.queued.set(queue.length);
        gauges.inFlight.set(in_flight.length);
        gauges.used.set(used_per_minute);
        gauges.paused.set(paused_until === undefined ? 0 : 1);
        for (const of of ['per_minute', 'concurrent', 'queued'] satisfies (keyof Limits)[]) {
          gauges.limit.set(limits[of], { of });
        }
      }
    } catch (error) {
      log.debug({ err: error }, 'the limiter could not be asked how it stands');
    }
    await pause(ASK_MS, undefined, { ref: false });
  }
}
