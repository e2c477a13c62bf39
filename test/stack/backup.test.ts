/** `backup` of running services, and `restore` on another machine. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { cleanHome, cli, resultsOf, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { serve, temporaryFolder } from '../support/resources.ts';

it('a backup of running services contains every task, and is restored without loss', { timeout: 180_000 }, async () => {
  let isKimiUp = true;
  let requests = 0;
  const kimi = await serve((request, response) => {
    request.resume();
    if (isKimiUp) requests += 1;
    else response.statusCode = 503;
    response.setHeader('content-type', 'application/json');
    const choices = [{ message: { content: 'the answer' }, finish_reason: 'stop' }];
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    response.end(JSON.stringify(isKimiUp ? { id: 'cmpl-1', model: 'x', usage, choices } : {}));
  });
  const gateway = await serve((request, response) => {
    request.resume();
    response.end('{}');
  });
  const settings = {
    KIMI_LANG: 'en',
    KIMI_CALLBACKS: 'native',
    KIMI_API_KEY: 'sk-of-the-user',
    KIMI_API_URL: `${kimi}/v1`,
    OPENCLAW_WAKE_URL: `${gateway}/hooks/wake`,
  };
  const env = await cleanHome(settings);
  const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
  const stack = await up(env);
  await writeFile(join(home, '.env'), 'KIMI_API_KEY=sk-of-the-user\n', { mode: 0o600 });
  expect((await inProcess(['run', 'a done task', '-n', 'done'], env)).code).toBe(0);
  isKimiUp = false;
  const { stdout } = await inProcess(['dispatch', 'an open task', '-n', 'open', '--json'], env);
  const { task_id } = JSON.parse(stdout) as { task_id: string };

  const file = join(await temporaryFolder(), 'kimi.tar.gz');
  const made = await cli(['backup', file], env);
  expect(made, made.stderr).toMatchObject({ code: 0, stdout: expect.stringMatching(/paused for \d+ ms/) });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const names = execFileSync('tar', ['-tzf', file], { encoding: 'utf8' });
  expect(names).not.toMatch(/\.env|stack\.|\/logs\//);
  expect(gunzipSync(await readFile(file)).includes('sk-of-the-user')).toBe(false);
  expect(await cli(['backup', file], env)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('not overwritten'),
  });
  expect(await cli(['restore', file, '--force'], env)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('running'),
  });

  // The services continue.
  isKimiUp = true;
  expect(await inProcess(['watch', task_id], env)).toMatchObject({ code: 0 });
  await stack.stop();
  expect(await cli(['restore', file], env)).toMatchObject({ code: 3, stderr: expect.stringContaining('--force') });

  const other = await cleanHome(settings);
  expect(await cli(['restore', file], other)).toMatchObject({ code: 0 });
  const before = requests;
  const restored = await up(other);
  expect(await inProcess(['watch', task_id], other)).toMatchObject({ code: 0 });
  expect(requests).toBe(before + 1);
  // The engine's list follows its tasks.
  await expect.poll(async () => (await inProcess(['list'], other)).stdout).toMatch(/open\s+done[^]*done\s+done/);
  await restored.stop();

  // Existing tasks are moved aside.
  const forced = await cli(['restore', file, '--force'], other);
  expect(forced).toMatchObject({ code: 0 });
  const [, aside = ''] = /in: (.*), /.exec(forced.stdout) ?? [];
  expect(existsSync(join(aside.replace('~', other['HOME'] ?? ''), 'temporal.db'))).toBe(true);
  expect(existsSync(join(resultsOf(other), `${task_id}.json`))).toBe(false);
});

it('an invalid backup, or one of a newer version, changes nothing', async () => {
  const env = await cleanHome({ KIMI_LANG: 'en' });
  const folder = await temporaryFolder();
  const file = join(folder, 'x.tar.gz');
  await writeFile(file, 'x');
  expect(await inProcess(['restore', file], env)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('nothing was changed'),
  });
  expect(await inProcess(['restore', join(folder, 'none')], env)).toMatchObject({ code: 2 });
  await writeFile(
    join(folder, 'manifest.json'),
    JSON.stringify({ format: 1, version: '99.0.0', created_at: '2026-11-30T00:00:00Z' }),
  );
  execFileSync('tar', ['-czf', file, '-C', folder, 'manifest.json']);
  expect(await inProcess(['restore', file], env)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('newer kimi-dispatch 99.0.0'),
  });
});
