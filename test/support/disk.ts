import { spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Puts a folder where a file has to go, so that it cannot be written. @returns what takes it away. */
export async function standInTheWay(path: string): Promise<() => Promise<void>> {
  await mkdir(path);
  await writeFile(join(path, 'x'), '');
  return async () => await rm(path, { recursive: true });
}

/** Whether this machine lets us mount: small disks are made of memory, for one process alone. */
export const canMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0;

/** Arguments of `unshare` that run a shell script with a disk of this size mounted at the folder, `$DISK`. All ends with it. */
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
