/** The version of this package, those that were released, and the folders of their recorded histories. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE_ROOT } from '../../src/service/files.ts';

export const HISTORIES = join(PACKAGE_ROOT, 'test', 'histories');

export const { version: VERSION } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
  version: string;
};

/** The released versions, newest first: the headings of CHANGELOG.md without “(unreleased)”. */
export const RELEASED = [
  ...readFileSync(join(PACKAGE_ROOT, 'CHANGELOG.md'), 'utf8').matchAll(/^## (?<version>\S+)$/gm),
].map(({ groups }) => groups?.['version'] as string);

/**
 * @returns the folder into which the histories of a version are recorded
 * @throws if it was released: tasks of it are open somewhere, and its histories are theirs
 */
export function recordingsOf(version: string, released: readonly string[] = RELEASED): string {
  if (released.includes(version)) {
    throw new Error(`${version} is released and its histories stay: give package.json the next version first`);
  }
  return join(HISTORIES, version);
}

/** @returns the commit that released a version, if git has it and it is not the current one. */
export async function releaseCommit(version: string, folder = PACKAGE_ROOT): Promise<string | undefined> {
  const heading = `^## ${version.replaceAll('.', String.raw`\.`)}$`;
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('git', args, { cwd: folder })).stdout.trim();
  const log = await git('log', '--format=%H %P', '-G', heading, '--', 'CHANGELOG.md').catch(() => '');
  const [commit, parent] = log.split('\n').at(-1)?.split(' ') ?? [];
  // The oldest commit of a shallow clone seems to have written every line; it has no parent.
  return parent === undefined || commit === (await git('rev-parse', 'HEAD')) ? undefined : commit;
}
