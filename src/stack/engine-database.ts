/** The embedded engine's database: whether it can be used, and why an engine that does not start cannot use it. */
import { existsSync, openSync, readSync, rmSync, statfsSync, statSync, closeSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Its name in `KIMI_HOME`. */
export const DATABASE = 'temporal.db';

/** Beside the database until the engine was ready with it once: its schema may be half made, and no task is in it. */
const UNFINISHED = `${DATABASE}.unfinished`;

/** What SQLite keeps beside a database. */
const COMPANIONS = ['-wal', '-shm', '-journal'];

/** The first bytes of every SQLite database (sqlite.org/fileformat2.html). */
const MAGIC = 'SQLite format 3\0';
const HEADER_BYTES = 100;

/** An engine needs more than this for its first tables. */
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
 * Looks at the database before an engine opens it. What is left of a first start that was interrupted is removed: the
 * engine takes the file's existence for its completeness.
 *
 * @throws {DatabaseUnusable} Nothing is removed where tasks may be in it.
 */
export function prepareDatabase(home: string): void {
  const file = join(home, DATABASE);
  const marker = join(home, UNFINISHED);
  if (existsSync(marker)) for (const suffix of ['', ...COMPANIONS]) rmSync(`${file}${suffix}`, { force: true });
  const problem = problemOf(file);
  if (problem) throw new DatabaseUnusable(home, problem);
  if (!existsSync(file)) writeFileSync(marker, '', { mode: 0o600 });
}

/** How an engine's log begins each time it starts. */
const BANNER = 'Temporal Server:';

/** So much of the log's end is looked at, in bytes. */
const LOG_BYTES = 256 * 1024;

/**
 * Looks at the database of an engine that runs, or of none: at the file, and at what the engine has logged since it last started. Pages
 * that no engine has read yet may be damaged all the same.
 */
export function damageOf(home: string): Exclude<DatabaseProblem, 'disk_full'> | undefined {
  if (existsSync(join(home, UNFINISHED))) return undefined;
  const said = endOf(join(home, 'logs', 'temporal.log'));
  return problemOf(join(home, DATABASE)) ?? damageIn(said.slice(Math.max(0, said.lastIndexOf(BANNER))));
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

/** The engine is ready: from now on tasks may be in the database. */
export function databaseIsComplete(home: string): void {
  rmSync(join(home, UNFINISHED), { force: true });
}

function problemOf(file: string): 'not_a_database' | 'cut_off' | undefined {
  const hasWal = sizeOf(`${file}-wal`) > 0;
  // Without its database a write-ahead log cannot be read.
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
  // 1 stands for 65,536. Pages that are in the write-ahead log alone may be counted already.
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  return !hasWal && size < pageBytes * header.readUInt32BE(28) ? 'cut_off' : undefined;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Why an engine ended before it was ready.
 *
 * @param said what it wrote to its log
 * @returns `undefined` where it is not the database.
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
