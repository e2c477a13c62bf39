import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { PRIVATE_FILE, PRIVATE_FOLDER } from './file.ts';
import { TaskFolder } from './task-folder.ts';

/** How long a removed task is remembered, in milliseconds. The engine was seen to list one for most of a minute. */
const KEEP_MS = 24 * 3_600_000;

/** The removed tasks, each with an empty file: the engine deletes a task later than it says so. */
export class RemovedTasks extends TaskFolder {
  /** Adds tasks, and forgets the old ones. */
  async note(...task_ids: string[]): Promise<void> {
    await mkdir(this.folder, PRIVATE_FOLDER);
    for (const task_id of task_ids) await writeFile(this.pathOf(task_id), '', PRIVATE_FILE);
    for (const known of await this.taskIds()) {
      const path = this.pathOf(known);
      const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? {};
      if (mtimeMs !== undefined && mtimeMs < Date.now() - KEEP_MS) await rm(path, { force: true });
    }
  }

  async ids(): Promise<Set<string>> {
    return new Set(await this.taskIds());
  }
}
