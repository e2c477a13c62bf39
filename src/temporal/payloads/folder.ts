import { existsSync } from 'node:fs';
import { access, constants, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { ServiceError } from '../../service/errors.ts';
import { syncFolder } from '../../service/sync-folder.ts';
import type { PayloadPlace } from './storage.ts';

/** Payloads in a folder, for this user alone: one folder a day, one file a payload. */
export class PayloadFolder implements PayloadPlace {
  readonly label: string;

  constructor(readonly path: string) {
    this.label = `folder ${path}`;
  }

  async prepare(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await access(this.path, constants.W_OK);
    } catch (error) {
      throw new ServiceError(
        `cannot write to the payload folder: ${(error as Error).message}; choose another with KIMI_PAYLOAD_DIR`,
      );
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.path, name);
    const day = dirname(file);
    const made = await mkdir(day, { recursive: true, mode: 0o700 });
    await writeFileAtomic(file, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { mode: 0o600 });
    // A rename, and a new folder, survive a power cut only once the folder they are in is synced.
    for (const folder of made === undefined ? [day] : [day, this.path, dirname(made)]) await syncFolder(folder);
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.path, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Removes what was stored on days before this one, and what killed processes left half-written then.
   *
   * @returns the days that were removed.
   */
  async removeBefore(day: string): Promise<string[]> {
    const names = existsSync(this.path) ? await readdir(this.path) : [];
    const days = names.filter((name) => /^\d{4}-\d\d-\d\d$/.test(name) && name < day);
    for (const name of days) await rm(join(this.path, name), { recursive: true, force: true });
    return days;
  }
}
