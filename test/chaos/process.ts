import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

/** Restart delay of a process that ended by itself, in milliseconds: the first delay of `up`. */
const RESTART_MS = 500;

export interface ProcessOptions {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
  /** Set if the command ends with this process by itself. Our services take a channel to it for that of `up`. */
  endsItself?: true;
}

/** What faults are injected into. */
export interface Breakable {
  /**
   * Sends a signal, and undoes a pause after a while.
   *
   * @returns false if there was no such process
   */
  break(how: Signal, for_ms: number): Promise<boolean>;
}

type Signal = 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGSTOP';

/** Sends a signal. @returns whether there was such a process. */
export function signal(pid: number, how: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, how);
  } catch {
    return false;
  }
}

/** A supervised process: restarted whenever it ends; can be killed, stopped and paused. */
export class RestartedProcess implements Breakable {
  private running: ChildProcess | undefined;
  private stopping = false;
  /** Not restarted before this time. */
  private downUntil = 0;

  constructor(private readonly options: ProcessOptions) {}

  /** Absent while the process is down. */
  get pid(): number | undefined {
    return this.running?.pid;
  }

  start(): void {
    const { command, args, env, logFile, endsItself } = this.options;
    const log = openSync(logFile, 'a');
    // Our services end when this channel closes, so none outlives the run.
    // Own process group: Ctrl-C in the terminal reaches only this process, which stops the others in order.
    const child = spawn(command, args, {
      env,
      detached: true,
      stdio: ['ignore', log, log, endsItself ? 'ignore' : 'ipc'],
    });
    closeSync(log);
    this.running = child;
    child.once('exit', () => void this.restart());
  }

  /**
   * Sends a signal and lets the process return after a while.
   *
   * @returns false if the process was not running
   */
  async break(how: Signal, for_ms: number): Promise<boolean> {
    const { running } = this;
    if (!running || hasEnded(running)) return false;
    if (how === 'SIGSTOP') {
      running.kill('SIGSTOP');
      await pause(for_ms);
      running.kill('SIGCONT');
      return true;
    }
    this.downUntil = Infinity;
    const ended = once(running, 'exit');
    running.kill(how);
    await ended;
    this.downUntil = Date.now() + for_ms;
    await pause(for_ms);
    return true;
  }

  /** Stops the process without a restart, and waits for its end. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.stopping = true;
    const { running } = this;
    if (!running || hasEnded(running)) return;
    const ended = once(running, 'exit');
    running.kill(signal);
    await ended;
  }

  /** Kills the process without a restart. */
  kill(): void {
    this.stopping = true;
    this.running?.kill('SIGKILL');
  }

  private async restart(): Promise<void> {
    if (this.downUntil < Date.now()) await pause(RESTART_MS);
    while (this.downUntil > Date.now()) await pause(20);
    if (!this.stopping) this.start();
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
