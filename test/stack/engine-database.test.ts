/** An interrupted first start, a damaged database, and a KIMI_HOME with characters that are special in URIs. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { damageOf, databaseProblem, DatabaseUnusable, prepareDatabase } from '../../src/stack/engine-database.ts';
import { cleanHome, cli, launch, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { temporaryFolder, until } from '../support/resources.ts';

/** A `temporal` whose first server leaves an incomplete database and is killed; the next ones are real. */
async function interruptedCli(): Promise<string> {
  const file = join(await temporaryFolder(), 'temporal');
  const script = `#!/bin/sh
if [ "$1" = server ] && [ ! -e "${file}.tried" ]; then
  : > "${file}.tried"
  while [ "$1" != --db-filename ]; do shift; done
  : > "$2"
  kill -9 $$
fi
exec "${inject('temporalCli')}" "$@"
`;
  await writeFile(file, script, { mode: 0o755 });
  return file;
}

it('a first up that is interrupted while it creates the database does not prevent the next one', async () => {
  const env = await cleanHome({ TEMPORAL_CLI_PATH: await interruptedCli(), KIMI_LANG: 'en' });
  const first = await cli(['up', '--simulate'], env);
  expect(first).toMatchObject({ code: 3, stderr: expect.stringContaining('Temporal ended with') });
  await up({ ...env, KIMI_LANG: 'zh-TW' }, '--simulate');
  expect(await readdir(join(env['HOME'] ?? '', '.local/share/kimi-dispatch'))).not.toContain('temporal.db.unfinished');
});

it('a damaged database in a folder of any name: the suggested command works', async () => {
  const parent = await temporaryFolder();
  const home = join(parent, `a #b?c=%41 'd" $e`);
  const env = await cleanHome({ KIMI_HOME: home, KIMI_LANG: 'en' });
  const start = async (): Promise<void> => {
    const stack = launch(['up', '--simulate'], env);
    await until(() => stack.said.stdout.includes('Ctrl-C') || stack.child.exitCode !== null);
    expect(stack.said.stdout, stack.said.stderr).toContain('Kimi Dispatch is ready');
    stack.child.kill('SIGINT');
    await stack.ended;
  };
  await start();
  expect(await readdir(parent)).toEqual([home.slice(parent.length + 1)]);
  await writeFile(join(home, 'temporal.db'), 'no database');
  const refused = await cli(['up', '--simulate'], env);
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('is incomplete: the tasks in it') });
  expect(await readFile(join(home, 'temporal.db'), 'utf8')).toBe('no database');
  execFileSync('sh', ['-c', refused.stderr.trim().split('\n').at(-1) ?? '']);
  expect((await readdir(home)).filter((name) => name.startsWith('temporal.db'))).toEqual([]);
  await start();
});

/** A home with these files, and the error of preparing it. */
async function prepared(files: Record<string, Buffer>): Promise<{ home: string; error: unknown }> {
  const home = await temporaryFolder();
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(home, name), bytes);
  return { home, error: await (async () => prepareDatabase(home, '1.0.0'))().catch((thrown: unknown) => thrown) };
}

describe('a database is refused before an engine opens it', () => {
  /** A header of two pages. */
  const header = Buffer.alloc(8192);
  header.write('SQLite format 3\0', 'latin1');
  header.writeUInt16BE(4096, 16);
  header.writeUInt32BE(2, 28);

  it.each([
    ['it is empty', { 'temporal.db': Buffer.alloc(0) }, 'cut_off'],
    ['its end is missing', { 'temporal.db': header.subarray(0, 5000) }, 'cut_off'],
    ['only its log exists', { 'temporal.db-wal': Buffer.from('x') }, 'cut_off'],
    ['it is something else', { 'temporal.db': Buffer.alloc(8192, 'x') }, 'not_a_database'],
  ])('if %s', async (_what, files, problem) => {
    const { home, error } = await prepared(files);
    expect(error).toBeInstanceOf(DatabaseUnusable);
    expect(error).toMatchObject({ problem });
    expect((await readdir(home)).toSorted()).toEqual(Object.keys(files));
  });

  it.each([
    ['it is complete', { 'temporal.db': header }],
    [
      'its newest pages are in its log',
      { 'temporal.db': header.subarray(0, 4096), 'temporal.db-wal': Buffer.from('x') },
    ],
  ])('but not if %s', async (_what, files) => {
    const { home, error } = await prepared(files);
    expect(error).toBeUndefined();
    expect((await readdir(home)).toSorted()).toEqual(Object.keys(files));
  });
});

it.each([
  ['Error: unable to create SQLite admin DB: file is not a database (26)', 'not_a_database'],
  ['database disk image is malformed (11)', 'damaged'],
  ['SQL logic error: no such table: namespaces (1)', 'damaged'],
  ['failed setting up schema: database or disk is full (13)', 'disk_full'],
  ['listen tcp 127.0.0.1:7233: bind: permission denied', undefined],
])('an engine that ends with “%s”: %s', async (said, problem) => {
  expect(databaseProblem(await temporaryFolder(), said)).toBe(problem);
});

it.each([
  ['nothing is wrong', `Temporal Server: x\nwarn`, undefined],
  ['the engine has reported damage', 'Temporal Server: x\nerror: database disk image is malformed (11)', 'damaged'],
  ['it ended before it was ready', 'database disk image is malformed', 'damaged'],
  ['it has started successfully since', 'malformed\nTemporal Server: x\nwarn', undefined],
])('the log of an engine if %s', async (_what, said, damage) => {
  const home = await temporaryFolder();
  await mkdir(join(home, 'logs'));
  await writeFile(join(home, 'logs', 'temporal.log'), said);
  expect(damageOf(home)).toBe(damage);
});

it('doctor reports a damaged database, whether the stack runs or not; so does up if the engine ends because of it', async () => {
  const env = await cleanHome({ KIMI_LANG: 'zh-TW' });
  const stack = await up(env, '--simulate');
  const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
  const file = join(home, 'temporal.db');
  expect((await inProcess(['doctor'], { ...env, KIMI_LANG: 'en' })).stdout).not.toContain('database');
  // The engine may write the header again, while it runs and when it stops.
  const damage = async (): Promise<void> => await writeFile(file, 'x'.repeat(8192));
  await damage();
  const said = expect.stringMatching(/✗ the engine’s database ~.*temporal\.db is not a database; run .* down.*mv ~/);
  expect(await inProcess(['doctor'], { ...env, KIMI_LANG: 'en' })).toMatchObject({ code: 3, stdout: said });

  const [engine] = await enginesIn(home);
  await damage();
  process.kill(engine as number, 'SIGKILL');
  await until(() => stack.said.stderr.includes('引擎的資料庫'));
  expect(stack.said.stderr).toMatch(/temporal 意外結束[^]*引擎的資料庫 ~.*temporal\.db 不是資料庫；/);
  await stack.stop();
  await damage();
  expect(await inProcess(['doctor'], { ...env, KIMI_LANG: 'en' })).toMatchObject({ code: 3, stdout: said });
});

/** @returns the engines that run in a folder */
async function enginesIn(home: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = [];
  for (const pid of pids) {
    const args = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (folder === home && args.includes('start-dev') && !args.startsWith('sh')) found.push(Number(pid));
  }
  return found;
}
