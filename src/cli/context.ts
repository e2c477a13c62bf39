import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Client } from '@temporalio/client';
import pico from 'picocolors';
import { loadEnvFiles } from '../config/env-file.ts';
import { limitsOf, readConfig, usesRelay, type Config } from '../config/index.ts';
import { misspeltVariables } from '../config/misspelt.ts';
import { isLimited, limiterIdOf } from '../limiter/client.ts';
import { openPayloads } from '../temporal/payloads/converter.ts';
import { PACKAGE_ROOT, tildePath } from '../service/files.ts';
import { ResultStore } from '../results/store.ts';
import { EXIT } from '../service/exit.ts';
import { CliError } from './exit.ts';
import { isInstalled } from '../stack/build.ts';
import { runningStack, type StackState } from '../stack/state.ts';
import { connectClient, engineOptions, EngineUnreachable, isEngineGone } from '../temporal/client.ts';
import { startTracing, stopTracing } from '../service/tracing.ts';
import { textFor, type Text } from '../text/index.ts';
import { cliText, type CliText } from './text/index.ts';

/** What every command works with. */
export interface Context {
  config: Config;
  /** What the command line says. */
  say: CliText;
  /** What a task says. */
  text: Text;
  /** The embedded stack that runs from `KIMI_HOME`, if one does. */
  stack: StackState | undefined;
  results: ResultStore;
  taskQueue: string;
  /** Workflow id of the limiter; `undefined` where nothing is limited. */
  limiter: string | undefined;
  /** Whether tasks go through the relay. */
  relay: boolean;
  /** Where the worker sends tasks; `undefined` where it runs elsewhere and nobody here says. */
  apiUrl: string | undefined;
  /** The environment that says where the engine is. */
  engineEnv: NodeJS.ProcessEnv;
  /** Whether the environment names a Temporal server that is not the embedded one. */
  elsewhere: boolean;
}

/** Reads the context, and warns on standard error where the running services are not the installed ones. */
export async function openContext(): Promise<Context> {
  const context = await readContext();
  const problem = otherBuild(context);
  if (problem !== undefined) console.error(pico.yellow(problem));
  return context;
}

/** @returns what to do where the running services are of another build than this command, or have lost their files. */
export function otherBuild({ stack, say }: Context): string | undefined {
  if (!stack || isInstalled(stack)) return undefined;
  return say.otherBuild(`kimi-dispatch up --detach${stack.simulated ? ' --simulate' : ''}`);
}

/** Reads the configuration and finds the running stack. What is set in the environment wins over what the stack says. */
export async function readContext(): Promise<Context> {
  loadEnvFiles();
  const config = readConfig();
  const stack = await runningStack(config.KIMI_HOME);
  const { address } = engineOptions().connectionOptions;
  const isMeant = address === undefined || address === stack?.temporal_address;
  return contextFor(config, isMeant ? stack : undefined);
}

export function contextFor(config: Config, stack: StackState | undefined): Context {
  const taskQueue = stack?.task_queue ?? config.KIMI_TASK_QUEUE;
  const named = engineOptions().connectionOptions.address;
  const engine = stack
    ? { TEMPORAL_ADDRESS: stack.temporal_address, TEMPORAL_NAMESPACE: stack.namespace }
    : // Where its user has `up` put it.
      named === undefined && config.isSet('KIMI_TEMPORAL_PORT') && config.KIMI_TEMPORAL_PORT > 0
      ? { TEMPORAL_ADDRESS: `127.0.0.1:${config.KIMI_TEMPORAL_PORT}` }
      : undefined;
  // The embedded engine is reached by its address alone: keys and certificates in the environment are for other servers.
  const isEmbedded = engine !== undefined && (stack?.embedded ?? true);
  return {
    config,
    say: cliText(config.KIMI_LANG),
    text: textFor(config.KIMI_LANG),
    stack,
    results: new ResultStore(stack && !config.isSet('KIMI_RESULTS_DIR') ? stack.results_dir : config.KIMI_RESULTS_DIR),
    taskQueue,
    limiter: stack ? stack.limiter : isLimited(limitsOf(config)) ? limiterIdOf(config) : undefined,
    relay: stack ? stack.relay_url !== undefined : usesRelay(config),
    apiUrl: stack?.api_url ?? (named && !config.isSet('KIMI_API_URL') ? undefined : config.KIMI_API_URL),
    engineEnv: isEmbedded ? engine : { ...process.env, ...engine },
    elsewhere: named !== undefined,
  };
}

