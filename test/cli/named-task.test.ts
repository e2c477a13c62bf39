/** The task that a user names by other words than its id. */
import { expect, it } from 'vitest';
import { namedTask, type Purpose } from '../../src/cli/named-task.ts';
import { cliText } from '../../src/cli/text/index.ts';
import type { TaskState } from '../../src/shared/task.ts';
import type { LiveTask, Tasks } from '../../src/tasks/tasks.ts';

const say = cliText('en');

function known(task_id: string, task_name: string, state: TaskState): LiveTask {
  return { task_id, task_name, state, status: state, model: 'm', tokens: null, created_at: '2026-11-30T00:00:00Z' };
}

/** The newest first, as in `list`. */
const TASKS = [
  known('kimi-900-2024', 'report-weekly', 'queued'),
  known('kimi-800-31', 'calculator', 'done'),
  known('kimi-700-7', 'report', 'dispatched'),
  known('kimi-600-5', 'report', 'dispatched'),
  known('kimi-500-31', 'contract', 'done'),
  known('kimi-400-4', 'calculator', 'done'),
  known('kimi-300-3', '2030', 'done'),
];

const list: Tasks['list'] = async ({ name = '', status }, limit) => ({
  tasks: TASKS.filter((task) => task.task_name.startsWith(name) && (!status || status.includes(task.state))).slice(
    0,
    limit,
  ),
});

async function idOf(word: string, purpose: Purpose = 'read'): Promise<string> {
  return (await namedTask(word, { list } as Tasks, say, { purpose })).task_id;
}

it.each([
  ['kimi-1-1', 'kimi-1-1'],
  ['last', 'kimi-900-2024'],
  ['2024', 'kimi-900-2024'],
  ['2030', 'kimi-300-3'],
  ['calculator', 'kimi-800-31'],
  ['contr', 'kimi-500-31'],
  // The name itself counts more than a longer one.
  ['report', 'kimi-700-7'],
])('%s is %s', async (word, task_id) => {
  expect(await idOf(word)).toBe(task_id);
});

it('a change takes only a task that is not ended', async () => {
  expect(await idOf('last', 'change')).toBe('kimi-900-2024');
  expect(await idOf('report-w', 'change')).toBe('kimi-900-2024');
  // All have ended: the command says so of the task.
  expect(await idOf('contract', 'change')).toBe('kimi-500-31');
});

it.each([
  ['a part of two names', 'rep', 'read', say.severalNamed('rep')],
  ['the end of two ids', '31', 'read', 'kimi-500-31  contract'],
  ['the name of two open tasks', 'report', 'change', 'kimi-600-5  report'],
  ['the name of two tasks, one of which is to be removed', 'calculator', 'remove', 'kimi-800-31  calculator'],
  ['the name of two ended tasks', 'calculator', 'change', 'kimi-400-4  calculator'],
] as const)('%s is refused, and the tasks are listed', async (_, word, purpose, shown) => {
  await expect(idOf(word, purpose)).rejects.toMatchObject({ exit: 2, message: expect.stringContaining(shown) });
});

it.each([
  ['nobody', 4, 'nobody'],
  ['kimi-12', 2, 'kimi-12 is neither'],
  ['../../etc/passwd', 2, 'neither'],
  ['', 2, 'neither'],
])('%j is unknown', async (word, exit, shown) => {
  await expect(idOf(word)).rejects.toMatchObject({ exit, message: expect.stringContaining(shown) });
});
