import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import type { Activities } from './activities/index.ts';
import type { Config } from './config.ts';
import { DIST } from './paths.ts';
import { ServiceError } from './errors.ts';
import { openPayloads } from './payloads/converter.ts';
import { engineOptions, EngineUnreachable, ensureSearchAttributes } from './temporal.ts';

/**
 * The workflows as `npm run build` bundled them; bundling at every start would cost 1–2 s. Where payloads are encrypted,
 * workflows put error messages into payloads too, which only another bundle can tell them.
 */
const WORKFLOW_BUNDLE = { clear: join(DIST, 'workflows.cjs'), encrypted: join(DIST, 'workflows-encrypted.cjs') };

/**
 * How long a workflow task may lie on the queue of the worker that has the workflow in memory. A worker killed with
 * kill -9 holds its tasks up for this long (10 s by default).
 */
const STICKY_SCHEDULE_TO_START_MS = 2_000;

/** How long activities may take to end after SIGTERM: the dispatch call's own limit, and a little more. */
const SHUTDOWN_GRACE_MS = 25_000;

/** Connects a worker for tasks and their limiter. The caller runs it. */
export async function createTaskWorker(config: Config, log: Logger, activities: Activities): Promise<Worker> {
  const codePath = WORKFLOW_BUNDLE[config.KIMI_PAYLOAD_KEYS.size > 0 ? 'encrypted' : 'clear'];
  if (!existsSync(codePath)) throw new ServiceError(`${codePath} is missing: run npm run build`);
  Runtime.install({
    // The service stops the worker, so that it can do so in its own order.
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      log[level === 'WARN' ? 'warn' : level === 'ERROR' ? 'error' : 'debug'](meta ?? {}, message);
    }),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
  });

  const { connectionOptions, namespace } = engineOptions();
  let connection: NativeConnection;
  try {
    connection = await NativeConnection.connect(connectionOptions);
  } catch (error) {
    throw new EngineUnreachable(connectionOptions.address ?? 'localhost:7233', { cause: error });
  }
  await ensureSearchAttributes(connection, namespace);
  return await Worker.create({
    connection,
    namespace,
    taskQueue: config.KIMI_TASK_QUEUE,
    workflowBundle: { codePath },
    dataConverter: openPayloads(config).dataConverter,
    activities,
    stickyQueueScheduleToStartTimeout: STICKY_SCHEDULE_TO_START_MS,
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    // A task waiting for its callback holds its workflow in memory; beyond this many, the oldest is replayed when needed.
    maxCachedWorkflows: 500,
  });
}
