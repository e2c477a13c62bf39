import { oneLine } from '../../shared/format.ts';
import type { Lang } from '../../shared/task.ts';
import type { LiveTask } from '../../tasks/tasks.ts';
import { stateOf, textFor } from '../../text/index.ts';
import type { CliText } from '../text/index.ts';
import { sayRetrying } from './retrying.ts';
import { colourOf } from './state-colour.ts';
import { table } from './table.ts';
import { when } from './time.ts';

/** Characters of a name that are shown: one long name widens every row. */
const NAME_CHARS = 32;

/** In front of the name of a task that continues another one. */
const FOLLOW_UP = '↳ ';

/** Column of the state. */
const STATE = 2;

/** @returns tasks with their current states as a table. */
export function taskTable(tasks: LiveTask[], lang: Lang, say: CliText): string {
  const text = textFor(lang);
  const rows = tasks.map((task) => [
    task.task_id,
    (task.continues === undefined ? '' : FOLLOW_UP) + oneLine(task.task_name, NAME_CHARS),
    [
      task.late ? say.status.late(stateOf(task, text)) : stateOf(task, text),
      task.map && text.rows(task.map),
      task.queue && text.queuePosition(task.queue),
      task.paused && text.budget.pause(task.paused, Date.now()),
      task.retrying ? sayRetrying(task.retrying, say, text) : task.progress && text.stream(task.progress),
    ]
      .filter((part) => part)
      .join(' '),
    task.model,
    task.tokens?.toString() ?? '',
    when(task.created_at, lang),
  ]);
  return table(say.list.columns, rows, undefined, (cell, row, column) => {
    const task = tasks[row];
    return task && column === STATE ? colourOf(task.state)(cell) : cell;
  });
}
