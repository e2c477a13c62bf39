/** The other build of a deploy: the last release, or this build with another text where git does not have that release. */
import { execFile } from 'node:child_process';
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { DIST, PACKAGE_ROOT } from '../../../src/service/files.ts';
import { RELEASED, releaseCommit } from '../../support/releases.ts';
import { temporaryFolder } from '../../support/resources.ts';

const run = promisify(execFile);

export interface OtherBuild {
  /** What it is, in words. */
  name: string;
  /** Its `dist` folder, removed when the test has finished. */
  dist: string;
}

/** @param commit any commit in place of the last release */
export async function otherBuild(commit: string | undefined): Promise<OtherBuild> {
  if (commit !== undefined) return { name: commit, dist: await buildOf(commit) };
  for (const version of RELEASED) {
    const release = await releaseCommit(version);
    if (release !== undefined) return { name: `${version}, ${release}`, dist: await buildOf(release) };
  }
  return { name: 'this one with another text, since no release is before it in git', dist: await withOtherText() };
}

async function buildOf(commit: string): Promise<string> {
  const folder = await temporaryFolder();
  await run('git', ['archive', '--output', join(folder, 'release.tar'), commit], { cwd: PACKAGE_ROOT });
  await run('tar', ['-xf', 'release.tar'], { cwd: folder });
  const [here, there] = await Promise.all([PACKAGE_ROOT, folder].map(dependenciesOf));
  if (isDeepStrictEqual(here, there)) await linkModules(folder);
  else await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder });
  await run('npm', ['run', 'build'], { cwd: folder });
  return join(folder, 'dist');
}

/** @returns the packages of its lock file. */
async function dependenciesOf(folder: string): Promise<object> {
  const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, object>;
  };
  return { ...packages, '': { ...packages[''], version: undefined } };
}

/** A text of the workflows in this build and in the other one. */
const TEXT = ["heading: 'Now'", "heading: 'Before the deploy'"] as const;

async function withOtherText(): Promise<string> {
  const folder = await temporaryFolder();
  const dist = join(folder, 'dist');
  await cp(DIST, dist, { recursive: true });
  await cp(join(PACKAGE_ROOT, 'package.json'), join(folder, 'package.json'));
  await linkModules(folder);
  const workflows = join(dist, 'workflows.cjs');
  const code = await readFile(workflows, 'utf8');
  const changed = code.replaceAll(...TEXT);
  if (changed === code) throw new Error(`${workflows} does not hold ${JSON.stringify(TEXT[0])}`);
  await writeFile(workflows, changed);
  return dist;
}

async function linkModules(folder: string): Promise<void> {
  await symlink(join(PACKAGE_ROOT, 'node_modules'), join(folder, 'node_modules'));
}
