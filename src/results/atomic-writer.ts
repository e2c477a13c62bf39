/**
 * Writes the files of the results folder atomically: one writer at a time, in batches, synced to the disk. What syncs, creates, renames or
 * removes a file runs in a thread: after many tasks ext4 takes 0.3 ms for a new file, since it looks at each that was removed in the last
 * minutes. The other calls block: each takes some microseconds, and ten times as much CPU by way of a thread and back.
 */
import { randomInt } from 'node:crypto';
import { accessSync, closeSync, constants, mkdirSync, open, rename, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { syncFile, syncFolder } from '../service/files.ts';
import { takeLock } from '../service/lock.ts';
import type { PendingFile, ResultFile } from '../shared/result.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER } from './file.ts';

/** Largest number of writes in one batch: the first caller waits for the last. */
const MAX_BATCH = 16;

/** So many numbers may follow the name of a file that is not whole yet. `ResultStore` removes those files that killed processes left. */
const NUMBERS = 2 ** 47;

const openFile = promisify(open);
const renameFile = promisify(rename);

/**
 * Writes a file aside, syncs it, and renames it. Several are written for each task: write-file-atomic takes 0.9 to 1.0 ms of CPU for one,
 * mostly to resolve links and to copy owner and mode, and this takes 0.5.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const aside = `${path}.${randomInt(NUMBERS)}`;
  try {
    const file = await openFile(aside, 'wx', PRIVATE_FILE.mode);
    try {
      writeFileSync(file, text);
      await syncFile(file);
    } finally {
      closeSync(file);
    }
    await renameFile(aside, path);
  } catch (error) {
    removeAside(aside);
    throw error;
  }
}

function removeAside(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The next start removes it.
  }
}

/** Writes that share a lock, a `latest.json` and a sync of each folder. */
export class Batch {
  /** Next content of `latest.json`. */
  latest?: ResultFile;
  /** Folders whose entries have changed. */
  private readonly changed = new Set<string>();
  /** The last content as JSON: `latest.json` repeats it, and it may have 16 MiB. */
  private written?: { content: object; json: string };

  constructor(private readonly folder: string) {}

  /** Writes a file of the results folder. */
  async write(path: string, content: PendingFile | ResultFile): Promise<void> {
    if (this.written?.content !== content) {
      this.written = { content, json: `${JSON.stringify(content, null, 2)}\n` };
    }
    await replaceFile(path, this.written.json);
    this.noteChange(this.folder);
  }

  noteChange(folder: string): void {
    this.changed.add(folder);
  }

  /** Everything is on the disk when this returns. */
  async finish(latestPath: string): Promise<void> {
    if (this.latest) await this.write(latestPath, this.latest);
    for (const folder of this.changed) await syncFolder(folder);
  }
}

interface Job {
  /** @returns what resolves the caller's promise, once the batch is on the disk. */
  run: (batch: Batch) => Promise<() => void>;
  fail: (error: unknown) => void;
}

/** One writer at a time: a queue within this process, a lock file between processes. What has queued up is one batch. */
export class BatchWriter {
  private readonly queue: Job[] = [];
  private isWriting = false;

  constructor(
    private readonly folder: string,
    private readonly latestPath: string,
  ) {}

  /** Runs `work` alone; its files are on the disk when this returns. */
  async exclusively<T>(work: (batch: Batch) => Promise<T>): Promise<T> {
    return await new Promise<T>((resolve, fail) => {
      const run = async (batch: Batch): Promise<() => void> => {
        const result = await work(batch);
        return () => resolve(result);
      };
      this.queue.push({ run, fail });
      if (!this.isWriting) void this.writeQueue();
    });
  }

  private async writeQueue(): Promise<void> {
    this.isWriting = true;
    while (this.queue.length > 0) {
      let jobs: Job[] = [];
      try {
        const resolvers = await this.locked(async () => {
          jobs = this.queue.splice(0, MAX_BATCH);
          return await this.writeBatch(jobs);
        });
        for (const resolve of resolvers) resolve();
      } catch (error) {
        // Without the lock, all waiting callers fail.
        for (const { fail } of jobs.length > 0 ? jobs : this.queue.splice(0)) fail(error);
      }
    }
    this.isWriting = false;
  }

  private async writeBatch(jobs: Job[]): Promise<(() => void)[]> {
    const batch = new Batch(this.folder);
    const resolvers: (() => void)[] = [];
    for (const { run, fail } of jobs) {
      try {
        resolvers.push(await run(batch));
      } catch (error) {
        // The other jobs continue.
        fail(error);
      }
    }
    await batch.finish(this.latestPath);
    return resolvers;
  }

  private async locked<T>(work: () => Promise<T>): Promise<T> {
    mkdirSync(this.folder, PRIVATE_FOLDER);
    // Fails immediately; taking the lock would be retried.
    accessSync(this.folder, constants.W_OK);
    const release = await takeLock(this.folder, {
      lockfilePath: join(this.folder, '.lock'),
      // The lock file is the same by whichever path of the folder.
      realpath: false,
      // A writer killed with kill -9 blocks the others for this long; a write takes milliseconds.
      stale: 2_000,
      retries: { retries: 200, minTimeout: 5, maxTimeout: 50 },
      // A process that was paused for seconds loses the lock, and continues; the next write takes a new one.
      onCompromised: () => {},
    });
    try {
      return await work();
    } finally {
      await release().catch(() => {});
    }
  }
}
