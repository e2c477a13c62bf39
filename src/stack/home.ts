/** The home of a running stack: its lock and its state. */
import { readFileSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { takeLock } from '../service/lock.ts';
import { isAlive, processSpace } from './process-id.ts';
import type { StackState } from './state.ts';

/** File name of {@link StackState}. */
export const STATE = 'stack.json';

/** How long the lock of a stack that was killed before it was ready, or on another machine, delays the next one, in milliseconds. */
const LOCK_STALE_MS = 3_000;

/** What {@link STATE} says of the lock, so that it is known to be a dead process's. */
interface LockId {
  /** Number and birth of its folder: a number is used again at once. */
  folder: string;
  /** See {@link processSpace}. */
  space: string;
}

type WrittenState = StackState & { lock?: LockId };

/** A home that is locked by one stack. */
export interface ClaimedHome {
  /** Resolves when the home was removed, or another stack uses it. */
  lost: Promise<void>;
  writeState(state: StackState): Promise<void>;
  release(): Promise<void>;
}

/**
 * Locks a home for one stack.
 *
 * @returns `undefined` if another stack holds it.
 */
export async function claimHome(home: string): Promise<ClaimedHome | undefined> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await keepPrivate(home);
  let unlock: (() => Promise<void>) | undefined;
  let isWritten = false;
  let reportLost: (() => void) | undefined;
  const lost = new Promise<void>((resolve) => (reportLost = resolve));
  let lock: LockId | undefined;
  const lockfilePath = join(home, 'stack.lock');
  const isOurs = (): boolean => stateIn(contentOf(join(home, STATE)))?.pid === process.pid;
  // After sleep or a pause, the lock is acquired again. A stack whose state was removed must end: a second one may start here.
  const takeAgain = async (): Promise<void> => {
    if (isWritten && !isOurs()) reportLost?.();
    else await take().catch(() => reportLost?.());
  };
  const take = async (): Promise<void> => {
    unlock = await takeLock(home, {
      lockfilePath,
      stale: LOCK_STALE_MS,
      retries: { retries: 5, factor: 1, minTimeout: LOCK_STALE_MS / 4, maxTimeout: LOCK_STALE_MS / 4 },
      onCompromised: () => void takeAgain(),
    });
    lock = idOf(lockfilePath);
  };
  try {
    removeLockOfDead(home, lockfilePath);
    await take();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined;
    throw error;
  }
  return {
    lost,
    async writeState(state) {
      const written: WrittenState = { ...state, ...(lock && { lock }) };
      await writeFileAtomic(join(home, STATE), `${JSON.stringify(written, null, 2)}\n`);
      isWritten = true;
    },
    async release() {
      if (isOurs()) await rm(join(home, STATE), { force: true });
      await unlock?.().catch(() => {});
    },
  };
}

/** Restricts a home that was made by hand, and every file written from now on, to this user. */
async function keepPrivate(home: string): Promise<void> {
  process.umask(0o077);
  const { mode } = await stat(home);
  if ((mode & 0o077) !== 0) await chmod(home, 0o700);
  for (const name of await readdir(home)) {
    if (name.startsWith('temporal.db')) await chmod(join(home, name), 0o600);
  }
}

/**
 * Removes the lock of a stack that was killed. Several stacks may start at the same moment. Each tries to rename the state file of the killed stack;
 * only one can, and that one removes the lock. A new lock is another folder, so it is not removed.
 */
function removeLockOfDead(home: string, lockfilePath: string): void {
  const file = join(home, STATE);
  const content = contentOf(file);
  const dead = stateIn(content);
  if (!dead?.lock || dead.lock.space !== processSpace() || isAlive(dead)) return;
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
    if (contentOf(aside) !== content) renameSync(aside, file);
    else if (idOf(lockfilePath)?.folder === dead.lock.folder) rmdirSync(lockfilePath);
  } catch {
    // Another process was first; else the lock becomes stale.
  } finally {
    rmSync(aside, { force: true });
  }
}

/** @returns `undefined` if there is no such lock, or if the file system does not know when a folder was made. */
function idOf(lockfilePath: string): LockId | undefined {
  const folder = statSync(lockfilePath, { bigint: true, throwIfNoEntry: false });
  if (!folder?.birthtimeNs) return undefined;
  return { folder: `${folder.ino} ${folder.birthtimeNs}`, space: processSpace() };
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function stateIn(content: string): WrittenState | undefined {
  try {
    return JSON.parse(content) as WrittenState;
  } catch {
    return undefined;
  }
}
