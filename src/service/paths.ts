import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where package.json lies: this module runs from src/, and bundled from dist/. */
export const PACKAGE_ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

/** What `npm run build` makes. */
export const DIST = join(PACKAGE_ROOT, 'dist');

/** @returns a path as the user would type it. */
export function tildePath(path: string): string {
  const home = homedir();
  return path === home || path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** @returns a path as one word of a shell, for a command that the user may paste. */
export function shellPath(path: string): string {
  const typed = tildePath(path);
  return /^[\w/.~+-]+$/.test(typed) ? typed : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

function findRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder));
}
