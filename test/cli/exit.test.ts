/** Exit codes of tasks that have ended; how a sentence begins. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { sentenceFor } from '../../src/cli/error-sentence.ts';
import { exitFor } from '../../src/cli/exit.ts';
import { cliText } from '../../src/cli/text/index.ts';
import { ServiceError } from '../../src/service/exit.ts';

it.each([
  ['prompt_too_long', 6],
  ['retired_model', 6],
  ['unknown', 6],
  ['no_api_key', 3],
])('a task that failed with %s exits with %i', (type, exit) => {
  const task = { task_id: 'kimi-1-1', task_name: 'x', model: 'm', created_at: '', completed_at: '' };
  expect(exitFor({ ...task, status: 'failed', error: { type, message: '' } })).toBe(exit);
});

it.each([
  [new ServiceError('payload_key_missing', { key: 'a', task: 'kimi-1-1' }), /^A payload of task kimi-1-1 is encrypted/],
  [new ServiceError('results_folder', { cause: 'EACCES' }), /^Cannot write to the results folder/],
  [new ServiceError('program_gone', { file: 'x.js' }), /^x\.js is missing/],
  [new ServiceError('child_failed', { name: 'worker', why: 'it ended' }), /^worker: it ended/],
])('a sentence begins with a capital, unless it begins with a name: %s', (error, sentence) => {
  vi.stubEnv('KIMI_LANG', 'en');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(sentenceFor(error, cliText('en')).message).toMatch(sentence);
});
