/** The database of the embedded engine: whether it can be used, and what is wrong with it. */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DIST } from '../service/files.ts';

/** File name in `KIMI_HOME`. */
export const DATABASE = 'temporal.db';

/** Marks a database whose engine was never ready: its schema may be incomplete, and it holds no task. */
const UNFINISHED = `${DATABASE}.unfinished`;

/** Suffixes of SQLite's other files. */
export const COMPANIONS = ['-wal', '-shm', '-journal'];

/** The first bytes of every SQLite database (sqlite.org/fileformat2.html). */
const MAGIC = 'SQLite format 3\0';
const HEADER_BYTES = 100;

/** Least free space for an engine's first tables. */
const LEAST_FREE_BYTES = 4 * 1024 * 1024;

export type DatabaseProblem = 'not_a_database' | 'cut_off' | 'damaged' | 'disk_full';

/** The engine cannot use its database. */
export class DatabaseUnusable extends Error {
  override readonly name = 'DatabaseUnusable';

  constructor(
    readonly home: string,
    readonly problem: DatabaseProblem,
  ) {
    super(`${join(home, DATABASE)}: ${problem}`);
  }
}

/**
 * Checks the database before an engine opens it. Files of an interrupted first start are removed, since the engine assumes that an
 * existing file is complete. A new one has the tables of src/stack/engine-tables.sql if they are of this version of the server.
 *
 * @param server its version; another one makes its own tables
 * @throws {DatabaseUnusable} Nothing is removed if it may hold tasks.
 */
export function prepareDatabase(home: string, server: string): void {
  const file = join(home, DATABASE);
  const marker = join(home, UNFINISHED);
  if (existsSync(marker)) for (const suffix of ['', ...COMPANIONS]) rmSync(`${file}${suffix}`, { force: true });
  const problem = problemOf(file);
  if (problem) throw new DatabaseUnusable(home, problem);
  if (existsSync(file)) return;
  if (freeBytes(home) < LEAST_FREE_BYTES) throw new DatabaseUnusable(home, 'disk_full');
  writeFileSync(marker, '', { mode: 0o600 });
  const tables = join(DIST, `engine-${server}.db`);
  if (existsSync(tables)) writeFileSync(file, readFileSync(tables), { mode: 0o600 });
}

/** First line of the engine's log at each start. */
const BANNER = 'Temporal Server:';

/** How much of the log's end is read, in bytes. */
const LOG_BYTES = 256 * 1024;

/**
 * Checks the database, whether its engine runs or not: the file, and the engine's log since its last start. Damaged pages that the
 * engine has not read are not noticed.
 */
export function damageOf(home: string): Exclude<DatabaseProblem, 'disk_full'> | undefined {
  if (existsSync(join(home, UNFINISHED))) return undefined;
  const log = endOf(join(home, 'logs', 'temporal.log'));
  return problemOf(join(home, DATABASE)) ?? damageIn(log.slice(Math.max(0, log.lastIndexOf(BANNER))));
}

function endOf(file: string): string {
  const size = sizeOf(file);
  if (size === 0) return '';
  const end = Buffer.alloc(Math.min(size, LOG_BYTES));
  const fd = openSync(file, 'r');
  try {
    return end.toString('utf8', 0, readSync(fd, end, 0, end.length, size - end.length));
  } finally {
    closeSync(fd);
  }
}

/** Marks the database as set up, when the engine is ready: it may hold tasks from now on. */
export function markDatabaseComplete(home: string): void {
  rmSync(join(home, UNFINISHED), { force: true });
}

function problemOf(file: string): 'not_a_database' | 'cut_off' | undefined {
  const hasWal = sizeOf(`${file}-wal`) > 0;
  // A write-ahead log cannot be read without its database.
  if (!existsSync(file)) return hasWal ? 'cut_off' : undefined;
  const size = sizeOf(file);
  if (size < HEADER_BYTES) return 'cut_off';
  const header = Buffer.alloc(HEADER_BYTES);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(fd);
  }
  if (header.toString('latin1', 0, MAGIC.length) !== MAGIC) return 'not_a_database';
  // 1 means 65,536. Pages that are only in the write-ahead log may be counted already.
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  return !hasWal && size < pageBytes * header.readUInt32BE(28) ? 'cut_off' : undefined;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * @param said what the engine logged before it ended
 * @returns why it could not start, or `undefined` if the database is not the reason.
 */
export function databaseProblem(home: string, said: string): DatabaseProblem | undefined {
  if (/database or disk is full|no space left/i.test(said) || freeBytes(home) < LEAST_FREE_BYTES) return 'disk_full';
  return damageIn(said);
}

function damageIn(said: string): 'not_a_database' | 'damaged' | undefined {
  if (/file is not a database/.test(said)) return 'not_a_database';
  return /malformed|no such table|no such column|has no column|disk I\/O error/.test(said) ? 'damaged' : undefined;
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
