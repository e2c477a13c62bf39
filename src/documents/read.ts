import { ServiceError } from '../service/exit.ts';
import { onThread } from '../service/thread.ts';
import type { Readable } from './kind.ts';

/** The text of a document, or why there is none. `pages`: PNGs of its scanned pages, if it has no text. */
export type DocumentText =
  | { text: string; pages?: Uint8Array[] }
  | { failure: 'locked' | 'unpacked' | 'damaged' | 'too_hard' };

/** A hostile document exceeds them. */
const LIMITS = { memoryMb: 1_024, timeMs: 60_000 };

/** Reads a document on a worker thread, because reading blocks, and a hostile document may take all memory or never end. */
export async function readDocument(bytes: Uint8Array, format: Readable): Promise<DocumentText> {
  try {
    return await onThread('document-thread.js', { bytes, format }, LIMITS);
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    return { failure: 'too_hard' };
  }
}
