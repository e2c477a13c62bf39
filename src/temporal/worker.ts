import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MetricMeter, MetricTags } from '@temporalio/common';
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerInterceptors,
  type WorkerOptions,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import { authority, isLoopback } from '../service/http.ts';
import type { Config } from '../config/index.ts';
import { DIST } from '../service/files.ts';
import { ServiceError } from '../service/exit.ts';
import { createFront, portsWithoutPages } from '../stack/ui-proxy.ts';
import { BUCKETS } from '../shared/metrics.ts';
import { openPayloads } from './payloads/converter.ts';
import { listen } from '../service/ports.ts';
import { taskIdIn } from '../shared/task-id.ts';
import { traced } from '../service/tracing.ts';
import { committed, returnCommitted } from './group-commit.ts';
import { OwnThreadWorker } from './own-thread-worker.ts';
import { engineOptions, ensureSearchAttributes, unreachable } from './client.ts';

/**
 * The workflows as bundled by `npm run build`; bundling at every start would take 1–2 s. With encrypted payloads, workflows also put
 * error messages into payloads, which needs another bundle.
 */
const WORKFLOW_BUNDLE = { clear: join(DIST, 'workflows.cjs'), encrypted: join(DIST, 'workflows-encrypted.cjs') };

/**
 * How long a workflow task may wait for the worker that has the workflow in memory. A worker killed with kill -9 delays its tasks
 * by this much (10 s by default).
 */
const STICKY_SCHEDULE_TO_START_MS = 2_000;

/** How long activities may take to end after SIGTERM, in milliseconds: a little more than the limit of a dispatch request. */
const SHUTDOWN_GRACE_MS = 25_000;

/** The task queue of a worker, and its activities. */
type Work = Pick<
  WorkerOptions,
  'taskQueue' | 'maxConcurrentActivityTaskExecutions' | 'maxHeartbeatThrottleInterval'
> & {
  activities: object;
  /** False if the worker runs only activities. */
  workflows?: false;
};

let runtime: Promise<MetricMeter> | undefined;

/**
 * Starts the SDK's runtime, once per process, before its workers. With `KIMI_METRICS_PORT` it serves `/metrics`.
 *
 * @returns the meter for our own metrics.
 * @throws {ServiceError} if the port cannot be used.
 */
export async function startRuntime(config: Config, log: Logger): Promise<MetricMeter> {
  runtime ??= installRuntime(config, log);
  return await runtime;
}

async function installRuntime(
  { KIMI_METRICS_HOST: host, KIMI_METRICS_PORT: port }: Config,
  log: Logger,
): Promise<MetricMeter> {
  // The SDK's server answers any web page.
  const [behindFront] = port !== undefined && isLoopback(host) ? await portsWithoutPages(1) : [];
  const metrics = {
    attachServiceName: false,
    prometheus: {
      bindAddress: behindFront === undefined ? authority(host, Number(port)) : `127.0.0.1:${behindFront}`,
      // Names and units by Prometheus' conventions.
      countersTotalSuffix: true,
      unitSuffix: true,
      useSecondsForDurations: true,
      histogramBucketOverrides: BUCKETS,
    },
  };
  try {
    Runtime.install({
      // The service itself stops its workers, in its own order.
      shutdownSignals: [],
      logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
        log[level === 'WARN' ? 'warn' : level === 'ERROR' ? 'error' : 'debug'](meta ?? {}, message);
      }),
      telemetryOptions: {
        logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } },
        ...(port !== undefined && { metrics }),
      },
    });
  } catch (error) {
    if (port === undefined || !(error as Error).message.includes('metrics exporter: ')) throw error;
    throw new ServiceError('metrics_port', { port, host }, { cause: error });
  }
  if (port !== undefined && behindFront !== undefined) {
    const front = createFront(() => behindFront, host);
    await listen(front, { host, port }, 'KIMI_METRICS_PORT');
    front.unref();
  }
  const { logger, metricMeter } = Runtime.instance();
  // Its collector sorts every entry with those of the SDK's native part, for 100 ms, and none of these is logged.
  Object.assign(logger, { trace: nothing, debug: nothing } satisfies Partial<typeof logger>);
  return metricMeter;
}

function nothing(): void {}

/** The labels that the SDK adds to metrics of a workflow. */
export function workflowLabels({ options: { namespace, taskQueue } }: Worker, workflowType: string): MetricTags {
  return { namespace, taskQueue, workflowType };
}

/** The activity that does nothing before the engine has confirmed its first heartbeat (activities/held-work.ts), which is after a sync. */
const CONFIRMED_FIRST = 'dispatch';

/**
 * Each activity of a task is a span of its trace. It runs when what the engine decided before is on the disk. A local one does not wait: what it
 * does is repeated if its workflow task is.
 */
const AROUND_ACTIVITIES: WorkerInterceptors = {
  activity: [
    ({ info: { activityId, activityType, isLocal, workflowExecution } }) => ({
      inbound: {
        execute: async (input, next) => {
          if (!isLocal && activityType !== CONFIRMED_FIRST) await committed();
          const task_id = taskIdIn(workflowExecution?.workflowId ?? activityId);
          return await traced(task_id, activityType, async () => await next(input));
        },
      },
    }),
  ],
};

/** Connects a worker. The caller runs it. */
export async function createWorker(config: Config, work: Work): Promise<Worker> {
  return (await createWorkers(config, [work])).first;
}

/** The workers of a process. */
class WorkerGroup {
  constructor(private readonly workers: Worker[]) {}

  get first(): Worker {
    return this.workers[0] as Worker;
  }

  isRunning(): boolean {
    return this.workers.every((worker) => worker.getState() === 'RUNNING');
  }

  /** Runs them until they are shut down. */
  async run(): Promise<void> {
    await Promise.all(this.workers.map(async (worker) => await worker.run()));
  }

  shutdown(): void {
    for (const worker of this.workers) worker.shutdown();
  }
}

/** Connects the workers of a process, over one connection. The caller runs them. */
export async function createWorkers(config: Config, works: [Work, ...Work[]]): Promise<WorkerGroup> {
  const codePath = WORKFLOW_BUNDLE[config.KIMI_PAYLOAD_KEYS.size > 0 ? 'encrypted' : 'clear'];
  if (!existsSync(codePath)) throw new ServiceError('code_missing', { file: codePath });
  const { connectionOptions, namespace } = engineOptions();
  let connection: NativeConnection;
  try {
    connection = await NativeConnection.connect(connectionOptions);
  } catch (error) {
    throw await unreachable(connectionOptions, error);
  }
  returnCommitted(connection);
  await ensureSearchAttributes(connection, namespace);
  const { dataConverter } = openPayloads(config);
  const WorkerOfThread = config.KIMI_WORKFLOW_THREAD === 'own' ? OwnThreadWorker : Worker;
  const workers = await Promise.all(
    works.map(
      async ({ workflows = true, ...work }) =>
        await WorkerOfThread.create({
          connection,
          namespace,
          ...(workflows && { workflowBundle: { codePath } }),
          dataConverter,
          interceptors: AROUND_ACTIVITIES,
          stickyQueueScheduleToStartTimeout: STICKY_SCHEDULE_TO_START_MS,
          shutdownGraceTime: SHUTDOWN_GRACE_MS,
          // The workflow of a waiting task takes some 0.3 MB of memory. Beyond this many, the oldest is replayed when needed.
          maxCachedWorkflows: 1_000,
          ...work,
        }),
    ),
  );
  return new WorkerGroup(workers);
}
