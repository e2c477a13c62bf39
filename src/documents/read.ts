import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ServiceError } from '../service/exit.ts';
import { DIST } from '../service/files.ts';
import type { Readable } from './kind.ts';

/** The text of a document, or why there is none. */
export type DocumentText = { text: string } | { failure: 'locked' | 'damaged' | 'too_hard' };

/** Heap limit of the thread, in megabytes, and its time limit, in milliseconds: a document may be made to exceed either. */
const MEMORY_MB = 1_024;
const TIME_MS = 60_000;

const THREAD = join(DIST, 'document-thread.js');

/** Reads a document on a thread of its own: reading blocks, and whoever made the document may have wanted it to. */
export async function readDocument(bytes: Uint8Array, format: Readable): Promise<DocumentText> {
  if (!existsSync(THREAD)) throw new ServiceError('report_missing', { file: THREAD });
  const thread = new Worker(THREAD, {
    workerData: { bytes, format },
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    stdout: true,
    stderr: true,
  });
  const leaving = new AbortController();
  try {
    const message = once(thread, 'message', { signal: leaving.signal }) as Promise<[DocumentText]>;
    const late = pause(TIME_MS, [{ failure: 'too_hard' }] as [DocumentText], { signal: leaving.signal });
    const [text] = await Promise.race([message, late]);
    return text;
  } catch {
    // It ran out of memory.
    return { failure: 'too_hard' };
  } finally {
    leaving.abort();
    await thread.terminate();
  }
}
