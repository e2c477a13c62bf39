import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Lang } from '../shared/task.ts';
import { ServiceError } from '../service/exit.ts';
import { DIST } from '../service/files.ts';
import type { Links, Section } from './html.ts';

export interface ReportOptions {
  /** Folder of the result files. */
  folder: string;
  /** Of the questions in the result files; without them no question is shown. */
  keys?: ReadonlyMap<string, KeyObject>;
  /** Milliseconds since 1970. */
  since: number;
  until: number;
  lang: Lang;
  links: Links;
}

/** The sections drawn from results. */
export interface Report {
  /** Results in the period. */
  tasks: number;
  /** Files that hold no valid result. */
  damaged: number;
  sections: Section[];
}

/** Heap limit of the thread: exceeding it ends the thread with an error, not the process. 50,000 results take a tenth of it. Megabytes. */
const MEMORY_MB = 1_024;

const THREAD = join(DIST, 'report-thread.js');

/**
 * Reads the results and draws the charts on a worker thread: reading blocks, and the chart library is loaded only there.
 *
 * @throws if the folder cannot be read, or the results exceed {@link MEMORY_MB}
 */
export async function makeReport(options: ReportOptions): Promise<Report> {
  if (!existsSync(THREAD)) {
    throw new ServiceError('report_missing', { file: THREAD });
  }
  const thread = new Worker(THREAD, {
    workerData: options,
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  try {
    const [report] = (await once(thread, 'message')) as [Report];
    return report;
  } finally {
    await thread.terminate();
  }
}
