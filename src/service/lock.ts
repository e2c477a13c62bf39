/** Lock files. */
import { mkdirSync, realpathSync, rmdirSync, statSync, utimesSync } from 'node:fs';
import { lock, type LockOptions } from 'proper-lockfile';

type Options = LockOptions & { lockfilePath: string; stale: number };

/**
 * Acquires a lock that is stale once its holder has not renewed it for a while.
 *
 * @returns a function that releases it.
 */
export async function takeLock(folder: string, options: Options): Promise<() => Promise<void>> {
  clampToNow(options);
  return await lock(folder, { ...options, fs: BLOCKING });
}

/** A callback of Node's. */
type Done = (error: unknown, result?: unknown) => void;

/** What proper-lockfile calls. Each call takes some microseconds, and many times as much by way of a thread and back. */
const BLOCKING = Object.fromEntries(
  Object.entries({
    mkdir: mkdirSync,
    realpath: realpathSync,
    rmdir: rmdirSync,
    stat: statSync,
    utimes: utimesSync,
  }).map(([name, call]) => [name, withCallback(call as (...args: unknown[]) => unknown)]),
);

function withCallback(call: (...args: unknown[]) => unknown) {
  return (...args: [...unknown[], Done]): void => {
    const done = args.pop() as Done;
    let result: unknown;
    try {
      result = call(...args);
    } catch (error) {
      done(error);
      return;
    }
    done(undefined, result);
  };
}

/** If the clock was set back after the holder was killed, the lock's time is in the future, and it would not become stale until then. */
function clampToNow({ lockfilePath, stale }: Options): void {
  const now = Date.now();
  try {
    const left = statSync(lockfilePath, { throwIfNoEntry: false });
    if (left && left.mtimeMs > now + stale) utimesSync(lockfilePath, now / 1_000, now / 1_000);
  } catch {
    // Its holder may have removed it meanwhile.
  }
}
