import type { Logger } from 'pino';
import type { ResultStore } from './store.ts';

const PRUNE_MS = 3_600_000;

/**
 * Removes results that are old and acknowledged, now and every hour.
 *
 * @param keepMs age from which an acknowledged result is removed, in milliseconds
 */
export function pruneHourly(results: ResultStore, keepMs: number, log: Logger): void {
  const prune = async (): Promise<void> => {
    try {
      const removed = await results.prune(keepMs);
      if (removed > 0) log.info({ removed }, 'old results removed');
    } catch (error) {
      log.warn({ err: error }, 'old results could not be removed; retrying in an hour');
    }
  };
  void prune();
  setInterval(() => void prune(), PRUNE_MS).unref();
}