/**
 * Whether each side can read what the other writes. Without the keys a prompt would lie in the engine in clear; with others
 * its task would stand still.
 */
function fits([mine, ...myOthers]: string[], [theirs, ...theirOthers]: string[]): boolean {
  if (mine === undefined || theirs === undefined) return mine === theirs;
  return [theirs, ...theirOthers].includes(mine) && [mine, ...myOthers].includes(theirs);
}

/**
 * Nothing runs from this home, and nobody said where else an engine is. Whoever listens at Temporal's own port is a
 * stranger: another home's stack, with another key, or a simulated one.
 */
export class NothingRuns extends EngineUnreachable {
  constructor(readonly home: string) {
    super('localhost:7233');
  }
}

/** Names variables that have no effect. */
export function warnOfMisspelt(say: CliText): void {
  for (const variable of misspeltVariables()) console.error(pico.yellow(say.misspelt(variable)));
}

/** The stack of this home runs, and its engine does not answer: where it broke, `up` is starting it again. */
export class EngineAway extends EngineUnreachable {}

/** The engine went away during a call: it may have done what it was asked. */
export class EngineLost extends EngineUnreachable {}

/** What to say where there is no key: which file is read, and one in the current folder that names the key and is not. */
export function noKey({ config, say, stack }: Pick<Context, 'config' | 'say' | 'stack'>): string {
  const home = tildePath(config.KIMI_HOME);
  const what = stack ? say.noKey.stack : say.noKey.nothing(home);
  return what + say.noKey.set(join(home, '.env')) + unreadKey(config, say);
}

/** An `.env` of the current folder is somebody else's, and is looked at for the name of the key alone. */
export function unreadKey(config: Config, say: CliText): string {
  const file = resolve('.env');
  if ([config.KIMI_HOME, PACKAGE_ROOT].includes(dirname(file))) return '';
  try {
    const isNamed = /^\uFEFF?\s*(?:export\s+)?(?:KIMI|MOONSHOT)_API_KEY\s*=/m.test(readFileSync(file, 'utf8'));
    return isNamed ? say.noKey.unread(tildePath(file)) : '';
  } catch {
    return '';
  }
}

/** @returns the address of the engine; `undefined` where {@link NothingRuns}. */
export function engineAddress({ engineEnv }: Context): string | undefined {
  return engineOptions(engineEnv).connectionOptions.address;
}

/**
 * Runs work with a connection to the engine, and closes it.
 *
 * @throws {EngineUnreachable}
 */
export async function withClient<T>(context: Context, work: (client: Client) => Promise<T>): Promise<T> {
  const { stack, config, say } = context;
  if (engineAddress(context) === undefined) throw new NothingRuns(config.KIMI_HOME);
  if (stack && !fits([...config.KIMI_PAYLOAD_KEYS.keys()], stack.payload_keys)) {
    throw new CliError(EXIT.config, say.otherPayloadKeys(stack.payload_keys.join(', ')));
  }
  const [client] = await Promise.all([
    connectClient(openPayloads(config).dataConverter, context.engineEnv).catch((error: unknown) => {
      const isAway = stack && error instanceof EngineUnreachable && error.why === undefined;
      throw isAway ? new EngineAway(error.address) : error;
    }),
    startTracing('cli', config.OTEL_EXPORTER_OTLP_ENDPOINT),
  ]);
  try {
    return await work(client);
  } catch (error) {
    throw isEngineGone(error) ? new EngineLost(engineAddress(context) ?? '') : error;
  } finally {
    await stopTracing();
    await client.connection.close();
  }
}
