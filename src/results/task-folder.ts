import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, unlessAbsent } from '../service/files.ts';
import { TASK_ID } from '../shared/task-id.ts';
import type { Batch } from './atomic-writer.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER, checkedId } from './file.ts';

/** A folder with one file per task of some kind, so that these are found without reading all results. */
export class TaskFolder {
  constructor(protected readonly folder: string) {}

  get exists(): boolean {
    return existsSync(this.folder);
  }

  add(task_id: string, batch: Batch): void {
    mkdirSync(this.folder, PRIVATE_FOLDER);
    touch(join(this.folder, task_id));
    batch.noteChange(this.folder);
  }

  remove(task_id: string): void {
    rmSync(this.pathOf(task_id), { force: true });
  }

  async taskIds(): Promise<string[]> {
    const names = (await readdir(this.folder).catch(unlessAbsent)) ?? [];
    return names.filter((name) => TASK_ID.test(name));
  }

  /** Makes the folder with these tasks in it, or not at all. */
  async create(task_ids: string[]): Promise<void> {
    const temporary = `${this.folder}.new`;
    mkdirSync(temporary, PRIVATE_FOLDER);
    for (const task_id of task_ids) touch(join(temporary, task_id));
    await syncFolder(temporary);
    renameSync(temporary, this.folder);
  }

  protected pathOf(task_id: string): string {
    return join(this.folder, checkedId(task_id));
  }
}

/** Creates a file; an existing one keeps its content. */
function touch(path: string): void {
  closeSync(openSync(path, 'a', PRIVATE_FILE.mode));
}
