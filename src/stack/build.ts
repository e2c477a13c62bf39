import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIST } from '../service/files.ts';
import type { StackState } from './state.ts';

/** @returns the id that `npm run build` gave what it made, a hash of it; `undefined` where the files are gone. */
export function buildIn(dist: string): string | undefined {
  try {
    return readFileSync(join(dist, 'build-id'), 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns whether the services run what is installed: neither they nor this command were updated or removed since. */
export function isInstalled({ build, dist }: Pick<StackState, 'build' | 'dist'>): boolean {
  return [DIST, dist].every((folder) => buildIn(folder) === build);
}
