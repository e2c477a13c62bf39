/** The shell scripts, called from any folder. */
import { execFile } from 'node:child_process';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { temporaryFolder } from '../support/resources.ts';

it.each([
  ['run-kimi.sh', 'run'],
  ['scripts/dispatch-kimi.sh', 'dispatch'],
])(
  '%s finds its folder through symbolic links, absolute, relative and chained, with spaces',
  async (script, command) => {
    const folder = await temporaryFolder();
    // A package that is already built, and prints its arguments.
    const root = join(folder, 'my apps', 'kimi');
    await mkdir(join(root, 'src'), { recursive: true });
    await cp(join(PACKAGE_ROOT, 'scripts/ensure-built.sh'), join(root, 'scripts/ensure-built.sh'));
    await cp(join(PACKAGE_ROOT, script), join(root, script));
    for (const file of [
      'package.json',
      'package-lock.json',
      'node_modules/.package-lock.json',
      'dist/kimi-dispatch.cjs',
    ]) {
      await mkdir(join(root, file, '..'), { recursive: true });
      await writeFile(join(root, file), file.endsWith('.cjs') ? 'console.log(process.argv.slice(2).join("|"))' : '{}');
    }
    await mkdir(join(folder, 'a bin'));
    await symlink(join(root, script), join(folder, 'a bin/absolute'));
    await symlink(`../my apps/kimi/${script}`, join(folder, 'a bin/relative'));
    await symlink('relative', join(folder, 'a bin/chained'));
    await symlink('a bin', join(folder, 'linked bin'));
    await symlink(join(root, script, '..'), join(folder, 'linked folder'));
    const calls = ['a bin/absolute', 'a bin/relative', './a bin/chained', 'linked bin/chained', 'linked folder/self'];
    await symlink(join(root, script), join(folder, 'linked folder/self'));
    for (const call of calls) {
      const { stdout } = await promisify(execFile)('sh', ['-c', '"$0" -n "two words"', call], { cwd: folder });
      expect(stdout, call).toBe(`${command}|-n|two words\n`);
    }
  },
);
