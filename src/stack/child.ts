import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { ServiceError } from '../service/exit.ts';
import { PortsUnusable } from '../service/ports.ts';
import type { Alive, FailedToStart, Ready } from '../service/run.ts';
import { backoffMs } from '../shared/backoff.ts';
import { codeOf } from '../shared/system-error.ts';
import type { ChildName } from './plan.ts';
import type { ServicesStart } from './services.ts';
import { identify, type ProcessId } from './process-id.ts';
import { Watchdog } from './watchdog.ts';

/** How long a process may drain before it is killed, in milliseconds: longer than a worker's own grace. */
export const DRAIN_MS = 35_000;

/** How long a process may take to be ready, in milliseconds; they take 1–3 s. */
const START_MS = 60_000;

/** Wait before a process that ended is restarted. */
const RESTART_MS = { first: 500, longest: 30_000 };

/**
 * Ends a foreign program together with this process, however this process ends, kill -9 included: Linux does so itself; elsewhere a
 * shell waits for the end of the program's standard input, which this process holds.
 */
const GUARD = [
  'if setpriv --pdeathsig TERM true 2>/dev/null; then exec setpriv --pdeathsig TERM "$@" </dev/null; fi',
  'exec 3<&0',
  '{ read -r _; kill $$; } <&3 2>/dev/null &',
  'exec "$@" </dev/null 3<&-',
].join('\n');

export interface ChildOptions {
  name: ChildName;
  command: string;
  args: string[];
  /** Those of a restart, if they differ. */
  argsAgain?: () => Promise<string[]>;
  env: NodeJS.ProcessEnv;
  /** What a restart changes in it. */
  envAgain?: () => NodeJS.ProcessEnv;
  /** Working directory; by default this process's. */
  cwd?: string;
  logFile: string;
  /** Called after each start: it has another `id`. */
  onStart: () => void;
  /** Called before a restart. `missing` is the file of its program that no longer exists, if any. */
  onRestart: (name: ChildName, missing?: string) => void;
}

/** A process of the stack, restarted when it ends unexpectedly. */
abstract class Child {
  /** Identity of the current process. */
  id: ProcessId | undefined;
  protected process: ChildProcess | undefined;
  private stopping = false;
  private restarts = 0;
  protected args: string[];

  constructor(protected readonly options: ChildOptions) {
    this.args = options.args;
  }

  /** @returns the process, with `log` as its output, in a process group of its own: Ctrl-C reaches only `up`, which stops the others in order. */
  protected abstract spawn(log: number): ChildProcess;

  /** Waits until a process is ready. @throws the reason why it ended before. */
  protected abstract ready(running: ChildProcess): Promise<void>;

  /**
   * Starts a process and waits until it is ready.
   *
   * @throws the reason why it could not start.
   */
  async start(): Promise<void> {
    await this.launch(false);
  }

  /** Drains and stops the process, and waits until it has ended. */
  async stop(): Promise<void> {
    this.stopping = true;
    const { process: running } = this;
    if (!running || hasEnded(running)) return;
    const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()));
    running.kill('SIGTERM');
    const kill = setTimeout(() => running.kill('SIGKILL'), DRAIN_MS);
    await ended;
    clearTimeout(kill);
  }

  private async launch(again: boolean): Promise<void> {
    const log = openLog(this.options.logFile);
    const running = this.spawn(log);
    closeSync(log);
    this.process = running;
    this.id = identify(running.pid ?? 0);
    this.options.onStart();
    const giveUp = setTimeout(() => running.kill('SIGKILL'), START_MS);
    try {
      await this.ready(running);
      this.restarts = 0;
    } catch (error) {
      if (!again) {
        clearTimeout(giveUp);
        this.stopping = true;
        running.kill('SIGKILL');
        throw error;
      }
    }
    clearTimeout(giveUp);
    const onEnd = (): void => {
      // Its other end may wait for it.
      running.stdin?.destroy();
      this.ended();
    };
    if (hasEnded(running)) onEnd();
    else running.once('exit', onEnd);
  }

  private ended(): void {
    if (this.stopping) return;
    const { name, command, args } = this.options;
    this.options.onRestart(
      name,
      [command, ...args].find((word) => isAbsolute(word) && !existsSync(word)),
    );
    const wait = backoffMs(RESTART_MS, this.restarts);
    this.restarts += 1;
    setTimeout(() => {
      if (!this.stopping) void this.launchAgain();
    }, wait).unref();
  }

  private async launchAgain(): Promise<void> {
    this.args = (await this.options.argsAgain?.().catch(() => undefined)) ?? this.args;
    if (!this.stopping) await this.launch(true);
  }

  protected exited(code: number | null, signal: NodeJS.Signals | null): ServiceError {
    const { name, logFile: log } = this.options;
    return new ServiceError('exited', { name, how: String(signal ?? code), log });
  }
}

/** One of our services, which reports over IPC. One that is sent settings also reports that it is alive. */
export class ServiceChild extends Child {
  /** What it reported. */
  report: Ready | undefined;
  /** How often its event loop hung. */
  hangs = 0;

  /** @param settings what it is sent, so that its environment, which others can read, has no secrets */
  constructor(
    options: ChildOptions,
    private readonly settings?: () => Promise<ServicesStart>,
    private readonly onHang?: () => void,
  ) {
    super(options);
  }

  protected override spawn(log: number): ChildProcess {
    const { command, cwd, envAgain } = this.options;
    const env = { ...this.options.env, ...(this.report && envAgain?.()) };
    return spawn(command, this.args, { env, cwd, detached: true, stdio: ['ignore', log, log, 'ipc'] });
  }

  protected override async ready(running: ChildProcess): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const watchdog = this.settings && this.watch(running);
      running.on('message', (message: Alive | Ready | FailedToStart) => {
        watchdog?.reported();
        if ('failed' in message) {
          const { failed, ports } = message;
          reject(
            ports
              ? new PortsUnusable(ports)
              : new ServiceError('child_failed', { name: this.options.name, why: failed }),
          );
        } else if ('ready' in message) {
          this.report = message;
          resolve();
        }
      });
      running.once('error', reject);
      running.once('exit', (code, signal) => reject(this.exited(code, signal)));
      // If they fail, the start has failed, and ends this process.
      this.settings?.().then(
        (settings) => running.send(settings),
        () => {},
      );
    });
  }

  /** Kills the process if its event loop hangs; it is then restarted. */
  private watch(running: ChildProcess): Watchdog {
    const watchdog = new Watchdog(running.pid ?? 0, () => {
      this.hangs += 1;
      this.onHang?.();
      running.kill('SIGKILL');
    });
    running.once('exit', () => watchdog.stop());
    return watchdog;
  }
}

/** A program that is not ours. It counts as ready once `isReady` says so. */
export class ProgramChild extends Child {
  constructor(
    options: ChildOptions,
    private readonly isReady: () => Promise<boolean>,
  ) {
    super(options);
  }

  protected override spawn(log: number): ChildProcess {
    const { command, env, cwd } = this.options;
    return spawn('sh', ['-c', GUARD, 'sh', command, ...this.args], {
      env,
      cwd,
      detached: true,
      stdio: ['pipe', log, log],
    });
  }

  protected override async ready(running: ChildProcess): Promise<void> {
    let ended: ServiceError | undefined;
    const { command: file } = this.options;
    running.once('error', (error) => (ended = new ServiceError('program_missing', { file, cause: codeOf(error) })));
    running.once('exit', (code, signal) => (ended = this.exited(code, signal)));
    while (!(await this.isReady())) {
      if (ended) throw ended;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  return openSync(file, 'a', 0o600);
}
