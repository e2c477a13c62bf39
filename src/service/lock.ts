import { stat, utimes } from 'node:fs/promises';
import { lock, type LockOptions } from 'proper-lockfile';

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
