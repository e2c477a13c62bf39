/** The home of an older build, as `down` left it, is taken over: its results, its open task, its engine's database and its limits. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { cleanHome, latest, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';

type Listed = { task_id: string; task_name: string }[];

/**
 * Made by the build of a commit, with `up --detach --simulate`, `run one`, `dispatch -n waiting --timeout 20h` of a task that is never
 * answered, `limits --concurrent 3`, and `down`.
 */
it.each(['413f74a'])('the home of build %s', async (commit) => {
  const env = await cleanHome({ KIMI_LANG: 'en' });
  const fixture = join(PACKAGE_ROOT, `test/fixtures/homes/${commit}.tar.gz`);
  await promisify(execFile)('tar', ['xzf', fixture, '-C', env['HOME'] ?? '']);
  const saved = await latest(env);

  const { stop, said } = await up(env, '--simulate');
  expect(said.stderr).not.toMatch(/^ {4}at /m);
  expect(await inProcess(['limits'], env)).toMatchObject({ code: 0, stdout: expect.stringContaining('(limit 3)') });
  const shown = await inProcess(['result', saved.task_id, '--json'], env);
  expect(JSON.parse(shown.stdout)).toEqual(saved);
  const tasks = JSON.parse((await inProcess(['list', '--json'], env)).stdout) as Listed;
  const waiting = tasks.find(({ task_name }) => task_name === 'waiting');
  expect(await inProcess(['status', waiting?.task_id ?? ''], env)).toMatchObject({ code: 0 });
  expect(await inProcess(['run', 'a new one'], env)).toMatchObject({ code: 0 });
  await stop();
});
