import { setTimeout as pause } from 'node:timers/promises';

/** Polls a condition until it is true. Loads without vitest, for the benches. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const start = performance.now();
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    // A tenth of the wait so far: polling takes little from what it waits for.
    await pause(Math.min(250, Math.max(20, (performance.now() - start) / 10)));
  }
}
