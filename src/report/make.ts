import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Lang } from '../shared/task.ts';
import { ServiceError } from '../service/exit.ts';
import { DIST } from '../service/files.ts';
import type { Links, Section } from './html.ts';

/** What a report is to be of. */
export interface Order {
  /** Of the result files. */
  folder: string;
  /** Milliseconds since 1970. */
  since: number;
  until: number;
  lang: Lang;
  links: Links;
}

/** What results tell. */
export interface Made {
  /** Results of that time. */
  tasks: number;
  /** Files that hold no result. */
  damaged: number;
  sections: Section[];
}

/** A thread that wants more ends with an error, and nothing else does. 50,000 results take a tenth of it. Megabytes. */
const MEMORY_MB = 1_024;

const THREAD = join(DIST, 'report-thread.js');

/**
 * Reads the results and draws, on a thread of its own: reading blocks, and what draws is loaded there alone and is gone
 * with it.
 *
 * @throws what went wrong there: a folder that cannot be read, or too many results for {@link MEMORY_MB}.
 */
export async function makeReport(order: Order): Promise<Made> {
  if (!existsSync(THREAD)) {
    throw new ServiceError(
      `${THREAD} is missing, because the package was updated or removed; run kimi-dispatch down, then kimi-dispatch up --detach`,
    );
  }
  const thread = new Worker(THREAD, {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  try {
    const [made] = (await once(thread, 'message')) as [Made];
    return made;
  } finally {
    await thread.terminate();
  }
}
