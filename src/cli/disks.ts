import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { journalFolder, type Config } from '../config/index.ts';
import { MAX_CALLBACK_BYTES } from '../shared/callback.ts';
import { freeBytes, probeFolder } from '../service/files.ts';

/**
 * A disk with less has no room for one answer of the largest size: it lies in the relay's recording, the engine's payloads,
 * the journal and the result, which is written aside first, and the engine's database grows meanwhile. Bytes.
 */
export const NEEDED_BYTES = 6 * MAX_CALLBACK_BYTES;

/** Folders of one disk that share a problem. */
export interface DiskProblem {
  folders: string[];
  /** What names other folders. */
  variables: string[];
  /** The system's code; absent where it is too little room alone. */
  code?: string | undefined;
  free: number;
}

/** Looks at every folder that is written to. @returns the least room there is, and what is wrong. */
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
    const { disk, free, code } = await look(folder);
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

/** A folder that is not there yet will be on the disk of the one above it. */
async function look(folder: string): Promise<{ disk: number; free: number; code?: string | undefined }> {
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
