import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A task is told of for seven days at the most (the `wake` activity), so a note that is older has done its work. Milliseconds. */
const KEEP_MS = 30 * 24 * 3600 * 1000;

/** How much of a piece of news a chat has been shown. */
export interface Shown {
  /** Parts that the channel has taken. */
  parts: number;
  /** Whether a gateway before this one was handing over one more when it ended: nobody knows what became of it. */
  isUncertain: boolean;
}

/**
 * What has been shown, by the key of the news, on the disk: a gateway that was killed shows nothing twice when it is asked
 * again, and leaves nothing out. One small file each,
 * `2` or, while the third part is being sent, `2?`; written aside, synced and renamed, so that it is never half written.
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

  /** Removes what nobody will ask for any more. */
  async prune(): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      const path = join(this.folder, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
      if (mtimeMs < Date.now() - KEEP_MS) await rm(path, { force: true });
    }
  }
}
