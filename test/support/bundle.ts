/** Scripts that a test starts as processes. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { lifetime } from './resources.ts';

/**
 * Bundles a script, as the build does with the services: `tsx` would take a second of every start.
 *
 * @param script its path in the repository
 * @returns the path of the bundle, which is removed at the end of its `lifetime`
 */
export async function bundle(script: string): Promise<string> {
  const release = lifetime();
  const cache = join(PACKAGE_ROOT, 'node_modules/.cache');
  await mkdir(cache, { recursive: true });
  // Where the packages are found.
  const outdir = await mkdtemp(join(cache, 'kimi-test-'));
  release(async () => await rm(outdir, { recursive: true, force: true }));
  await build({
    entryPoints: [join(PACKAGE_ROOT, script)],
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'warning',
  });
  return join(outdir, basename(script).replace(/\.ts$/, '.mjs'));
}
