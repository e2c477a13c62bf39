import { EXIT } from '../service/exit.ts';
import type { Route } from '../shared/chat.ts';
import { parseTaskId, type TaskReference } from '../shared/task-id.ts';
import { STATES_IN_FLIGHT } from '../shared/task.ts';
import { isTaskName } from '../tasks/task-name.ts';
import type { Filter, ListedTask, Tasks } from '../tasks/tasks.ts';
import { CliError, isAbout } from './exit.ts';
import type { CliText } from './text/index.ts';

/** Number of the newest tasks among which the end of an id is searched. */
const NEWEST = 500;

/** Number of tasks with one name, or a longer one, that are compared. */
const ALIKE = 20;

/** `last`, or the end of an id. */
const SHORT = /^(?:last|\d{1,9})$/;

/** What a command does with a task: `change` prefers a task that is not ended; only `read` takes the newest of several. */
export type Purpose = 'read' | 'change' | 'remove';

/**
 * Finds the task that a user means: by its id, the number at the end of the id, its name or the name's beginning, or `last`.
 * Of several tasks with one name the newest is read.
 *
 * @throws {CliError} if no task, or more than one, is meant
 */
export async function namedTask(
  word: string,
  tasks: Tasks,
  say: CliText,
  { route, purpose = 'read' }: { route?: Route | undefined; purpose?: Purpose } = {},
): Promise<TaskReference> {
  isAbout(word);
  const reference = parseTaskId(word);
  if (reference) {
    isAbout(reference.task_id);
    return reference;
  }
  if (!SHORT.test(word) && !isTaskName(word))
    throw new CliError(EXIT.usage, say.usage.badTaskId(word.trim() === '' ? `'${word}'` : word));
  const filter: Filter = { ...(route && { route }) };
  const open = purpose === 'change' ? await candidates(word, tasks, { ...filter, status: [...STATES_IN_FLIGHT] }) : [];
  const found = open.length > 0 ? open : await candidates(word, tasks, filter);
  const [newest] = found;
  if (!newest) throw new CliError(EXIT.unknown_task, say.noTaskNamed(word));
  const names = new Set(found.map(({ task_name }) => task_name));
  if (names.size > 1 || (purpose !== 'read' && found.length > 1)) {
    const lines = found.map(({ task_id, task_name }) => `  ${task_id}  ${task_name}`);
    throw new CliError(EXIT.usage, `${say.severalNamed(word)}\n${lines.join('\n')}`);
  }
  isAbout(newest.task_id);
  return { task_id: newest.task_id, notification: newest.task_id };
}

/** @returns the tasks that a word may mean, the newest first. */
async function candidates(word: string, tasks: Tasks, filter: Filter): Promise<ListedTask[]> {
  if (word === 'last') return (await tasks.list(filter, 1)).tasks;
  if (/^\d{1,9}$/.test(word)) {
    const newest = (await tasks.list(filter, NEWEST)).tasks;
    const ending = newest.filter(({ task_id }) => task_id.endsWith(`-${word}`));
    if (ending.length > 0) return ending;
  }
  const alike = (await tasks.list({ ...filter, name: word }, ALIKE)).tasks;
  const equal = alike.filter(({ task_name }) => task_name === word);
  return equal.length > 0 ? equal : alike;
}
