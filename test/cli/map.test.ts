/** Maps by the command line, on a stack with the simulated Kimi. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cleanHome, up, type Ended } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { shared } from '../support/resources.ts';

const FILE = 'rows.csv';
const PROMPT = '{{name}} [[simulate: {{how}}]]';

/** A stack, and a file of rows of which the third is refused once. */
const stage = shared(async () => {
  const env = await cleanHome({ KIMI_LANG: 'en', KIMI_MAX_TASKS_PER_MINUTE: '0', KIMI_CALLBACKS: 'relay' });
  await up(env, '--simulate');
  const rows = ['name,how', 'N,delay=0', '"two, quoted",delay=0', 'three,status=400 refusals=1 delay=0'];
  // 你好世界 in Big5.
  const inBig5 = rows.join('\n').replace('N', '\xA7\x41\xA6\x6E\xA5\x40\xAC\xC9');
  await writeFile(join(env['HOME'] ?? '', FILE), inBig5, 'latin1');
  const run = async (...args: string[]): Promise<Ended> => await inProcess(args, env);
  return { env, run };
});

it('with a broken file, an unknown column or --continue is refused, and nothing is dispatched', async () => {
  const { env, run } = stage();
  const dispatch = async (file: string, ...more: string[]): Promise<Ended> =>
    await run('dispatch', '--map', file, ...more);
  expect(await dispatch(FILE, '-p', '{{nam}}')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Line 2 has no column nam, so nothing was dispatched; its columns: name, how.'),
  });
  await writeFile(join(env['HOME'] ?? '', 'bad.jsonl'), '{"text":"a"}\n{"text"\n');
  const bad = 'Line 2 of bad.jsonl is not JSON; nothing was dispatched.';
  expect(await dispatch('bad.jsonl', '-p', '{{text}}')).toMatchObject({ code: 2, stderr: `${bad}\n` });
  expect(await dispatch('none.csv', '-p', '{{text}}')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('none.csv'),
  });
  expect(await dispatch(FILE, '-p', '{{name}}', '--continue', 'last')).toMatchObject({ code: 2 });
  expect((await run('list', '--json')).stdout.trim()).toBe('[]');
});

it('is dispatched, watched, printed row by row, retried, exported, counted and removed', async () => {
  const { run } = stage();
  const dispatched = await run('dispatch', '--map', FILE, '-p', PROMPT, '-n', 'three rows');
  expect(dispatched).toMatchObject({ code: 0, stdout: expect.stringContaining('three rows (3 rows)') });
  expect(dispatched.stdout).toContain('rows.csv is not UTF-8 and was read as Big5');
  const [task_id = ''] = /kimi-\d+-\d+/.exec(dispatched.stderr) ?? [];
  const watched = await run('watch', 'three rows');
  expect(watched.code).toBe(6);
  expect(watched.stdout).toContain('2 of 3 done, 1 failed');
  expect(watched.stdout).toContain('Row 3: ');

  const all = await run('result', 'last', '--all');
  const rows = all.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(rows).toMatchObject([
    { row: 1, status: 'done', answer: expect.stringContaining('> 你好世界') },
    { row: 2, status: 'done', answer: expect.stringContaining('> two, quoted') },
    { row: 3, status: 'failed', error: { type: expect.any(String) } },
  ]);
  const result = await run('result', task_id);
  expect(result).toMatchObject({ code: 6, stdout: expect.stringContaining('2 of 3 done, 1 failed') });
  expect(result.stderr).toContain(`kimi-dispatch result ${task_id} --all`);
  expect((await run('status', task_id)).stdout).toContain('2 of 3 done, 1 failed');
  expect((await run('status', String(rows[1]?.['task_id']))).stdout).toContain(`row 2 of ${task_id}`);

  const retried = await run('retry', task_id, '--failed', '--json');
  expect(JSON.parse(retried.stdout)).toMatchObject({ status: 'started', task_name: 'three rows', rows: 1 });
  expect(await run('wait', 'three rows')).toMatchObject({ code: 0 });
  const whole = await run('result', 'three rows', '--all', '--csv');
  expect(whole.code).toBe(0);
  const states = whole.stdout
    .trim()
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(',')[2]);
  expect(states).toEqual(['"done"', '"done"', '"done"']);
  expect(await run('retry', 'three rows', '--failed')).toMatchObject({ code: 10 });

  const counts = { failed: 0, timed_out: 0, cancelled: 0 };
  await expect
    .poll(async () => JSON.parse((await run('list', '--json')).stdout) as unknown)
    .toMatchObject([
      { task_name: 'three rows', map: { ...counts, rows: 1, done: 1 } },
      { task_id, map: { ...counts, rows: 3, done: 2, failed: 1 } },
    ]);
  expect(JSON.parse((await run('usage', '--json')).stdout)).toMatchObject({ total: { tasks: 4, answered: 3 } });
  expect(JSON.parse((await run('export', '--json')).stdout)).toHaveLength(4);
  expect((await run('inbox', '--json')).stdout.trim()).toBe('[]');
  const { task_id: retry = '' } = JSON.parse(retried.stdout) as { task_id?: string };
  const row = String(rows[1]?.['task_id']);
  expect(await run('rm', row, '--yes')).toMatchObject({ code: 9, stderr: expect.stringContaining(`rm ${task_id}`) });
  expect(await run('rm', task_id, '--yes')).toMatchObject({ code: 9, stderr: expect.stringContaining(`rm ${retry}`) });
  expect(await run('rm', retry, '--yes')).toMatchObject({ code: 0 });
  expect(JSON.parse((await run('export', '--json')).stdout)).toHaveLength(3);
  expect((await run('retry', row, '--json')).stdout).toContain('"task_name":"three rows 2"');
  expect(await run('rm', task_id, '--yes')).toMatchObject({ code: 0 });
  expect(await run('status', row)).toMatchObject({ code: 4 });
});
