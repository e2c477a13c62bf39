import { setTimeout as pause } from 'node:timers/promises';

/** Polls a condition until it is true. Loads without vitest, for the benches. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    await pause(20);
  }
}
