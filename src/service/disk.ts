import { randomBytes } from 'node:crypto';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** How much a probe writes, in bytes: a small file may still find room on a disk that is full to its user. */
const PROBE_BYTES = 1024 * 1024;

/** @returns how much a user may still write to the disk of a folder, in bytes. Quotas are not in it. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Proves that a folder takes what is written, by writing. Nothing is left. @throws what the system says. */
export async function probeFolder(folder: string): Promise<void> {
  const path = join(folder, `.probe-${randomBytes(6).toString('hex')}`);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(Buffer.alloc(PROBE_BYTES));
    await file.sync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
