/** The services of docker-compose.yml as processes: started in order, restarted when they end, stopped. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RestartedProcess } from '../../test/chaos/process.ts';
import { SetupError } from './programs.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import type { NativeService } from './topology.ts';

const run = promisify(execFile);

/** Timeout for a service to become healthy, in milliseconds: longer than that of docker-compose.yml's health checks. */
const START_MS = 120_000;

/** Retries of a job, as in docker-compose.yml. */
const JOB_RETRIES = 6;

/** PostgreSQL does not run as root. */
const POSTGRES_USER = 'postgres';

/** Mode of folders that other users may traverse but not list. */
const PASSABLE = 0o711;

export class Cluster {
  readonly processes = new Map<string, RestartedProcess>();

  private constructor(
    readonly services: NativeService[],
    private readonly folder: string,
  ) {}

  /**
   * Starts every service once its dependencies are healthy.
   *
   * @param folder for volumes, secrets and logs; must exist
   * @param onStep called with the name of each step
   * @throws {SetupError} after stopping every process
   */
  static async start(services: NativeService[], folder: string, onStep: (step: string) => void): Promise<Cluster> {
    const cluster = new Cluster(services, folder);
    process.once('exit', cluster.kill);
    try {
      await chmod(folder, PASSABLE);
      await mkdir(join(folder, 'logs'), { recursive: true });
      const started = new Map<string, Promise<void>>();
      for (const service of services) {
        const before = services.filter(({ service: name }) => service.after.includes(name));
        const ready = async (): Promise<void> => {
          await Promise.all(before.map(async ({ name }) => await started.get(name)));
          onStep(service.name);
          await cluster.bring(service);
        };
        // All are registered before the first starts: the file may list a service before its dependencies.
        started.set(service.name, Promise.resolve().then(ready));
      }
      await Promise.all(started.values());
      return cluster;
    } catch (error) {
      cluster.kill();
      throw error;
    }
  }

  /** @returns the service of this name. */
  service(name: string): NativeService {
    const found = this.services.find((service) => service.name === name);
    if (!found) throw new Error(`the cluster has no ${name}`);
    return found;
  }

  /** Waits until a service is healthy. */
  async isWell(name: string): Promise<void> {
    const { healthcheck, env } = this.service(name);
    if (!healthcheck) return;
    const [command = '', ...args] = healthcheck;
    const giveUpAt = Date.now() + START_MS;
    for (;;) {
      try {
        await run(command, args, { env, timeout: 3_000 });
        return;
      } catch (error) {
        if (Date.now() > giveUpAt) {
          throw new SetupError(
            `${name} is not well after ${START_MS / 1000} s (${(error as Error).message.trim()}); its log is ${this.logOf(name)}`,
          );
        }
        await pause(100);
      }
    }
  }

  /** Stops every service, each before its dependencies. */
  async stop(): Promise<void> {
    for (const { name, stopSignal } of this.services.toReversed()) await this.processes.get(name)?.stop(stopSignal);
    process.removeListener('exit', this.kill);
  }

  /** Kills every process; also called when this process exits. */
  readonly kill = (): void => {
    process.removeListener('exit', this.kill);
    for (const each of this.processes.values()) each.kill();
  };

  private logOf(name: string): string {
    return join(this.folder, 'logs', `${name}.log`);
  }

  private async bring(service: NativeService): Promise<void> {
    for (const folder of service.folders) await mkdir(folder, { recursive: true, mode: 0o700 });
    const isPostgres = service.service === 'postgres';
    const command = isPostgres ? await this.preparedPostgres(service) : service.command;
    const [program = '', ...args] = guarded(command, service.stopSignal, isPostgres);
    if (service.isJob) {
      await this.runJob(service, program, args);
      return;
    }
    const { name, env } = service;
    const started = new RestartedProcess({
      name,
      command: program,
      args,
      env,
      logFile: this.logOf(name),
      endsItself: true,
    });
    this.processes.set(name, started);
    started.start();
    await this.isWell(name);
  }

  private async runJob({ name, env }: NativeService, program: string, args: string[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await run(program, args, { env });
        return;
      } catch (error) {
        if (attempt > JOB_RETRIES) throw new SetupError(`${name} failed: ${(error as Error).message.trim()}`);
        await pause(1_000);
      }
    }
  }

  /**
   * Prepares PostgreSQL as the entrypoint of its image does.
   *
   * @returns its command
   */
  private async preparedPostgres({ command, env, address, folders }: NativeService): Promise<string[]> {
    const [data = ''] = folders;
    if (!existsSync(join(data, 'PG_VERSION'))) {
      await chmod(join(data, '..'), PASSABLE);
      // That user cannot read the folder of the secrets.
      const password = `${data}-password`;
      await copyFile(env['POSTGRES_PASSWORD_FILE'] ?? '', password);
      if (isRoot()) await run('chown', [POSTGRES_USER, data, password]);
      await chmod(password, 0o600).catch(() => {});
      const options = (env['POSTGRES_INITDB_ARGS'] ?? '').split(' ');
      const args = [
        '-D',
        data,
        '-U',
        env['POSTGRES_USER'] ?? '',
        `--pwfile=${password}`,
        '--encoding=UTF8',
        ...options,
      ];
      const [program = '', ...rest] = guarded(['initdb', '--locale=C.UTF-8', ...args], 'SIGTERM', true);
      try {
        await run(program, rest, { env });
      } finally {
        await rm(password);
      }
    }
    return [...command, '-D', data, '-c', `listen_addresses=${address}`, '-c', 'unix_socket_directories='];
  }
}

/** Creates the missing secrets of docker-compose.yml. */
export async function makeSecrets(folder: string): Promise<void> {
  await run('sh', [join(PACKAGE_ROOT, 'deploy/make-secrets.sh'), join(folder, 'secrets')]);
}

/** Prefix that makes the kernel kill a child when this process ends. */
function guarded(command: string[], signal: NodeJS.Signals, asPostgres: boolean): string[] {
  const user = asPostgres && isRoot() ? [`--reuid=${POSTGRES_USER}`, `--regid=${POSTGRES_USER}`, '--init-groups'] : [];
  return ['setpriv', ...user, `--pdeathsig=${signal.replace('SIG', '')}`, '--', ...command];
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
