import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ServiceError } from './exit.ts';
import { DIST } from './files.ts';

export interface ThreadLimits {
  /** Heap limit, in megabytes: exceeding it ends the thread with an error, not the process. */
  memoryMb: number;
  /** Time limit, in milliseconds; without one it may take as long as it needs. */
  timeMs?: number;
}

/**
 * Runs a program of `dist/` on a thread of its own, for work that blocks and libraries that only it needs.
 *
 * @returns its first message
 * @throws if the program is missing, fails or exceeds a limit
 */
export async function onThread<T>(program: string, workerData: unknown, limits: ThreadLimits): Promise<T> {
  const { memoryMb, timeMs } = limits;
  const file = join(DIST, program);
  if (!existsSync(file)) throw new ServiceError('program_gone', { file });
  const thread = new Worker(file, {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    stdout: true,
    stderr: true,
  });
  try {
    const signal = timeMs === undefined ? {} : { signal: AbortSignal.timeout(timeMs) };
    const [message] = (await once(thread, 'message', signal)) as [T];
    return message;
  } finally {
    await thread.terminate();
  }
}
