/** Stops the stack of a home, whether a command or a service started it. */
import { setTimeout as pause } from 'node:timers/promises';
import { installedService, stateOf, stopSteps, call } from '../autostart/manager.ts';
import { EXIT } from '../service/exit.ts';
import { remainsOf, runningStack } from '../stack/state.ts';
import { CliError } from './exit.ts';
import type { CliText } from './text/index.ts';

/** Longer than a worker's grace period for running activities. */
const STOP_MS = 40_000;

/**
 * Stops the stack and waits until its processes have ended.
 *
 * @returns false if nothing ran.
 */
export async function stopStack(home: string, say: CliText): Promise<boolean> {
  const stack = await runningStack(home);
  const isRetried = await stopRetries(home);
  if (!stack && (await remainsOf(home)).length === 0) return isRetried;
  console.error(say.steps.stopping);
  if (stack) {
    process.kill(stack.pid, 'SIGTERM');
    // A stopped process (SIGSTOP) does not handle signals.
    process.kill(stack.pid, 'SIGCONT');
  }
  const giveUpAt = performance.now() + STOP_MS;
  for (;;) {
    const running = await runningStack(home);
    const left = running ? [running] : await remainsOf(home);
    if (left.length === 0) return true;
    if (performance.now() > giveUpAt) throw new CliError(EXIT.unexpected, say.down.stuck(left.map(({ pid }) => pid)));
    await pause(50);
  }
}

/** A service whose `up` fails is started again and again; one that runs ends with the signal and is not. */
async function stopRetries(home: string): Promise<boolean> {
  const service = installedService(home);
  if (!service || (await stateOf(service)).active !== 'retrying') return false;
  for (const { command } of stopSteps(service)) await call(command);
  return true;
}
