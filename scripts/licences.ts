/** The licences of the bundled packages, which are distributed with them. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

/**
 * @param others licences of what is not from a package, which are added at the end
 * @returns name, version and licence of every package in these bundles, as text
 */
export async function licencesOf(
  metafiles: (Metafile | undefined)[],
  root: string,
  ...others: string[]
): Promise<string> {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile?.inputs ?? {}));
  const folders = inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0] ?? []);
  const texts = [...new Set(folders)].toSorted().map(async (folder) => await licenceOf(join(root, folder)));
  return [...(await Promise.all(texts)), ...others].join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license: string;
  };
  const file = (await readdir(folder)).find((entry) => /^(?:licen[cs]e|copying)/i.test(entry));
  const text = file === undefined ? '' : `\n${(await readFile(join(folder, file), 'utf8')).trim()}\n`;
  return `${name} ${version}: ${license}\n${text}`;
}
