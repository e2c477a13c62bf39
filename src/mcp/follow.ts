import { setTimeout as pause } from 'node:timers/promises';
import { isAway } from '../tasks/away.ts';
import type { Standing } from '../tasks/tasks.ts';
import { isOver } from '../tasks/view.ts';
import type { Door } from './door.ts';

/** How long to wait before services that are away are asked again, in milliseconds. */
const AWAY_MS = 1_000;

/** A task as it is, or why that is not known now. */
export type Seen = { task: Standing } | { away: unknown };

/**
 * Follows a task to its end, through services that are away for a while, e.g. since they are started again.
 *
 * @param signal ends it; it yields at least once
 * @param isPassing whether the same read may succeed after an error
 * @throws any other error
 */
export async function* follow(
  task_id: string,
  { open, changes }: Pick<Door, 'open' | 'changes'>,
  signal: AbortSignal,
  isPassing: (error: unknown) => boolean = isAway,
): AsyncGenerator<Seen, void> {
  do {
    try {
      const now = await (await open()).find(task_id);
      yield { task: now };
      if (isOver(now)) return;
      for await (const task of changes(now, signal)) {
        yield { task };
        if (isOver(task)) return;
      }
    } catch (error) {
      if (isPassing(error)) yield { away: error };
      else if (!signal.aborted) throw error;
    }
    await pause(AWAY_MS, undefined, { signal, ref: false }).catch(() => {});
  } while (!signal.aborted);
}
