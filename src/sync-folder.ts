import { closeSync, fsyncSync, openSync } from 'node:fs';

/** A file that is new in a folder survives a power cut only once the folder is synced. For what happens rarely: it blocks. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
