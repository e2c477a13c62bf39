import { closeSync, existsSync, fsync, fsyncSync, openSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { open, rm, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The folder of package.json: this module runs from src/, and bundled from dist/. */
export const PACKAGE_ROOT = findRoot(import.meta.dirname);

/** Output of `npm run build`. */
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

/** For `catch` of a call about a file or folder. @returns `undefined` if it does not exist @throws any other error */
export function unlessAbsent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Syncs a folder: a new or renamed file survives a power cut only after that. */
export async function syncFolder(folder: string): Promise<void> {
  const descriptor = openSync(folder, 'r');
  try {
    await syncFile(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Waits until a file is on the disk. */
export const syncFile = promisify(fsync);

/** {@link syncFolder} for rare calls that cannot be asynchronous. */
export function syncFolderSync(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Size of a probe, in bytes: a small file may still fit on a disk that is full for its user. */
const PROBE_BYTES = 1024 * 1024;

/** @returns how much a user may still write to the disk of a folder, in bytes. Quotas are not in it. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Checks that a folder can be written to, by writing a file and removing it. @throws the system's error */
export async function probeFolder(folder: string): Promise<void> {
  const path = join(folder, `.probe-${crypto.randomUUID()}`);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(Buffer.alloc(PROBE_BYTES));
    await file.sync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
