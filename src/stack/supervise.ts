/** Running a stack for the command that starts it. */
import { ServiceError } from '../service/exit.ts';
import { DatabaseUnusable } from './engine-database.ts';
import { claimHome, type ClaimedHome } from './home.ts';
import type { Plan, StartFailure, StartMessage, SupervisorMessage } from './plan.ts';
import { Supervisor } from './supervisor.ts';

/** The IPC channel to the command: its child process, or this process's parent. */
export type Channel = Pick<NodeJS.Process, 'send' | 'connected' | 'disconnect'> & {
  once(event: 'message', listener: (message: StartMessage) => void): unknown;
  once(event: 'disconnect', listener: () => void): unknown;
};

/** The signals that end a stack. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs the stack that a command plans, until a signal ends it.
 *
 * @returns whether it ran.
 */
export async function supervise(command: Channel): Promise<boolean> {
  const signalled = new Promise<void>((resolve) => {
    for (const signal of SIGNALS) process.on(signal, () => resolve());
  });
  const left = new Promise<void>((resolve) => command.once('disconnect', resolve));
  const ended = Promise.race([signalled, left]).then(() => undefined);
  const tell = (message: SupervisorMessage): void => {
    if (command.connected) command.send?.(message);
  };
  let home: ClaimedHome | undefined;
  let stack: Supervisor | undefined;
  try {
    const asked = await Promise.race([next(command), ended]);
    if (!asked || !('home' in asked)) return false;
    home = await claimHome(asked.home);
    const planned = next(command);
    tell({ claimed: home !== undefined });
    const given = home && (await Promise.race([planned, ended]));
    if (!home || !given || !('plan' in given)) return false;
    const { plan } = given;
    stack = new Supervisor(plan, home);
    const ready = await Promise.race([stack.start(), ended]);
    if (!ready) return false;
    tell({ ready });
    const isLost = await untilItEnds({ plan, home, command, signalled, left });
    if (isLost) tell({ lost: true });
    if (plan.outlives) console.error(`${isLost ? `\n${plan.say.homeGone}` : ''}\n${plan.say.stopping}`);
    await stack.stop();
    if (plan.outlives) console.error(plan.say.stopped);
    return true;
  } catch (error) {
    await stack?.stop();
    tell(failure(error as Error));
    return false;
  } finally {
    await stack?.stop();
    await home?.release();
  }
}

async function next(command: Channel): Promise<StartMessage> {
  return await new Promise((resolve) => command.once('message', resolve));
}

interface Running {
  plan: Plan;
  home: ClaimedHome;
  command: Channel;
  signalled: Promise<void>;
  left: Promise<void>;
}

/** @returns whether the home was lost. */
async function untilItEnds({ plan, home, command, signalled, left }: Running): Promise<boolean> {
  if (plan.outlives && command.connected) command.disconnect();
  return await Promise.race([
    home.lost.then(() => true),
    signalled.then(() => false),
    ...(plan.outlives ? [] : [left.then(() => false)]),
  ]);
}

function failure(error: NodeJS.ErrnoException): StartFailure {
  return {
    failed: error.message,
    code: error.code,
    path: error.path,
    ...(error instanceof ServiceError && { problem: { code: error.code, params: error.params } }),
    ...(error instanceof DatabaseUnusable && { database: error.problem }),
  };
}
