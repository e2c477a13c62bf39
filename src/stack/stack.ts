/** Starting the embedded stack: Temporal dev server, services (webhook, relay, worker) and, in a simulation, the simulated Kimi. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { simulatedConfig, type Config } from '../config/index.ts';
import { withoutSecrets } from '../config/secrets.ts';
import { GIVEN_ENV } from '../config/env-file.ts';
import { ServiceError } from '../service/exit.ts';
import { DIST } from '../service/files.ts';
import { PortsUnusable } from '../service/ports.ts';
import { DRAIN_MS } from './child.ts';
import { DatabaseUnusable } from './engine-database.ts';
import { makePlan } from './make-plan.ts';
import type { Plan, StartFailure, StartMessage, SupervisorMessage } from './plan.ts';
import { remainsOf, runningStack, type StackState } from './state.ts';

/** The step of a start that takes time. */
export type StartStep = 'remains' | 'sdk' | 'wheel' | 'upgrade' | 'services';

export interface StackOptions {
  config: Config;
  /** Sends tasks to the simulated Kimi and wakes the simulated gateway. */
  simulate: boolean;
  /** Uses any free port where none is configured, so that a temporary stack does not take the ports of another. */
  anyPort: boolean;
  onStep: (step: StartStep) => void;
  /**
   * Who supervises it: the parent of this process; or a process of its own, which outlives this one if it has a log file.
   */
  supervisor: 'parent' | { logFile: string | undefined };
  say: Plan['say'];
}

export interface Stack {
  state: StackState;
  /** Resolves when the home was removed or another stack uses it: the stack stops then. */
  lost: Promise<void>;
  /** Stops every process, the engine last. Nothing durable is lost. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded stack.
 *
 * @returns the new stack, or the state of the one that runs from this home already.
 */
export async function startStack(given: StackOptions): Promise<Stack | StackState> {
  const options = given.simulate ? { ...given, config: simulatedConfig(given.config) } : given;
  const home = options.config.KIMI_HOME;
  const running = await runningStack(home);
  if (running) return running;
  const supervisor = new SupervisorProcess(options.supervisor, home);
  try {
    await untilNothingIsLeft(home, () => options.onStep('remains'));
    if (!(await supervisor.claim(home))) {
      const other = await runningStack(home);
      if (other) return other;
      throw new ServiceError('another_start', { home });
    }
    const plan = await makePlan(options);
    options.onStep('services');
    return { state: await supervisor.run(plan), lost: supervisor.lost, stop: async () => await supervisor.stop() };
  } finally {
    supervisor.leave();
  }
}

/** The processes of a killed stack hold ports and the database until they have ended. */
async function untilNothingIsLeft(home: string, onWait: () => void): Promise<void> {
  const giveUpAt = performance.now() + DRAIN_MS;
  for (let waiting = false; ; waiting = true) {
    const left = await remainsOf(home);
    if (left.length === 0) return;
    if (!waiting) onWait();
    if (performance.now() > giveUpAt) {
      throw new ServiceError('remains', { pids: left.map(({ pid }) => pid) });
    }
    await pause(50);
  }
}

type Answer<Word extends string> = Extract<SupervisorMessage, Record<Word, unknown>>;

/** The process that supervises a stack. */
class SupervisorProcess {
  /** Resolves when the home was removed or another stack uses it. */
  readonly lost: Promise<void>;
  /** Absent if it is the parent of this process. */
  private readonly child: ChildProcess | undefined;
  private readonly channel: Channel;
  private readonly outlives: boolean;

  constructor(
    which: StackOptions['supervisor'],
    private readonly home: string,
  ) {
    this.child = which === 'parent' ? undefined : spawnSupervisor(which.logFile);
    const channel: Channel = this.child ?? process;
    this.channel = channel;
    this.outlives = which === 'parent' || which.logFile !== undefined;
    this.lost = new Promise((resolve) => {
      channel.on('message', (message) => {
        if ('lost' in message) resolve();
      });
    });
  }

  /** @returns whether no other stack uses the home. */
  async claim(home: string): Promise<boolean> {
    return (await this.ask({ home }, 'claimed')).claimed;
  }

  /** Starts the stack. @throws the reason why it could not start. */
  async run(plan: Plan): Promise<StackState> {
    return (await this.ask({ plan }, 'ready')).ready;
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  /** Lets a process go that outlives this one. */
  leave(): void {
    if (!this.outlives) return;
    if (this.channel.connected) this.channel.disconnect();
    this.child?.unref();
  }

  private async ask<Word extends 'claimed' | 'ready'>(message: StartMessage, word: Word): Promise<Answer<Word>> {
    const { channel } = this;
    return await new Promise((resolve, reject) => {
      channel.on('message', (answer) => {
        if (word in answer) resolve(answer as Answer<Word>);
        else if ('failed' in answer) reject(startError(answer, this.home));
      });
      const gone = (): void => {
        const { exitCode, signalCode } = this.child ?? {};
        const how = String(signalCode ?? exitCode ?? 'disconnect');
        reject(new ServiceError('exited', { name: 'supervisor', how, log: join(this.home, 'logs', 'up.log') }));
      };
      channel.on('disconnect', gone);
      // It may have ended before. Without the callback that would be an error event, which ends this process.
      channel.send?.(message, (error) => {
        if (error) gone();
      });
    });
  }
}

/** The IPC channel to it. */
type Channel = Pick<NodeJS.Process, 'connected' | 'disconnect'> & {
  send?(message: StartMessage, done: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: SupervisorMessage) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
};

function startError({ failed, problem, database, code, path }: StartFailure, home: string): Error {
  if (problem?.code === 'ports') return new PortsUnusable(problem.params.ports);
  if (problem) return new ServiceError(problem.code, problem.params);
  if (database) return new DatabaseUnusable(home, database);
  return Object.assign(new Error(failed), { code, path });
}

/** Its environment has no secrets: they are in the plan, if at all. */
function spawnSupervisor(logFile: string | undefined): ChildProcess {
  if (logFile !== undefined) mkdirSync(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = logFile === undefined ? 'inherit' : openSync(logFile, 'a', 0o600);
  const child = spawn(process.execPath, [join(DIST, 'supervisor.js')], {
    // Ctrl-C reaches the command alone, which stops it.
    detached: true,
    env: withoutSecrets(GIVEN_ENV),
    stdio: ['ignore', log, log, 'ipc'],
  });
  if (log !== 'inherit') closeSync(log);
  return child;
}
