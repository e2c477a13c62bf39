import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DIST, syncFolderSync } from '../service/files.ts';

/** Exit statuses that journal-check.ts sets itself; any other one, e.g. if it cannot be started, proves nothing. */
export const CHECK = { damaged: 4, unknown: 3 } as const;

/** Time limit of the check, in milliseconds: a journal of 1 GiB takes 2 s. */
const CHECK_MS = 30_000;

/** Signals that end a process which reads damaged pages. `SIGTRAP`: V8 ends the process when it finds its own memory overwritten. */
const CRASHES = new Set<NodeJS.Signals>(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGFPE', 'SIGILL', 'SIGTRAP']);

/** The files of an LMDB store. */
const FILES = ['data.mdb', 'lock.mdb'];

/** Folders of damaged journals, inside the journal's folder. `-unread`: the entries have not been copied yet. */
const ASIDE = /^damaged-\d{8}T\d{6}Z(?:-unread)?$/;

/** A damaged journal that was set aside. */
export interface SetAside {
  folder: string;
  /** How many of its callbacks could be read and copied into the new journal. */
  copied: number;
}

/**
 * Checks a journal before it is opened. A damaged one is moved into a subfolder, and its readable entries are copied into a new
 * one.
 *
 * @returns the journals that were set aside.
 */
export function repairJournal(folder: string): SetAside[] {
  const data = join(folder, 'data.mdb');
  const before = statSync(data, { throwIfNoEntry: false });
  // Another process may have set it aside while this one checked it.
  if (before && isDamaged(folder) && statSync(data, { throwIfNoEntry: false })?.ino === before.ino) setAside(folder);
  return asideIn(folder)
    .filter((name) => name.endsWith('-unread'))
    .map((name) => {
      const copied = copyReadable(join(folder, name), folder);
      const read = join(folder, name.replace(/-unread$/, ''));
      renameSync(join(folder, name), read);
      return { folder: read, copied };
    });
}

/** @returns the number of damaged journals in a journal's folder. */
export function countSetAside(folder: string): number {
  return asideIn(folder).length;
}

function asideIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).filter((name) => ASIDE.test(name)) : [];
}

function isDamaged(folder: string): boolean {
  const { status, signal } = runCheck(folder);
  return signal === null ? status === CHECK.damaged : CRASHES.has(signal);
}

function setAside(folder: string): void {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const aside = join(folder, `damaged-${time}-unread`);
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const file of FILES) {
    if (existsSync(join(folder, file))) renameSync(join(folder, file), join(aside, file));
  }
  for (const changed of [aside, folder]) syncFolderSync(changed);
}

/** Reads from both ends: a damaged page hides the entries behind it. @returns the number of copied entries. */
function copyReadable(from: string, into: string): number {
  const counts = [runCheck(from, into), runCheck(from, into, 'backward')].map(({ stdout }) =>
    Number(stdout.trim().split('\n').at(-1)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

function runCheck(...args: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [join(DIST, 'journal-check.js'), ...args], {
    encoding: 'utf8',
    env: {},
    timeout: CHECK_MS,
    killSignal: 'SIGKILL',
  });
}
