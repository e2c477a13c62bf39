/** Exit codes of tasks that have ended. */
import { expect, it } from 'vitest';
import { exitFor } from '../../src/cli/exit.ts';

it.each([
  ['prompt_too_long', 6],
  ['retired_model', 6],
  ['unknown', 6],
  ['no_api_key', 3],
])('a task that failed with %s exits with %i', (type, exit) => {
  const task = { task_id: 'kimi-1-1', task_name: 'x', model: 'm', created_at: '', completed_at: '' };
  expect(exitFor({ ...task, status: 'failed', error: { type, message: '' } })).toBe(exit);
});
