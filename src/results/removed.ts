import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessAbsent } from '../service/files.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER, checkedId } from './file.ts';

/** How long a removed task is remembered, in milliseconds. The engine was seen to list one for most of a minute. */
const KEEP_MS = 24 * 3_600_000;

/** A folder with an empty file for each removed task: the engine deletes it later than it says so. */
export class RemovedTasks {
  constructor(private readonly folder: string) {}

  /** Forgets the old ones, too. */
  async add(...task_ids: string[]): Promise<void> {
    await mkdir(this.folder, PRIVATE_FOLDER);
    for (const task_id of task_ids) await writeFile(join(this.folder, checkedId(task_id)), '', PRIVATE_FILE);
    for (const known of await this.ids()) {
      const path = join(this.folder, known);
      const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? {};
      if (mtimeMs !== undefined && mtimeMs < Date.now() - KEEP_MS) await rm(path, { force: true });
    }
  }

  async ids(): Promise<Set<string>> {
    const names = (await readdir(this.folder).catch(unlessAbsent)) ?? [];
    return new Set(names.filter((name) => TASK_ID.test(name)));
  }
}
