/** Servers from PyPI, installed into the cache folder. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { readConfig } from '../../../src/config/index.ts';
import { until } from '../../support/resources.ts';

const run = promisify(execFile);

/** Installs packages, each with its version, once. @returns the folder of their programs. */
export async function install(name: string, packages: string[]): Promise<string> {
  const venv = join(readConfig().KIMI_CACHE, name);
  const bin = join(venv, 'bin');
  const done = join(venv, 'installed');
  if (existsSync(done)) return bin;
  await mkdir(venv, { recursive: true });
  await run('python3', ['-m', 'venv', venv]);
  await run(join(bin, 'pip'), ['install', '--quiet', ...packages]);
  await writeFile(done, '');
  return bin;
}

/** Runs a server until the test has finished. @returns once `url` answers 200. */
export async function startServer(
  command: string,
  args: string[],
  { env = {}, input = '', url }: { env?: Record<string, string>; input?: string; url: string },
): Promise<void> {
  const server = spawn(command, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  server.stdin.end(input);
  const ended = once(server, 'exit');
  onTestFinished(async () => {
    server.kill('SIGKILL');
    await ended;
  });
  await until(async () => {
    if (server.exitCode !== null) throw new Error(`${command} ended with ${server.exitCode}`);
    return await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  });
}
