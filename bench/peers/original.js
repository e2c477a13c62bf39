/** The original's design: an Express handler that writes files, and remembers nothing else. */
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
    // Not waited for: a gateway that is down loses the wake, as the original did.
    wake(task_id).catch(() => {});
  },
});
