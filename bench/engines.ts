/** The stores of the compared systems: each in its own folder, with its most durable settings. */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../src/config/index.ts';
import { engineArgs, prepareNamespace } from '../src/stack/engine-settings.ts';
import { findTemporalCli } from '../src/stack/temporal-cli.ts';
import { freePort } from '../test/support/engine.ts';
import { atTheEnd } from './clean-ups.ts';
import { end, start, until } from './processes.ts';

export interface Engine {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** The Temporal dev server with the settings of `up`. */
export async function startTemporal(folder: string): Promise<Engine> {
  const command = await temporalCli();
  const [port, uiPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const args = engineArgs({ port, uiPort, metricsPort, database: join(folder, 'temporal.db') });
  const child = start(command, args, { stdio: 'ignore' });
  const url = `127.0.0.1:${port}`;
  await until(async () => await prepareNamespace(url));
  return { url, ...processOf(child) };
}

/** @returns the path of the Temporal server that every system uses. */
export async function temporalCli(): Promise<string> {
  const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
  return await findTemporalCli({ path, cache, onStep: (step) => console.error(step) });
}

/** PostgreSQL from the system's packages with default settings: `fsync` and `synchronous_commit` are on. */
export async function startPostgres(): Promise<Engine> {
  const bin = postgresPrograms();
  const folder = await mkdtemp(join(tmpdir(), 'kimi-bench-postgres-'));
  atTheEnd(async () => await rm(folder, { recursive: true, force: true }));
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? UNPRIVILEGED : undefined;
  if (user) await chown(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'bench', '-A', 'trust'], {
    ...user,
    cwd: folder,
    stdio: 'pipe',
  });
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  const child = start(join(bin, 'postgres'), args, { ...user, cwd: folder, stdio: 'ignore' });
  await until(async () => await listens(port));
  const url = `postgresql://bench@127.0.0.1:${port}/bench`;
  return { url, ...processOf(child) };
}

const UNPRIVILEGED = { uid: 65_534, gid: 65_534 };

function postgresPrograms(): string {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).map(Number) : [];
  if (versions.length === 0) throw new Error('there is no PostgreSQL: install it (apt-get install postgresql)');
  return join(root, String(Math.max(...versions)), 'bin');
}

/** Redis from the system's packages: every write is on disk before the response (`appendfsync always`). */
export async function startRedis(folder: string): Promise<Engine> {
  const port = await freePort();
  await mkdir(folder);
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...durable];
  const child = start('redis-server', args, { stdio: 'ignore' });
  child.on('error', () => console.error('there is no redis-server: install it (apt-get install redis-server)'));
  await until(async () => await listens(port));
  return { url: `redis://127.0.0.1:${port}`, ...processOf(child) };
}

/** The Restate server from npm with default settings: its log is synced (`rocksdb-disable-wal-fsync = false`). */
export async function startRestate(folder: string, peers: string): Promise<Engine & { adminUrl: string }> {
  const require = createRequire(join(peers, 'package.json'));
  const command = require.resolve(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`);
  const [port, admin, internal] = [await freePort(), await freePort(), await freePort()];
  await mkdir(folder);
  const args = ['--no-logo', '--base-dir', folder, '--node-name', 'bench', '--log-filter', 'error'];
  const env = {
    ...process.env,
    RESTATE_DISABLE_TELEMETRY: 'true',
    RESTATE_LISTEN_MODE: 'tcp',
    RESTATE_BIND_IP: '127.0.0.1',
    RESTATE_BIND_PORT: String(internal),
    RESTATE_INGRESS__BIND_PORT: String(port),
    RESTATE_ADMIN__BIND_PORT: String(admin),
  };
  const child = start(command, args, { env, cwd: folder, stdio: 'ignore' });
  const [url, adminUrl] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${admin}`];
  await until(async () => (await isHealthy(`${adminUrl}/health`)) && (await isHealthy(`${url}/restate/health`)));
  return { url, adminUrl, ...processOf(child) };
}

function processOf(child: ChildProcess): Pick<Engine, 'pid' | 'stop'> {
  return { pid: child.pid as number, stop: async () => await end(child, 'SIGTERM') };
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
      .once('connect', () => resolve(true))
      .once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function isHealthy(url: string): Promise<boolean> {
  return await fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}
