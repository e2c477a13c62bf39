/** The Temporal server of a home. Its database is opened by the version that wrote it, or by a newer one after a copy was made. */
import { constants, existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { ServiceError } from '../service/exit.ts';
import { COMPANIONS, DATABASE } from './engine-database.ts';

/** File name in `KIMI_HOME`. */
const SERVER_FILE = 'temporal-server.json';

/** The copy of an upgrade that is not finished. */
const UNFINISHED = 'temporal-upgrade.unfinished';

export interface TemporalServer {
  /** The `temporal` binary. */
  path: string;
  /** Version of the server in it: `1.32.0`. */
  version: string;
}

/** @returns the server that last wrote the database of a home. */
export function serverOf(home: string): TemporalServer | undefined {
  try {
    const { path, version } = JSON.parse(readFileSync(join(home, SERVER_FILE), 'utf8')) as Partial<TemporalServer>;
    return typeof path === 'string' && typeof version === 'string' ? { path, version } : undefined;
  } catch {
    return undefined;
  }
}

/** @returns less than 0 if the first version is older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const differences = [0, 1, 2].map((index) => (left?.[index] ?? 0) - (right?.[index] ?? 0));
  return differences.find((difference) => difference !== 0) ?? 0;
}

/**
 * Called before a server opens the database. An interrupted upgrade is undone. Before another one the database is copied.
 *
 * @throws {ServiceError} `server_older`: an older server may not understand the database.
 */
export async function beforeServer(home: string, next: TemporalServer, onCopy: () => void): Promise<void> {
  await undoUpgrade(home);
  const last = serverOf(home);
  if (!last || !existsSync(join(home, DATABASE))) return;
  const order = compareVersions(next.version, last.version);
  if (order < 0) {
    throw new ServiceError('server_older', { home, file: next.path, found: next.version, written: last.version });
  }
  if (order === 0) return;
  onCopy();
  const aside = join(home, `${UNFINISHED}.copying`);
  rmSync(aside, { recursive: true, force: true });
  await copyDatabase(home, aside);
  renameSync(aside, join(home, UNFINISHED));
}

/** Records the version that has opened the database, before anything uses it. The copy of an upgrade is kept. */
export async function recordServer(home: string, server: TemporalServer): Promise<void> {
  const last = serverOf(home);
  const copy = join(home, UNFINISHED);
  if (last && existsSync(copy)) {
    const kept = join(home, `temporal-${last.version}.copy`);
    rmSync(kept, { recursive: true, force: true });
    renameSync(copy, kept);
  }
  if (last?.path === server.path && last.version === server.version) return;
  await writeFileAtomic(join(home, SERVER_FILE), `${JSON.stringify(server)}\n`, { mode: 0o600 });
}

/** Puts the database back as it was before an upgrade that did not finish. @returns whether there was one. */
export async function undoUpgrade(home: string): Promise<boolean> {
  const copy = join(home, UNFINISHED);
  if (!existsSync(copy)) return false;
  for (const suffix of ['', ...COMPANIONS]) rmSync(join(home, `${DATABASE}${suffix}`), { force: true });
  await copyDatabase(copy, home);
  rmSync(copy, { recursive: true });
  return true;
}

/** Copies the database with its write-ahead log. No server may have it open. */
async function copyDatabase(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const suffix of ['', ...COMPANIONS]) {
    const name = `${DATABASE}${suffix}`;
    if (existsSync(join(from, name))) await copyFile(join(from, name), join(to, name), constants.COPYFILE_FICLONE);
  }
}
