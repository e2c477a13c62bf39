import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Puts a folder where a file has to go, so that it cannot be written. @returns what takes it away. */
export async function standInTheWay(path: string): Promise<() => Promise<void>> {
  await mkdir(path);
  await writeFile(join(path, 'x'), '');
  return async () => await rm(path, { recursive: true });
}
