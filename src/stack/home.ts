/** The home of a running stack: its lock and its state. */
import { chmod, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { takeLock } from '../service/lock.ts';
import type { StackState } from './state.ts';

/** File name of {@link StackState}. */
export const STATE = 'stack.json';

/** How long the lock of a stack that was killed with kill -9 delays the next one, in milliseconds. */
const LOCK_STALE_MS = 3_000;

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
  const isOurs = async (): Promise<boolean> => (await writtenPid(home)) === process.pid;
  // After sleep or a pause, the lock is acquired again. A stack whose state was removed must end: a second one may start here.
  const takeAgain = async (): Promise<void> => {
    if (isWritten && !(await isOurs())) reportLost?.();
    else await take().catch(() => reportLost?.());
  };
  const take = async (): Promise<void> => {
    unlock = await takeLock(home, {
      lockfilePath: join(home, 'stack.lock'),
      stale: LOCK_STALE_MS,
      retries: { retries: 5, factor: 1, minTimeout: LOCK_STALE_MS / 4, maxTimeout: LOCK_STALE_MS / 4 },
      onCompromised: () => void takeAgain(),
    });
  };
  try {
    await take();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined;
    throw error;
  }
  return {
    lost,
    async writeState(state) {
      await writeFileAtomic(join(home, STATE), `${JSON.stringify(state, null, 2)}\n`);
      isWritten = true;
    },
    async release() {
      if (await isOurs()) await rm(join(home, STATE), { force: true });
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

async function writtenPid(home: string): Promise<number | undefined> {
  try {
    return (JSON.parse(await readFile(join(home, STATE), 'utf8')) as StackState).pid;
  } catch {
    return undefined;
  }
}
