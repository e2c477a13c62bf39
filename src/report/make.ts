import type { KeyObject } from 'node:crypto';
import type { Lang } from '../shared/task.ts';
import { onThread } from '../service/thread.ts';
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

/** Heap limit of the thread, in megabytes: 50,000 results take a tenth of it. */
const MEMORY_MB = 1_024;

/**
 * Reads the results and draws the charts on a worker thread: reading blocks, and the chart library is loaded only there.
 *
 * @throws if the folder cannot be read, or the results exceed {@link MEMORY_MB}
 */
export async function makeReport(options: ReportOptions): Promise<Report> {
  return await onThread('report-thread.js', options, { memoryMb: MEMORY_MB });
}
