/** Backups of a home: one archive with everything that a task needs to continue elsewhere. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync, lstatSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as z from 'zod';
import { journalFolder, type Config } from '../config/index.ts';
import { PACKAGE_ROOT } from '../service/files.ts';
import { isoSeconds } from '../shared/format.ts';
import { DATABASE } from './engine-database.ts';
import { compareVersions, serverOf } from './server-version.ts';
import type { StackState } from './state.ts';

const run = promisify(execFile);

const manifest = z.object({
  format: z.literal(1),
  /** Of Kimi Dispatch. */
  version: z.string(),
  created_at: z.string(),
  /** Version of the Temporal server that wrote the database; absent without one. */
  server: z.string().optional(),
});

export type Manifest = z.infer<typeof manifest>;

/** Why an archive cannot be restored. `newer`: a newer version of Kimi Dispatch made it. */
export class NoBackup extends Error {
  override readonly name = 'NoBackup';

  constructor(readonly problem: { code: 'not_a_backup' } | { code: 'newer'; version: string }) {
    super(problem.code);
  }
}

/** Names in a home that are of a running stack or of this machine: logs, locks, sockets, other copies, and the user's keys. */
const LEFT_OUT =
  /^(?:logs|stack\.json|stack\.lock|\.env.*|.*\.(?:sock|copy|unfinished|copying)|(?:backup|restore|replaced)-.*)$/;

/** LMDB's table of readers: of the processes that have it open. */
const READERS = 'lock.mdb';

/** The folders of a backup, by their names in the archive. */
function foldersOf(config: Config): [string, string][] {
  const { KIMI_HOME: home, KIMI_RESULTS_DIR: results, KIMI_PAYLOAD_DIR: payloads } = config;
  const all: [string, string | undefined][] = [
    ['results', results],
    ['journal', journalFolder(config)],
    ['payloads', payloads],
  ];
  const outside = all.filter((each): each is [string, string] => each[1] !== undefined && !isInside(home, each[1]));
  return [['home', home], ...outside];
}

function isInside(home: string, folder: string): boolean {
  return !relative(resolve(home), resolve(folder)).startsWith('..');
}

/**
 * Writes an archive. The processes of a running stack are paused while their files are copied, so that it is what kill -9 of all
 * of them would have left.
 *
 * @returns how long they were paused, in milliseconds.
 */
export async function writeBackup(config: Config, file: string, stack: StackState | undefined): Promise<number> {
  process.umask(0o077);
  const { KIMI_HOME: home } = config;
  await mkdir(home, { recursive: true });
  const staging = await mkdtemp(join(home, 'backup-'));
  try {
    const thaw = await freeze(stack);
    const frozenAt = performance.now();
    try {
      for (const [name, folder] of foldersOf(config)) {
        if (existsSync(folder)) await copyTree(folder, join(staging, name));
      }
    } finally {
      await thaw();
    }
    const frozenMs = stack ? Math.round(performance.now() - frozenAt) : 0;
    const about: Manifest = {
      format: 1,
      version: ownVersion(),
      created_at: isoSeconds(Date.now()),
      ...(existsSync(join(staging, 'home', DATABASE)) && { server: serverOf(home)?.version }),
    };
    await writeFile(join(staging, 'manifest.json'), JSON.stringify(about));
    const partial = `${file}.partial`;
    await run('tar', ['-czf', partial, '-C', staging, '.']);
    await rename(partial, file);
    return frozenMs;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  // Each by itself: a folder cannot be copied into itself.
  for (const name of (await readdir(from)).filter((each) => !LEFT_OUT.test(each))) {
    await cp(join(from, name), join(to, name), {
      recursive: true,
      mode: constants.COPYFILE_FICLONE,
      filter: (path) => basename(path) !== READERS && !lstatSync(path).isSocket(),
    });
  }
}

/** Continues the processes when its standard input closes, which happens however this process ends. */
const GUARD = 'trap "" INT HUP TERM; cat >/dev/null; for each; do kill -s CONT -- "$each"; done';

/** Pauses the processes of a stack, `up` first, which would start others. @returns a function that continues them. */
async function freeze(stack: StackState | undefined): Promise<() => Promise<void>> {
  if (!stack) return async () => {};
  // Each child leads a group: the engine is behind a shell.
  const targets = [stack.pid, ...stack.children.map(({ pid }) => -pid)];
  const guard = spawn('sh', ['-c', GUARD, 'sh', ...targets.toReversed().map(String)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(guard, 'exit');
  const thaw = async (): Promise<void> => {
    guard.stdin.end();
    await ended;
  };
  try {
    for (const target of targets) process.kill(target, 'SIGSTOP');
    while (!(await arePaused(stack))) await pause(5);
    return thaw;
  } catch (error) {
    await thaw();
    throw error;
  }
}

async function arePaused({ pid, children }: StackState): Promise<boolean> {
  const groups = new Set(children.map((child) => child.pid));
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,pgid=,stat=']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([own, group]) => Number(own) === pid || groups.has(Number(group)))
    .every(([, , state]) => /^[TZ]/.test(state ?? ''));
}

/** @returns the folders and files that a restored backup would replace. */
export async function tasksIn(config: Config): Promise<string[]> {
  const { KIMI_HOME: home, KIMI_RESULTS_DIR: results } = config;
  const saved = existsSync(results) ? await readdir(results) : [];
  return [
    ...(existsSync(join(home, DATABASE)) ? [join(home, DATABASE)] : []),
    ...(saved.some((name) => name.endsWith('.json')) ? [results] : []),
  ];
}

/**
 * Restores an archive into a home where nothing runs. What was there is moved aside.
 *
 * @returns what the archive says of itself, and where the former files are.
 * @throws {NoBackup} Nothing was changed.
 */
export async function restoreBackup(config: Config, file: string): Promise<{ about: Manifest; replaced: string[] }> {
  process.umask(0o077);
  const { KIMI_HOME: home } = config;
  const staging = await mkdtemp(join(home, 'restore-'));
  try {
    await run('tar', ['-xzf', file, '-C', staging]).catch(() => {
      throw new NoBackup({ code: 'not_a_backup' });
    });
    const about = aboutOf(staging);
    if (compareVersions(about.version, ownVersion()) > 0) throw new NoBackup({ code: 'newer', version: about.version });
    const replaced: string[] = [];
    const mark = `replaced-${about.created_at.replaceAll(/\W/g, '')}-${Date.now()}`;
    for (const [name, folder] of foldersOf(config)) {
      const aside = name === 'home' ? join(home, mark) : `${folder}.${mark}`;
      if (await moveAside(folder, aside)) replaced.push(aside);
      if (existsSync(join(staging, name))) await cp(join(staging, name), folder, { recursive: true });
    }
    return { about, replaced };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

function aboutOf(staging: string): Manifest {
  try {
    return manifest.parse(JSON.parse(readFileSync(join(staging, 'manifest.json'), 'utf8')));
  } catch {
    throw new NoBackup({ code: 'not_a_backup' });
  }
}

async function moveAside(folder: string, aside: string): Promise<boolean> {
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => !LEFT_OUT.test(name)) : [];
  if (names.length === 0) return false;
  await mkdir(aside, { recursive: true, mode: 0o700 });
  for (const name of names) await rename(join(folder, name), join(aside, name));
  return true;
}

function ownVersion(): string {
  return (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}
