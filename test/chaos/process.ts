import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

/** How long a process that ended by itself stays away, in milliseconds, as `up` has it at first. */
const RESTART_MS = 500;

export interface ProcessOptions {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
}

/** A process that is started again whenever it ends, and can be killed, stopped and frozen. */
export class RestartedProcess {
  private running: ChildProcess | undefined;
  private stopping = false;
  /** Until when it stays away. */
  private downUntil = 0;

  constructor(private readonly options: ProcessOptions) {}

  /** Absent while it is away. */
  get pid(): number | undefined {
    return this.running?.pid;
  }

  start(): void {
    const { command, args, env, logFile } = this.options;
    const log = openSync(logFile, 'a');
    // Our services end when this channel closes: none is left behind, however the run ends.
    // A process group of its own: Ctrl-C in the terminal is for this process, which stops the others in order.
    const child = spawn(command, args, { env, detached: true, stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    this.running = child;
    child.once('exit', () => void this.startAgain());
  }

  /**
   * Sends a signal and lets the process come back after a while.
   *
   * @returns whether it was there to be broken.
   */
  async break(how: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGSTOP', for_ms: number): Promise<boolean> {
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

  /** Asks it to end for good, and waits for it. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.stopping = true;
    const { running } = this;
    if (!running || hasEnded(running)) return;
    const ended = once(running, 'exit');
    running.kill(signal);
    await ended;
  }

  /** Kills it for good. */
  kill(): void {
    this.stopping = true;
    this.running?.kill('SIGKILL');
  }

  private async startAgain(): Promise<void> {
    if (this.downUntil < Date.now()) await pause(RESTART_MS);
    while (this.downUntil > Date.now()) await pause(20);
    if (!this.stopping) this.start();
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
