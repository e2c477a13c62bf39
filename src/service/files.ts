import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open, rm, stat, statfs, utimes } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { lock, type LockOptions } from 'proper-lockfile';

/** Where package.json lies: this module runs from src/, and bundled from dist/. */
export const PACKAGE_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

/** What `npm run build` makes. */
export const DIST = join(PACKAGE_ROOT, 'dist');

/** @returns a path as the user would type it. */
export function tildePath(path: string): string {
  const home = homedir();
  return path === home || path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** @returns a path as one word of a shell, for a command that the user may paste. */
export function shellPath(path: string): string {
  const typed = tildePath(path);
  return /^[\w/.~+-]+$/.test(typed) ? typed : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder));
}

/** A file that is new in a folder, or renamed in it, survives a power cut only once the folder is synced. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The same for what happens rarely and cannot wait. */
export function syncFolderSync(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

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

type Options = LockOptions & { lockfilePath: string; stale: number };

/**
 * Takes a lock that is stale once its holder has not renewed it for a while.
 *
 * @returns what gives it back.
 */
export async function takeLock(folder: string, options: Options): Promise<() => Promise<void>> {
  await clampToNow(options);
  return await lock(folder, options);
}

/** Where the clock was set back after its holder was killed, its time lies in the future: it would be held until then. */
async function clampToNow({ lockfilePath, stale }: Options): Promise<void> {
  const left = await stat(lockfilePath).catch(() => undefined);
  const now = Date.now();
  if (left && left.mtimeMs > now + stale) await utimes(lockfilePath, now / 1_000, now / 1_000).catch(() => {});
}
