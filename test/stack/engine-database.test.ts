/** A first start that was interrupted, a damaged database, and a KIMI_HOME with characters that URIs have a use for. */
import { execFileSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { databaseProblem, DatabaseUnusable, prepareDatabase } from '../../src/stack/engine-database.ts';
import { cleanHome, cli, launch, up } from '../support/cli.ts';
import { temporaryFolder, until } from '../support/world.ts';

/** A `temporal` whose first server leaves half a database and is killed; the next ones are real. */
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

it('a first up that is interrupted while the database is made does not stop the next one', async () => {
  const env = await cleanHome({ TEMPORAL_CLI_PATH: await interruptedCli(), KIMI_LANG: 'en' });
  const first = await cli(['up', '--simulate'], env);
  expect(first).toMatchObject({ code: 3, stderr: expect.stringContaining('temporal ended with') });
  await up({ ...env, KIMI_LANG: 'zh-TW' }, '--simulate');
  expect(await readdir(join(env['HOME'] ?? '', '.local/share/kimi-dispatch'))).not.toContain('temporal.db.unfinished');
});

it('a damaged database in a folder of any name: what to do is said, and works', async () => {
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

/** A home with these files, and what preparing it throws. */
async function prepared(files: Record<string, Buffer>): Promise<{ home: string; error: unknown }> {
  const home = await temporaryFolder();
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(home, name), bytes);
  return { home, error: await (async () => prepareDatabase(home))().catch((thrown: unknown) => thrown) };
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
    ['its log alone is there', { 'temporal.db-wal': Buffer.from('x') }, 'cut_off'],
    ['it is something else', { 'temporal.db': Buffer.alloc(8192, 'x') }, 'not_a_database'],
  ])('where %s', async (_what, files, problem) => {
    const { home, error } = await prepared(files);
    expect(error).toBeInstanceOf(DatabaseUnusable);
    expect(error).toMatchObject({ problem });
    expect((await readdir(home)).toSorted()).toEqual(Object.keys(files));
  });

  it.each([
    ['it is whole', { 'temporal.db': header }],
    [
      'its newest pages are in its log',
      { 'temporal.db': header.subarray(0, 4096), 'temporal.db-wal': Buffer.from('x') },
    ],
  ])('but not where %s', async (_what, files) => {
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
