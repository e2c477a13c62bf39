/** DBOS: a workflow whose steps are rows in PostgreSQL; a callback is a row too, and the workflow waits for it. */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { dispatch, ENGINE_URL, save, serve, wake } from './job.js';

const DAY_S = 86_400;
const RETRIED = { retriesAllowed: true, maxAttempts: 100, intervalSeconds: 1 };

const task = DBOS.registerWorkflow(
  async (task_id) => {
    await DBOS.runStep(async () => await dispatch(task_id), { name: 'dispatch', ...RETRIED });
    const callback = await DBOS.recv('callback', DAY_S);
    await DBOS.runStep(async () => await save(task_id, callback), { name: 'save', ...RETRIED });
    await DBOS.runStep(async () => await wake(task_id), { name: 'wake', ...RETRIED });
  },
  { name: 'task' },
);

DBOS.setConfig({ name: 'bench', systemDatabaseUrl: ENGINE_URL, logLevel: 'error' });
// Recovers the workflows of a killed process.
await DBOS.launch();
await serve({
  start: async (task_id) => await DBOS.startWorkflow(task, { workflowID: task_id })(task_id),
  // The idempotency key is the id of Kimi's answer.
  accept: async (task_id, callback) => await DBOS.send(task_id, callback, 'callback', callback.id),
});
