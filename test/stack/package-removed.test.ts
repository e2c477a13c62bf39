/** The package is updated or removed while its services run. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { DIST } from '../../src/service/files.ts';
import { buildIn, isInstalled } from '../../src/stack/build.ts';
import type { StackState } from '../../src/stack/state.ts';
import { cleanHome, cli, latest, launch } from '../support/cli.ts';
import { install } from '../support/install.ts';
import { temporaryFolder, until } from '../support/resources.ts';

const OTHER_BUILD =
  '執行中的服務與這裡安裝的 Kimi Dispatch 版本不同，或服務的檔案已被移除：請執行 kimi-dispatch down，再執行 kimi-dispatch up --detach --simulate。';

it('services whose package is removed finish the next task; commands, doctor and the log say what to do', async () => {
  const copy = await install();
  const env = await cleanHome({ KIMI_CALLBACKS: 'relay' });
  const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
  const up = await launch(['up', '--detach', '--simulate'], env, join(copy, 'dist/kimi-dispatch.cjs')).ended;
  onTestFinished(async () => void (await cli(['down'], env)));
  expect(up, up.stderr).toMatchObject({ code: 0 });
  const before = await cli(['inbox'], env);
  expect(before).toMatchObject({ code: 0, stderr: '' });

  for (const name of ['dist', 'node_modules']) await rename(join(copy, name), join(copy, `removed-${name}`));

  // The first request that any of the services makes or receives.
  const dispatch = await cli(['dispatch', 'x [[simulate: delay=0]]', '--json'], env);
  expect(dispatch).toMatchObject({ code: 0, stderr: `${OTHER_BUILD}\n` });
  const { task_id } = JSON.parse(dispatch.stdout) as { task_id: string };
  const watch = await cli(['watch', task_id], env);
  expect(watch, watch.stderr).toMatchObject({ code: 0 });
  expect(await latest(env)).toMatchObject({ task_id, status: 'done' } satisfies Partial<ResultFile>);

  const doctor = await cli(['doctor'], env);
  expect(doctor.stdout).toContain(`✗ ${OTHER_BUILD}\n`);
  expect(doctor.stderr).toBe('');

  const state = await readFile(join(home, 'stack.json'), 'utf8');
  const { children, webhook_url } = JSON.parse(state) as StackState;
  const page = await fetch(`${webhook_url}/`);
  expect(await page.text()).toContain('目前無法讀取結果');
  const thread = join(copy, 'dist/report-thread.js');
  expect(await readFile(join(home, 'logs/webhook.log'), 'utf8')).toContain(
    `${thread} is missing, because the package was updated or removed; run kimi-dispatch down, then`,
  );

  process.kill(children[1]?.pid ?? 0, 'SIGKILL');
  const missing = join(copy, 'dist/services.js');
  await until(async () =>
    (await readFile(join(home, 'logs/up.log'), 'utf8')).includes(`services 已結束，無法重新啟動：找不到 ${missing}`),
  );
  expect(await cli(['down'], env)).toMatchObject({ code: 0, stdout: '已停止。\n', stderr: '停止中…\n' });
});

it('services count as installed while their files and those of this command are from the same build', async () => {
  const build = buildIn(DIST) ?? '';
  expect(build).toMatch(/^[0-9a-f]{64}$/);
  const other = join(await temporaryFolder(), 'dist');
  expect(isInstalled({ build, dist: DIST })).toBe(true);
  // Removed, or updated in another folder.
  expect(isInstalled({ build, dist: other })).toBe(false);
  // From another installation.
  await mkdir(other);
  await writeFile(join(other, 'build-id'), 'other');
  expect(isInstalled({ build: 'other', dist: other })).toBe(false);
  // Updated in the same folder.
  expect(isInstalled({ build: 'other', dist: DIST })).toBe(false);
});
