import { fstatSync, writeSync } from 'node:fs';

/**
 * Writes to standard output without its stream, which takes Node 4 ms to open.
 *
 * @returns what is not taken at once: the stream waits for it, or reports why not
 */
export function writeNow(text: string): Buffer {
  const bytes = Buffer.from(text);
  try {
    return bytes.subarray(writeSync(1, bytes));
  } catch {
    return bytes;
  }
}

/** @returns whether standard output may be a terminal, which has a width and colours. */
export function mayBeTerminal(): boolean {
  try {
    return fstatSync(1).isCharacterDevice();
  } catch {
    return true;
  }
}
