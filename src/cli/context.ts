import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Client } from '@temporalio/client';
import pico from 'picocolors';
import { loadEnvFiles } from '../config/env-file.ts';
import { readConfig, type Config } from '../config/index.ts';
import { misspeltVariables } from '../config/misspelt.ts';
import { openPayloads } from '../temporal/payloads/converter.ts';
import { PACKAGE_ROOT, tildePath } from '../service/files.ts';
import { EXIT } from '../service/exit.ts';
import { CliError } from './exit.ts';
import { isInstalled } from '../stack/build.ts';
import type { ResultStore } from '../results/store.ts';
import { DATABASE } from '../stack/engine-database.ts';
import { runningStack, type StackState } from '../stack/state.ts';
import { connectClient, engineOptions, isEngineGone } from '../temporal/client.ts';
import { useLogOf } from '../temporal/group-commit.ts';
import { EngineLost, EngineUnreachable } from '../temporal/engine-unreachable.ts';
import { startTracing, stopTracing } from '../service/tracing.ts';
import { textFor, type Text } from '../text/index.ts';
import { taskContext, type TaskContext } from '../tasks/context.ts';
import { cliText, type CliText } from './text/index.ts';

/** What a command works with: configuration, texts, stores, and the running stack. */
export interface Context extends TaskContext {
  /** Texts of the command line. */
  say: CliText;
  /** Texts of tasks. */
  text: Text;
  /** The environment that names the engine. */
  engineEnv: NodeJS.ProcessEnv;
  /** Whether the environment names a Temporal server other than the embedded one. */
  elsewhere: boolean;
}

/** Reads the context. Warns on standard error if the running services are of another build. */
export async function openContext(): Promise<Context> {
  const context = await readContext();
  const problem = otherBuild(context);
  if (problem !== undefined) console.error(pico.yellow(problem));
  return context;
}

/** @returns a warning if the running services are of another build than this command, or if their files are gone. */
export function otherBuild({ stack, say }: Context): string | undefined {
  if (!stack || isInstalled(stack)) return undefined;
  return say.otherBuild(upCommand(stack));
}

/** @returns the command that starts the services of a stack again. */
export function upCommand(stack: { simulated?: boolean } | undefined): string {
  return `kimi-dispatch up --detach${stack?.simulated ? ' --simulate' : ''}`;
}

/** @returns the same where no services run: without a key, and after a simulated task, they were a simulation. */
export async function upAgain(context: Context): Promise<string> {
  const { config, stack } = context;
  return upCommand(stack ?? { simulated: !config.KIMI_API_KEY && (await wasSimulated(context)) });
}

/** @returns whether the simulated Kimi has, or answered, the last task. */
export async function wasSimulated({ results }: Context): Promise<boolean> {
  const last = results.pending()[0] ?? (await results.latest().catch(() => undefined));
  return last?.simulated ?? false;
}

/** Reads the configuration and finds the running stack. The environment takes precedence over the stack's settings. */
export async function readContext(): Promise<Context> {
  loadEnvFiles();
  const config = readConfig();
  const stack = await runningStack(config.KIMI_HOME);
  const { address } = engineOptions().connectionOptions;
  const isMeant = address === undefined || address === stack?.temporal_address;
  return contextFor(config, isMeant ? stack : undefined);
}

export function contextFor(config: Config, stack: StackState | undefined): Context {
  const named = engineOptions().connectionOptions.address;
  const engine = stack
    ? { TEMPORAL_ADDRESS: stack.temporal_address, TEMPORAL_NAMESPACE: stack.namespace }
    : // The folder that the stack uses.
      named === undefined && config.isSet('KIMI_TEMPORAL_PORT') && config.KIMI_TEMPORAL_PORT > 0
      ? { TEMPORAL_ADDRESS: `127.0.0.1:${config.KIMI_TEMPORAL_PORT}` }
      : undefined;
  // Keys and certificates in the environment are for other servers, not for the embedded engine.
  const isEmbedded = engine !== undefined && (stack?.embedded ?? true);
  if (isEmbedded) useLogOf(join(config.KIMI_HOME, DATABASE));
  const elsewhere = named !== undefined;
  const context: Context = {
    ...taskContext(config, stack, elsewhere, async (work) => await withClient(context, work)),
    say: cliText(config.KIMI_LANG),
    text: textFor(config.KIMI_LANG),
    engineEnv: isEmbedded ? engine : { ...process.env, ...engine },
    elsewhere,
  };
  return context;
}

/**
 * Checks that command and stack have the same payload keys. Without them a prompt would be stored in clear; with others its
 * task could not be read.
 */
function fits([mine, ...myOthers]: string[], [theirs, ...theirOthers]: string[]): boolean {
  if (mine === undefined || theirs === undefined) return mine === theirs;
  return [theirs, ...theirOthers].includes(mine) && [mine, ...myOthers].includes(theirs);
}

/**
 * No stack runs from this home, and no Temporal server is configured. A server at Temporal's default port may be the stack of
 * another home, with another key, or a simulated one, so it is not used.
 */
export class NothingRuns extends EngineUnreachable {
  constructor(
    readonly home: string,
    /** The command that starts services. */
    readonly up: string,
    readonly results: ResultStore,
  ) {
    super('localhost:7233');
  }

  /** @returns whether Kimi has accepted a task that has no result. */
  isOpen(task_id: string | undefined): boolean {
    return this.results.pending().some((task) => task.task_id === task_id);
  }
}

/** Warns of misspelt variables. */
export function warnOfMisspelt(say: CliText): void {
  for (const variable of misspeltVariables()) console.error(pico.yellow(say.misspelt(variable)));
}

/** The stack of this home runs, but its engine does not answer; `up` restarts a crashed engine. */
export class EngineAway extends EngineUnreachable {}

/** The message for a missing key: which file is read, and which file in the current folder is not. */
export function noKey({ config, say, stack }: Pick<Context, 'config' | 'say' | 'stack'>): string {
  const home = tildePath(config.KIMI_HOME);
  const what = stack ? say.noKey.stack : say.noKey.nothing(home);
  const then = `${stack ? 'kimi-dispatch down; ' : ''}kimi-dispatch up --detach`;
  return what + say.noKey.set(join(home, '.env'), then) + unreadKey(config, say);
}

/** The `.env` of the current folder may belong to another project: only the name of the key is looked up in it. */
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

/** @returns the address of the engine; `undefined` if {@link NothingRuns}. */
export function engineAddress({ engineEnv }: Context): string | undefined {
  return engineOptions(engineEnv).connectionOptions.address;
}

/**
 * Runs `work` with a connection to the engine, then closes the connection.
 *
 * @throws {EngineUnreachable}
 */
export async function withClient<T>(context: Context, work: (client: Client) => Promise<T>): Promise<T> {
  const { stack, config, say } = context;
  if (engineAddress(context) === undefined) {
    throw new NothingRuns(config.KIMI_HOME, await upAgain(context), context.results);
  }
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
