import type { KeptTasks } from '../results/kept.ts';
import type { CliText } from './text/index.ts';

/** Reports on standard error what could not be read. */
export function reportUnread({ damaged, locked }: KeptTasks, say: CliText): void {
  if (damaged > 0) console.error(say.usageTable.damaged(damaged));
  if (locked > 0) console.error(say.kept.locked(locked));
}
