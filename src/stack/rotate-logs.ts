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

/** A larger log is renamed to `.1`, which replaces the previous one. */
const MAX_LOG_BYTES = 10 * 1024 * 1024;

/**
 * Rotates the large logs of a folder while processes write to them: copies and truncates, since processes keep their file open in
 * append mode. After a crash between the two, lines are there twice; none is lost.
 */
export function rotateLogs(folder: string, maxBytes = MAX_LOG_BYTES): void {
  // The folder may have been removed.
  const names = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of names.filter((file) => file.endsWith('.log'))) {
    const file = join(folder, name);
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > maxBytes) rotate(file, `${file}.1`);
  }
}

function rotate(file: string, aside: string): void {
  // Frees the space that the copy needs.
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
