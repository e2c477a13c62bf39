/** The programs of the container images, for a machine without containers. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import type { Config } from '../../src/config/index.ts';
import { findTemporalCli } from '../../src/stack/temporal-cli.ts';
import type { Compose } from './compose.ts';

/** A problem that a person can fix. Only its message is shown. */
export class SetupError extends Error {}

/** Folder of PostgreSQL's programs on Debian; not on PATH. */
const POSTGRES_VERSIONS = '/usr/lib/postgresql';

/** Debian packages by program. */
const PACKAGES = { haproxy: 'haproxy', wget: 'wget' };

/**
 * Finds or installs the programs: PostgreSQL and HAProxy from system packages, the Temporal server and its SQL tool built once
 * in the version of docker-compose.yml (6 to 10 minutes on two cores), and the Temporal CLI.
 *
 * @param onStep called before each slow step
 * @returns a `PATH` with all of them
 * @throws {SetupError}
 */
export async function findPrograms(
  { services }: Compose,
  { KIMI_CACHE: cache, TEMPORAL_CLI_PATH: path }: Config,
  onStep: (step: string) => void,
): Promise<string> {
  const missing = Object.entries(PACKAGES).flatMap(([program, name]) => (isOnPath(program) ? [] : [name]));
  if (!(await postgresFolder())) missing.push('postgresql');
  if (missing.length > 0) {
    onStep(`installing ${missing.join(', ')} from the system's packages`);
    await aptInstall(missing);
  }
  const version = services['temporal-1']?.image.split(':').at(-1) ?? '';
  const temporal = join(cache, `temporal-server-${version}`);
  if (!existsSync(temporal)) {
    onStep(`building the Temporal server ${version}, once; this takes 6 to 10 minutes`);
    await buildTemporal(version, temporal);
  }
  const cli = await findTemporalCli({
    path,
    cache,
    onStep: (step) => onStep(`getting Temporal's command line (${step})`),
  });
  const named = join(temporal, 'temporal');
  if (!existsSync(named)) {
    await rm(named, { force: true });
    await symlink(cli, named);
  }
  const postgres = await postgresFolder();
  if (!postgres) throw new SetupError(`no PostgreSQL below ${POSTGRES_VERSIONS}; install the package postgresql`);
  return [dirname(process.execPath), temporal, postgres, '/usr/sbin', process.env['PATH']].join(delimiter);
}

/** @returns the program folder of the newest version. */
async function postgresFolder(): Promise<string | undefined> {
  const versions = existsSync(POSTGRES_VERSIONS) ? await readdir(POSTGRES_VERSIONS) : [];
  const folders = versions
    .toSorted((a, b) => Number(b) - Number(a))
    .map((version) => join(POSTGRES_VERSIONS, version, 'bin'));
  return folders.find((folder) => existsSync(join(folder, 'initdb')));
}

function isOnPath(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  return folders.some((folder) => existsSync(join(folder, program)));
}

async function aptInstall(packages: string[]): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new SetupError(
      `${packages.join(' and ')} cannot be installed without root; run: apt install ${packages.join(' ')}`,
    );
  }
  // Keeps the packages from starting their services.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await run('apt-get', ['update', '-qq'], env);
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], env);
}

/** Renames both programs, built with the names of their folders, to their names in the images. */
async function buildTemporal(version: string, folder: string): Promise<void> {
  if (!isOnPath('go')) {
    throw new SetupError(
      'the Temporal server is built with Go 1.26 or newer, and there is no go on PATH; install it from go.dev',
    );
  }
  await mkdir(dirname(folder), { recursive: true });
  const aside = await mkdtemp(join(dirname(folder), 'building-'));
  try {
    const module = `go.temporal.io/server/cmd`;
    const packages = [`${module}/server@v${version}`, `${module}/tools/sql@v${version}`];
    const env = { ...process.env, GOBIN: aside };
    await run('nice', ['go', 'install', '-ldflags=-s -w', ...packages], env);
    await rename(join(aside, 'server'), join(aside, 'temporal-server'));
    await rename(join(aside, 'sql'), join(aside, 'temporal-sql-tool'));
    await rename(aside, folder);
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function run(command: string, args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', process.stderr, process.stderr] });
    child.once('error', (error) => reject(new SetupError(`${command} does not run: ${error.message}`)));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new SetupError(`${command} ${args.join(' ')} ended with ${code}; what it said is above`));
    });
  });
}
