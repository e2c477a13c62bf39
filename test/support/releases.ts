/** The version of this package, those that were released, and the folders of their recorded histories. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
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
