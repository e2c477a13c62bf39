/** The build before the deploy: this one with other texts, until there is a release. */
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DIST, PACKAGE_ROOT } from '../../../src/service/files.ts';
import { temporaryFolder } from '../../support/resources.ts';

/** A text of the workflows in this build and in the other one. */
const TEXT = ["heading: 'Now'", "heading: 'Before the deploy'"] as const;

/** @returns its `dist` folder, removed when the test has finished. */
export async function otherBuild(): Promise<string> {
  const folder = await temporaryFolder();
  const dist = join(folder, 'dist');
  await cp(DIST, dist, { recursive: true });
  await cp(join(PACKAGE_ROOT, 'package.json'), join(folder, 'package.json'));
  await symlink(join(PACKAGE_ROOT, 'node_modules'), join(folder, 'node_modules'));
  const workflows = join(dist, 'workflows.cjs');
  const code = await readFile(workflows, 'utf8');
  const changed = code.replaceAll(...TEXT);
  if (changed === code) throw new Error(`${workflows} does not hold ${JSON.stringify(TEXT[0])}`);
  await writeFile(workflows, changed);
  return dist;
}
