/** Temporal's SDK with default settings, and one of the bare workflows of bench/floor-workflow.ts. */
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { dispatch, ENGINE_URL, save, serve, wake } from './job.js';

Runtime.install({ logger: new DefaultLogger('WARN') });
const taskQueue = 'floor';
const { workflow } = new Client({ connection: await Connection.connect({ address: ENGINE_URL }) });
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address: ENGINE_URL }),
  taskQueue,
  workflowBundle: { codePath: process.env.FLOOR_BUNDLE },
  activities: { dispatch, persist: save, wake, acknowledge: async () => {} },
});
worker.run().catch((error) => {
  console.error(error);
  process.exit(1);
});
await serve({
  start: async (workflowId) => await workflow.start(process.env.FLOOR_WORKFLOW, { workflowId, taskQueue }),
  accept: async (task_id, callback) => await workflow.getHandle(task_id).signal('go', callback),
});
