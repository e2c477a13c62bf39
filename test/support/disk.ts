import { spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Creates a folder in place of a file, so that the file cannot be written. @returns a function that removes it. */
export async function standInTheWay(path: string): Promise<() => Promise<void>> {
  await mkdir(path);
  await writeFile(join(path, 'x'), '');
  return async () => await rm(path, { recursive: true });
}

/** Whether this user may mount a tmpfs in a mount namespace. */
export const canMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

/** Arguments of `unshare` that run a shell script with a tmpfs of a size mounted at `$DISK`. */
export function withDisk(folder: string, megabytes: number, script: string): string[] {
  const mount = 'mount -t tmpfs -o size="$SIZE" tmpfs "$DISK"';
  return [
    '-m',
    '--pid',
    '--fork',
    '--kill-child',
    'env',
    `DISK=${folder}`,
    `SIZE=${megabytes}m`,
    'sh',
    '-c',
    `${mount} && ${script}`,
  ];
}
