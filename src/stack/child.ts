import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { ServiceError } from '../service/exit.ts';
import { PortsUnusable } from '../service/ports.ts';
import type { FailedToStart, Ready } from '../service/run.ts';
import { backoffMs } from '../shared/backoff.ts';
import { codeOf } from '../shared/system-error.ts';
import { identify, type ProcessId } from './process-id.ts';

/** How long a process may drain before it is killed, in milliseconds: longer than a worker's own grace. */
export const DRAIN_MS = 35_000;

/** How long a process may take to be ready, in milliseconds; they take 1–3 s. */
const START_MS = 60_000;

/** Wait before a process that ended is restarted. */
const RESTART_MS = { first: 500, longest: 30_000 };

/**
 * Ends a foreign program together with this process: the guard kills it when its own standard input closes, which happens however
 * this process ends, kill -9 included.
 */
const GUARD = [
  'exec 3<&0',
  '"$@" </dev/null 3<&- & child=$!',
  '{ cat <&3 >/dev/null; kill "$child" 2>/dev/null; } &',
  'exec 3<&-',
  'wait "$child"',
].join('\n');

export interface ChildOptions {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  /** Working directory; by default this process's. */
  cwd?: string;
  logFile: string;
  /** A service reports over IPC. A program runs behind the guard and is polled with `isReady`. */
  kind: 'service' | 'program';
  /** For a program: whether it is ready. */
  isReady?: () => Promise<boolean>;
  /** For a service: the variable of its port. A restart uses the same port as before. */
  portVariable?: string;
  /** Called after each start: it has another `id`. */
  onStart: () => void;
  /** Called before a restart. `missing` is the file of its program that no longer exists, if any. */
  onRestart: (name: string, missing?: string) => void;
}

/** A process of the stack, restarted when it ends unexpectedly. */
export class Child {
  /** Port that a service reported. */
  port = 0;
  /** Identity of the current process. */
  id: ProcessId | undefined;
  private process: ChildProcess | undefined;
  private stopping = false;
  private restarts = 0;

  constructor(private readonly options: ChildOptions) {}

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
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => running.once('exit', () => resolve()));
    if (this.options.kind === 'program') running.stdin?.destroy();
    else running.kill('SIGTERM');
    const kill = setTimeout(() => running.kill('SIGKILL'), DRAIN_MS);
    await ended;
    clearTimeout(kill);
  }

  private async launch(again: boolean): Promise<void> {
    const { command, args, kind, cwd, logFile, portVariable } = this.options;
    const env = { ...this.options.env, ...(portVariable && this.port > 0 && { [portVariable]: String(this.port) }) };
    const log = openLog(logFile);
    // A process group of its own: Ctrl-C in the terminal reaches only `up`, which stops the others in order.
    const running =
      kind === 'service'
        ? spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', log, log, 'ipc'] })
        : spawn('sh', ['-c', GUARD, 'sh', command, ...args], { env, cwd, detached: true, stdio: ['pipe', log, log] });
    closeSync(log);
    this.process = running;
    this.id = identify(running.pid ?? 0);
    this.options.onStart();
    const giveUp = setTimeout(() => running.kill('SIGKILL'), START_MS);
    try {
      await (kind === 'service' ? this.reported(running) : this.answered(running));
      this.restarts = 0;
    } catch (error) {
      if (!again) {
        clearTimeout(giveUp);
        this.stopping = true;
        if (kind === 'program') running.stdin?.destroy();
        throw error;
      }
    }
    clearTimeout(giveUp);
    if (running.exitCode !== null || running.signalCode !== null) this.ended();
    else running.once('exit', () => this.ended());
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
      if (!this.stopping) void this.launch(true);
    }, wait).unref();
  }

  /** Waits until a service reports that it is ready, or why it cannot start. */
  private async reported(running: ChildProcess): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      running.on('message', (message: Ready | FailedToStart) => {
        if ('failed' in message) {
          const { failed, ports } = message;
          reject(
            ports
              ? new PortsUnusable(ports)
              : new ServiceError('child_failed', { name: this.options.name, why: failed }),
          );
        } else {
          this.port = message.port;
          resolve();
        }
      });
      running.once('error', reject);
      running.once('exit', (code, signal) => reject(this.exited(code, signal)));
    });
  }

  private async answered(running: ChildProcess): Promise<void> {
    let ended: ServiceError | undefined;
    const { command: file } = this.options;
    running.once('error', (error) => (ended = new ServiceError('program_missing', { file, cause: codeOf(error) })));
    running.once('exit', (code, signal) => (ended = this.exited(code, signal)));
    while (!(await this.options.isReady?.())) {
      if (ended) throw ended;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  private exited(code: number | null, signal: NodeJS.Signals | null): ServiceError {
    const { name, logFile: log } = this.options;
    return new ServiceError('exited', { name, how: String(signal ?? code), log });
  }
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  return openSync(file, 'a', 0o600);
}
