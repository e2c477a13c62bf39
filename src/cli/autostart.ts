/** The installed service, as `up`, `service` and `doctor` see it. */
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  call,
  installedService,
  missingFiles,
  startSteps,
  stateOf,
  type Installed,
  type ServiceState,
  type Step,
} from '../autostart/manager.ts';
import { EXIT } from '../service/exit.ts';
import { tildePath } from '../service/files.ts';
import { runningStack, type StackState } from '../stack/state.ts';
import type { Context } from './context.ts';
import { CliError } from './exit.ts';
import type { CliText } from './text/index.ts';

/** How long a start may take, in milliseconds: the first one may fetch the engine. */
const START_MS = 300_000;

/** Polling intervals, in milliseconds. */
const LOOK_MS = 100;
const ASK_MS = 1_000;

/** A service and how it stands. */
export interface Service {
  service: Installed;
  state: ServiceState;
  /** Files of its program that no longer exist. */
  missing: string[];
  /** Whether the running stack is its own. */
  isRunning: boolean;
}

/** @returns the service of a home; `undefined` if none is installed. */
export async function serviceOf(home: string, stack: StackState | undefined): Promise<Service | undefined> {
  const service = installedService(home);
  if (!service) return undefined;
  const state = await stateOf(service);
  return { service, state, missing: missingFiles(service), isRunning: stack !== undefined && stack.pid === state.pid };
}

/** @returns how a service stands, and what to do about it. */
export function serviceSentence(found: Service, hasStack: boolean, { service: say }: CliText): string {
  const { service, state, missing, isRunning } = found;
  const { name } = service;
  if (missing.length > 0) return say.missing(missing.map(tildePath).join(' '));
  if (isRunning && state.pid !== undefined) return say.running(name, state.pid);
  if (hasStack) return say.byHand(name);
  return { running: say.starting, retrying: say.retrying, stopped: say.stopped }[state.active](name);
}

/** @returns what `doctor` says of it. A Temporal server elsewhere has services of its own. */
export async function serviceFindings({
  config,
  stack,
  elsewhere,
  say,
}: Pick<Context, 'config' | 'stack' | 'elsewhere' | 'say'>): Promise<{ ok: boolean; what: string }[]> {
  const found = await serviceOf(config.KIMI_HOME, stack);
  if (!found) return elsewhere || !stack || stack.simulated ? [] : [{ ok: true, what: say.service.none }];
  const { boot } = found.state;
  return [
    { ok: found.isRunning && found.missing.length === 0, what: serviceSentence(found, stack !== undefined, say) },
    { ok: boot === 'yes' || boot === 'login', what: say.service.boot[boot] },
  ];
}

/** Runs steps of the service manager. @returns the optional ones that failed. */
export async function runSteps(steps: Step[], say: CliText): Promise<Step[]> {
  const failed: Step[] = [];
  for (const step of steps) {
    const { code, output } = await call(step.command);
    if (code === 0) continue;
    if (!step.optional) throw new CliError(EXIT.config, say.service.stepFailed(step.command.join(' '), output));
    failed.push(step);
  }
  return failed;
}

/** Starts the installed service and waits until it is ready. */
export async function startService(service: Installed, say: CliText): Promise<StackState> {
  const watch = watchStart(service, say);
  await runSteps(startSteps(service), say);
  return await watch();
}

/**
 * Called before a service is started.
 *
 * @returns a function that waits until it is ready. It throws what the service said if it ended.
 */
export function watchStart(service: Installed, say: CliText): () => Promise<StackState> {
  const log = join(service.home, 'logs', 'up.log');
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  closeSync(openSync(log, 'a', 0o600));
  const { size } = statSync(log);
  const lastWords = (): string => readFileSync(log).subarray(size).toString().trim().split('\n').at(-1) ?? '';
  const failed = (why: string): CliError => new CliError(EXIT.config, say.service.failed(why, tildePath(log)));
  return async () => {
    const giveUpAt = performance.now() + START_MS;
    for (let askAt = performance.now() + ASK_MS; ;) {
      const stack = await runningStack(service.home);
      if (stack && stack.pid === (await stateOf(service)).pid) return stack;
      if (performance.now() > askAt) {
        askAt = performance.now() + ASK_MS;
        const { active } = await stateOf(service);
        if (active !== 'running') throw failed(lastWords());
      }
      if (performance.now() > giveUpAt) throw failed(say.service.slow);
      await pause(LOOK_MS);
    }
  };
}
