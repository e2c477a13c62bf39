/** The compiled code of commands, which is kept from one run to the next. */
import { appendFile, cp, mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DIST, PACKAGE_ROOT } from '../../src/service/files.ts';
import { cleanHome, cli, launch, type Ended } from '../support/cli.ts';
import { temporaryFolder } from '../support/resources.ts';

/** Files of kept code, by what they are for. */
async function keptIn(cache: string): Promise<Record<string, string>> {
  const entries = await readdir(join(cache, 'code'), { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(files.map((file) => [file.split('-').at(-1), file]));
}

it('runs the same with the code of an earlier run, of another build, cut off, or not writable', async () => {
  const folder = await temporaryFolder();
  const cache = join(folder, 'a cache');
  const env = await cleanHome({ KIMI_LANG: 'en', KIMI_CACHE: cache });
  const help = await cli(['--help'], env);
  // Loads a module of the other commands, which code from an earlier run cannot import by itself.
  const other = await cli(['models', '--json'], env);
  const wrong = await cli(['status', 'kimi-1-1'], env);
  expect([help.code, other.code, wrong.code]).toEqual([0, 0, 5]);
  const kept = await keptIn(cache);
  expect(Object.keys(kept).toSorted()).toEqual(['help', 'others', 'status']);

  const isTheSame = async (): Promise<void> => {
    expect(await cli(['--help'], env)).toEqual(help);
    expect(await cli(['models', '--json'], env)).toEqual(other);
    expect(await cli(['status', 'kimi-1-1'], env)).toEqual(wrong);
  };
  const file = kept['help'] ?? '';
  const code = await readFile(file);
  await isTheSame();
  expect(await readFile(file), 'used, not written again').toEqual(code);

  await truncate(file, 100_000);
  await isTheSame();
  expect((await readFile(file)).length, 'written again').toBeGreaterThan(200_000);
  await appendFile(file, 'another build');
  await isTheSame();
  expect((await readFile(file)).includes('another build')).toBe(false);

  const damaged = Buffer.from(code);
  for (let at = 5_000; at < damaged.length; at += 997) damaged[at] = 0xff - (damaged[at] ?? 0);
  await writeFile(file, damaged);
  await isTheSame();
  expect(await readFile(file), 'written again').not.toEqual(damaged);

  const build = await readFile(join(DIST, 'build-id'));
  const foreignCode = Buffer.alloc(100_000, 'code of another V8');
  const foreign = Buffer.concat([foreignCode, foreignCode, build]);
  await writeFile(file, foreign);
  await isTheSame();
  expect(await readFile(file), 'left to the process that uses it').toEqual(foreign);

  const file0 = join(folder, 'a file');
  await writeFile(file0, '');
  expect(await cli(['--help'], { ...env, KIMI_CACHE: file0 })).toEqual(help);
  expect(await cli(['--help'], { ...env, KIMI_CACHE: '/proc/nope' })).toEqual(help);
});

it('is found through a symbolic link, in a folder with spaces, and apart for each installation', async () => {
  const folder = await temporaryFolder();
  const root = join(folder, 'my apps', 'kimi');
  await mkdir(join(root, 'dist'), { recursive: true });
  await cp(join(PACKAGE_ROOT, 'package.json'), join(root, 'package.json'));
  for (const name of ['kimi-dispatch.cjs', 'starter.cjs', 'build-id']) {
    await cp(join(DIST, name), join(root, 'dist', name));
  }
  const bin = join(folder, 'kimi-dispatch');
  await symlink(join(root, 'dist/kimi-dispatch.cjs'), bin);
  const cache = join(folder, 'cache');
  const env = await cleanHome({ KIMI_CACHE: cache });
  const installed = async (): Promise<Ended> => await launch([bin, '--help'], env, 'node').ended;
  const here = await cli(['--help'], env);
  expect(await installed()).toEqual(here);
  expect(await installed()).toEqual(here);
  const { help } = await keptIn(cache);
  expect(help).toBeDefined();
  const entries = await readdir(join(cache, 'code'), { recursive: true });
  expect(entries.filter((name) => name.endsWith('starter.cjs-help'))).toHaveLength(2);
});

it('the program is text of one byte a character, as it is read: regular expressions hold no others', async () => {
  const program = await readFile(join(DIST, 'starter.cjs'));
  expect(program.filter((byte) => byte > 0x7f)).toHaveLength(0);
});
