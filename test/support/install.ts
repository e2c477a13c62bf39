import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { temporaryFolder } from './resources.ts';

/** @returns a second installation of this build: hard links, so that it takes only a second */
export async function install(): Promise<string> {
  const copy = await temporaryFolder();
  const files = ['dist', 'node_modules', 'package.json'];
  // Hard links need the same file system.
  const script = 'cp -al "$@" || cp -R "$@"';
  await promisify(execFile)('sh', ['-c', script, 'sh', ...files, `${copy}/`], { cwd: PACKAGE_ROOT });
  return copy;
}
