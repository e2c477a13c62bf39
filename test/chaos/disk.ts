import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Size of the disk in megabytes: twice the large answers of a long run. */
const SIZE_MB = 96;

/** How long a remount is retried: read-only fails while a file is open for writing. Milliseconds. */
const REMOUNT_MS = { ro: 2_000, rw: 30_000 };
const RETRY_MS = 25;

/** Which faults the disk supports on this machine. */
export type DiskKind =
  /** A tmpfs mount: supports full and read-only. Needs root on Linux. */
  | 'tmpfs'
  /** A folder whose write permission is removed: supports read-only. Needs a user other than root. */
  | 'folder'
  /** A folder without faults. */
  | 'unbreakable';

/** A disk with fault injection. */
export class Disk {
  private constructor(
    readonly folder: string,
    readonly kind: DiskKind,
  ) {}

  static async mount(folder: string): Promise<Disk> {
    await mkdir(folder);
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MB}m,mode=0700`, 'tmpfs', folder]);
      return new Disk(folder, 'tmpfs');
    } catch {
      return new Disk(folder, process.getuid?.() === 0 ? 'unbreakable' : 'folder');
    }
  }

  /** @returns whether the fault could be injected */
  async break(how: 'full' | 'read-only'): Promise<boolean> {
    if (how === 'full') {
      if (this.kind !== 'tmpfs') return false;
      await fill(this.ballast);
      return true;
    }
    if (this.kind === 'folder') await chmod(this.folder, 0o555);
    if (this.kind !== 'tmpfs') return this.kind === 'folder';
    return await this.remount('ro').then(
      () => true,
      () => false,
    );
  }

  async heal(): Promise<void> {
    if (this.kind === 'folder') await chmod(this.folder, 0o755);
    if (this.kind !== 'tmpfs') return;
    await this.remount('rw');
    await rm(this.ballast, { force: true });
  }

  /** Lazy: also while files are open. */
  unmount(): void {
    if (this.kind === 'tmpfs') execFileSync('umount', ['--lazy', this.folder]);
  }

  private get ballast(): string {
    return join(this.folder, '.ballast');
  }

  /** @throws the last error of `mount` */
  private async remount(how: 'ro' | 'rw'): Promise<void> {
    const giveUpAt = Date.now() + REMOUNT_MS[how];
    for (;;) {
      try {
        await run('mount', ['-o', `remount,${how}`, this.folder]);
        return;
      } catch (error) {
        if (Date.now() > giveUpAt) throw error;
        await pause(RETRY_MS);
      }
    }
  }
}

/** Writes until the disk is full. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (let size = 1024 * 1024; size >= 1; size = Math.floor(size / 2)) {
      const block = Buffer.alloc(size);
      // Ends with ENOSPC; smaller blocks take the rest.
      while (
        await file.write(block).then(
          ({ bytesWritten }) => bytesWritten === size,
          () => false,
        )
      );
    }
  } finally {
    await file.close();
  }
}
