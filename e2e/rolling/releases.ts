/** Releases before this one, built from this repository's history. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { readConfig } from '../../src/config.ts';
import { PACKAGE_ROOT } from '../../src/paths.ts';

const run = promisify(execFile);

export interface Release {
  name: string;
  commit: string;
  /** Whether it can go on with tasks of today's that a limiter admitted. */
  knowsLimiter: boolean;
}

/** Each by the last commit of it. */
export const RELEASES: Release[] = [
  // What CHANGELOG.md describes.
  { name: '0.1.0', commit: 'b614f00786eae2614d7dafc5754dd1f821a899f0', knowsLimiter: false },
  // The last that called itself so: it had the limiter and the agent's own acknowledgement already.
  { name: '0.1.0 with limits', commit: 'bf5232422e194d56f49525c35d2f823788f262b0', knowsLimiter: true },
];

/**
 * Takes a release out of the history, installs what it needs and builds it, once, into `KIMI_CACHE`.
 *
 * @returns its `dist` folder.
 */
export async function build({ name, commit }: Pick<Release, 'name' | 'commit'>): Promise<string> {
  const folder = join(readConfig().KIMI_CACHE, `release-${commit.slice(0, 12)}`);
  if (existsSync(folder)) return join(folder, 'dist');
  await run('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: PACKAGE_ROOT }).catch(() => {
    throw new Error(
      `the commit ${commit} of ${name} is not in this repository, which may be a shallow clone; run git fetch --unshallow`,
    );
  });
  await mkdir(dirname(folder), { recursive: true });
  const aside = await mkdtemp(`${folder}-`);
  try {
    await run('git', ['archive', '--output', join(aside, 'release.tar'), commit], { cwd: PACKAGE_ROOT });
    await run('tar', ['-xf', 'release.tar'], { cwd: aside });
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: aside });
    await run('npm', ['run', 'build'], { cwd: aside });
    await rename(aside, folder);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return join(folder, 'dist');
}
