/** The original design: an Express handler that writes files and has no other state. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dispatch, resultOf, serve, wake } from './job.js';

const folder = process.env.KIMI_RESULTS_DIR;
const pending = (task_id) => join(folder, `pending-${task_id}.json`);

await serve({
  async start(task_id) {
    await dispatch(task_id);
    const created_at = new Date().toISOString();
    await writeFile(pending(task_id), JSON.stringify({ task_id, status: 'dispatched', created_at }));
  },
  async accept(task_id, callback) {
    const result = resultOf(task_id, callback);
    await writeFile(join(folder, `${task_id}.json`), result);
    await writeFile(join(folder, 'latest.json'), result);
    await rm(pending(task_id), { force: true });
    // Not awaited: if the gateway is down the wake is lost, as in the original.
    wake(task_id).catch(() => {});
  },
});
