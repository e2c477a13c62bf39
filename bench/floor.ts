/** The cost of the engine alone: the minimal workflow of floor-workflow.ts, on its own worker and task queue. */
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { GO_SIGNAL, type FloorActivities, type least } from './floor-workflow.ts';
import { Moments } from './moments.ts';

const TASK_QUEUE = 'bench-floor';

/** One run of the workflow: milliseconds. */
export interface FloorRound {
  /** Signal sent → the activity that saves runs. */
  persist: number;
  /** The activity that saves runs → the one that wakes runs. */
  wake: number;
  /** Signal sent → the client that awaits the workflow has its result. */
  closed: number;
}

export interface Floor {
  round(settleMs: number): Promise<FloorRound>;
  stop(): Promise<void>;
}

/** Bundles the bare workflows. */
export async function bundleFloor(): Promise<{ code: string }> {
  const workflowsPath = fileURLToPath(new URL('floor-workflow.ts', import.meta.url));
  return await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
}

/**
 * Starts a worker for the workflow in this process: nothing else runs during a round, and its activities use the clock
 * of the sender of the signal.
 */
export async function startFloor(client: Client, address: string, namespace: string): Promise<Floor> {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('WARN'),
    telemetryOptions: { logging: { forward: {}, filter: { core: 'WARN', other: 'ERROR' } } },
  });
  const moments = new Moments();
  const noteAs = (step: keyof FloorActivities) => async (workflowId: string) =>
    moments.note(`${step} of ${workflowId}`);
  const activities: FloorActivities = {
    dispatch: noteAs('dispatch'),
    persist: noteAs('persist'),
    wake: noteAs('wake'),
    acknowledge: noteAs('acknowledge'),
  };
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: TASK_QUEUE,
    workflowBundle: await bundleFloor(),
    activities,
  });
  const running = worker.run();
  // Awaited by stop(): an error before that must not skip the clean-up.
  running.catch(() => {});

  return {
    async round(settleMs) {
      const workflowId = `floor-${crypto.randomUUID()}`;
      const handle = await client.workflow.start<typeof least>('least', { workflowId, taskQueue: TASK_QUEUE });
      await moments.of(`dispatch of ${workflowId}`);
      const closing = handle.result().then(() => performance.now());
      await pause(settleMs);
      const sent = performance.now();
      await handle.signal(GO_SIGNAL);
      const persist = await moments.of(`persist of ${workflowId}`);
      const wake = await moments.of(`wake of ${workflowId}`);
      return { persist: persist - sent, wake: wake - persist, closed: (await closing) - sent };
    },
    async stop() {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}
