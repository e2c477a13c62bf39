/** Stops the stack of a home, whether a command or a service started it. */
import { setTimeout as pause } from 'node:timers/promises';
import { installedService, stateOf, stopSteps, call } from '../autostart/manager.ts';
import { answersUnderWay } from '../relay/client.ts';
import { EXIT } from '../service/exit.ts';
import { relayQueue } from '../shared/names.ts';
import { remainsOf, runningStack } from '../stack/state.ts';
import { withClient, type Context } from './context.ts';
import { CliError } from './exit.ts';
import type { CliText } from './text/index.ts';

/** Longer than a worker's grace period for running activities. */
const STOP_MS = 40_000;

/** How long the engine may take to count the answers, in milliseconds. */
const COUNT_MS = 5_000;

/** @returns how many answers a stop would interrupt. Callbacks of Kimi itself come when the services run again. */
export async function openAnswers(context: Context): Promise<number> {
  const { stack, relay, taskQueue } = context;
  if (!stack || !relay) return 0;
  return await withClient(
    context,
    async (client) =>
      await client.connection.withDeadline(
        Date.now() + COUNT_MS,
        async () => await answersUnderWay(client, relayQueue(taskQueue)),
      ),
  );
}

/** Says what a stop would interrupt. @returns false if that is nothing, or unknown: services can be stopped without an engine. */
export async function warnOfAnswers(context: Context): Promise<boolean> {
  const open = await openAnswers(context).catch(() => 0);
  if (open > 0) console.error(context.say.down.answering(open));
  return open > 0;
}

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
