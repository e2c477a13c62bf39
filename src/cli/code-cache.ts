/** Keeps the compiled code of a program from one run to the next, in `KIMI_CACHE`. */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { folderOf, mayHoldFolders, USER_PATHS } from '../config/early.ts';
import { buildIn } from '../stack/build.ts';

/** This module is only in a CommonJS bundle, which has the folder of `program`. */
declare const require: NodeJS.Require;

/**
 * Runs a bundled CommonJS program with the code that an earlier run compiled; it imports ES modules of its folder with `importHere`. Node's own cache (22.1 and newer) has no function that
 * is compiled when it is first called, which most are.
 *
 * @param program path of the program, whose text is ASCII
 * @param use what it is run for: each use calls other functions, and has a file of its own
 */
export function runCached(program: string, use: string): void {
  const build = buildIn(dirname(program));
  const file = cacheFile(program, use);
  const cachedData = build === undefined ? undefined : keptCode(file, build);
  const source = readFileSync(program, 'latin1');
  const parameters = 'require, __dirname, importHere';
  const script = new Script(`(function (${parameters}) {${source}\n})`, { filename: program, cachedData });
  // What V8 rejects stays: it is of a process with other flags, or of another machine with the same home.
  if (build !== undefined && !cachedData && mayHoldFolders(file))
    process.once('exit', () => keepCode(file, build, script));
  const run = script.runInThisContext() as (...given: unknown[]) => void;
  run(require, dirname(program), async (path: string) => (await import(path)) as unknown);
}

/** One for each version of Node, installation and use: an update replaces it. */
function cacheFile(program: string, use: string): string {
  const folder = folderOf(process.env['KIMI_CACHE']?.trim() || USER_PATHS.cache);
  return join(folder, 'code', `${process.version}-${process.arch}`, `${program}-${use}`);
}

/** The content of a file: the code twice, and its build. V8 does not check code, and crashes on what is damaged: a digest would load `node:crypto`, 4 ms. */
function contentOf(code: Buffer, build: string): Buffer {
  return Buffer.concat([code, code, Buffer.from(build)]);
}

/** @returns the code in a file; `undefined` if it is of another build, or damaged. */
function codeIn(content: Buffer, build: string): Buffer | undefined {
  const end = content.length - Buffer.byteLength(build);
  const code = content.subarray(0, end / 2);
  const isWhole = code.equals(content.subarray(end / 2, end)) && content.toString('utf8', end) === build;
  return isWhole ? code : undefined;
}

/** @returns the code of a build; `undefined` if there is none that this user wrote, or it is damaged. */
function keptCode(file: string, build: string): Buffer | undefined {
  try {
    const descriptor = openSync(file, 'r');
    try {
      const isOurs = fstatSync(descriptor).uid === process.getuid?.();
      return isOurs ? codeIn(readFileSync(descriptor), build) : undefined;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}

/** Where the folder cannot be written, every run compiles by itself. */
function keepCode(file: string, build: string, script: Script): void {
  const unfinished = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const descriptor = openSync(unfinished, 'w', 0o600);
    try {
      writeFileSync(descriptor, contentOf(script.createCachedData(), build));
      fsyncSync(descriptor);
      renameSync(unfinished, file);
    } catch {
      // The disk is full.
      rmSync(unfinished);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // The next run tries again.
  }
}
