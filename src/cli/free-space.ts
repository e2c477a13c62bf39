/** Free space and write access of every folder that services write to, for `doctor`. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { journalFolder, type Config } from '../config/index.ts';
import { MAX_CALLBACK_BYTES } from '../shared/callback.ts';
import { freeBytes, probeFolder } from '../service/files.ts';

/**
 * Space that one answer of the largest size can take, in bytes: the relay's recording, the engine's payloads, the journal, the
 * result and its temporary file, and the growth of the engine's database.
 */
export const NEEDED_BYTES = 6 * MAX_CALLBACK_BYTES;

/** A problem of one disk, and its folders. */
export interface DiskProblem {
  folders: string[];
  /** Variables that choose other folders. */
  variables: string[];
  /** The system's error code; absent if the disk is writable but low on space. */
  code?: string | undefined;
  free: number;
}

/** Checks every folder that services write to. @returns the least free space, and the problems. */
export async function checkDisks(config: Config, results: string): Promise<{ free: number; problems: DiskProblem[] }> {
  const { KIMI_HOME: home, KIMI_PAYLOAD_DIR: payloads, KIMI_PAYLOAD_S3_BUCKET: bucket } = config;
  const used: [folder: string, variable: string][] = [
    [home, 'KIMI_HOME'],
    [results, 'KIMI_RESULTS_DIR'],
    [journalFolder(config), 'KIMI_JOURNAL_DIR'],
    [join(home, 'streams'), 'KIMI_HOME'],
    ...(bucket ? [] : [[payloads ?? join(home, 'payloads'), 'KIMI_PAYLOAD_DIR'] as [string, string]]),
    [config.KIMI_CACHE, 'KIMI_CACHE'],
  ];
  let least = Infinity;
  const problems = new Map<string, DiskProblem>();
  for (const [folder, variable] of used) {
    const { disk, free, code } = await probeDisk(folder);
    least = Math.min(least, free);
    if (code === undefined && free >= NEEDED_BYTES) continue;
    const key = `${disk} ${code}`;
    const problem = problems.get(key) ?? { folders: [], variables: [], code, free };
    problem.folders.push(folder);
    if (!problem.variables.includes(variable)) problem.variables.push(variable);
    problems.set(key, problem);
  }
  return { free: least, problems: [...problems.values()] };
}

/** @returns the disk of a folder, its free space, and why it is not writable. A missing folder will be on its nearest existing parent's disk. */
async function probeDisk(folder: string): Promise<{ disk: number; free: number; code?: string | undefined }> {
  let there = folder;
  const isThere = async (): Promise<boolean> =>
    await stat(there).then(
      () => true,
      () => false,
    );
  while (!(await isThere()) && dirname(there) !== there) there = dirname(there);
  const [{ dev: disk }, free] = await Promise.all([stat(there), freeBytes(there)]);
  try {
    await (there === folder ? probeFolder(folder) : access(there, constants.W_OK));
    return { disk, free };
  } catch (error) {
    return { disk, free, code: (error as NodeJS.ErrnoException).code ?? (error as Error).message };
  }
}
