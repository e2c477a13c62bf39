/** Lock files. */
import { stat, utimes } from 'node:fs/promises';
import { lock, type LockOptions } from 'proper-lockfile';

type Options = LockOptions & { lockfilePath: string; stale: number };

/**
 * Acquires a lock that is stale once its holder has not renewed it for a while.
 *
 * @returns a function that releases it.
 */
export async function takeLock(folder: string, options: Options): Promise<() => Promise<void>> {
  await clampToNow(options);
  return await lock(folder, options);
}

/** If the clock was set back after the holder was killed, the lock's time is in the future, and it would not become stale until then. */
async function clampToNow({ lockfilePath, stale }: Options): Promise<void> {
  const left = await stat(lockfilePath).catch(() => undefined);
  const now = Date.now();
  if (left && left.mtimeMs > now + stale) await utimes(lockfilePath, now / 1_000, now / 1_000).catch(() => {});
}
