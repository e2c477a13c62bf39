import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** Logs over this size are set aside as `.1`, in place of the one before. */
const MAX_LOG_BYTES = 10 * 1024 * 1024;

/**
 * Sets aside the logs of a folder that are too large, while processes write to them: copies and truncates, since processes
 * keep the file that they were started with. They append, so each goes on at the new end. A crash between the two leaves a
 * line twice, never lost.
 */
export function rotateLogs(folder: string, maxBytes = MAX_LOG_BYTES): void {
  // A folder that was removed has none.
  const names = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of names.filter((file) => file.endsWith('.log'))) {
    const file = join(folder, name);
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxBytes) rotate(file, `${file}.1`);
  }
}

function rotate(file: string, aside: string): void {
  // Gives back its room, which the copy needs.
  rmSync(aside, { force: true });
  try {
    copyFileSync(file, aside);
    const [from, to] = [openSync(file, 'r+'), openSync(aside, 'a')];
    try {
      copyRest(from, to);
      ftruncateSync(from);
    } finally {
      for (const descriptor of [from, to]) closeSync(descriptor);
    }
  } catch {
    // A full disk: the log stays as it is.
    rmSync(aside, { force: true });
  }
}

/** Copies what was appended meanwhile, up to the instant before the truncation. */
function copyRest(from: number, to: number): void {
  const buffer = Buffer.alloc(64 * 1024);
  for (let position = fstatSync(to).size; ;) {
    const length = readSync(from, buffer, 0, buffer.length, position);
    if (length === 0) return;
    writeSync(to, buffer, 0, length);
    position += length;
  }
}
