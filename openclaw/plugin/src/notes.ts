import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Age at which notes are removed: wakes are retried for seven days at most (the `wake` activity). Milliseconds. */
const KEEP_MS = 30 * 24 * 3600 * 1000;

/** How much of a notification a chat has received. */
export interface Shown {
  /** Parts that the channel has accepted. */
  parts: number;
  /** Whether the gateway ended while it sent one more part, whose outcome is unknown. */
  isUncertain: boolean;
}

/**
 * Records on disk what was delivered, by the key of the notification, so that a gateway that was killed neither repeats nor omits
 * a part. One small file each: `2` or, while the third part is being sent, `2?`; written to a temporary file, synced and renamed.
 */
export class Notes {
  private readonly folder: string;

  constructor(stateDir: string) {
    this.folder = join(stateDir, 'kimi-dispatch', 'shown');
  }

  async read(key: string): Promise<Shown> {
    const note = await readFile(join(this.folder, key), 'utf8').catch(() => '0');
    return { parts: Number.parseInt(note, 10) || 0, isUncertain: note.endsWith('?') };
  }

  async write(key: string, { parts, isUncertain }: Shown): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const aside = join(this.folder, `.${key}`);
    const file = await open(aside, 'w');
    try {
      await file.writeFile(`${parts}${isUncertain ? '?' : ''}`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, join(this.folder, key));
  }

  /** Removes old notes. */
  async prune(): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      const path = join(this.folder, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
      if (mtimeMs < Date.now() - KEEP_MS) await rm(path, { force: true });
    }
  }
}
