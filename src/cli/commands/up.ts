import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import pico from 'picocolors';
import { installedService } from '../../autostart/manager.ts';
import { GIVEN_ENV } from '../../config/env-file.ts';
import type { Config } from '../../config/index.ts';
import { KimiError } from '../../kimi/errors.ts';
import { modelOf, resolveModel } from '../../kimi/models.ts';
import type { FailedToStart } from '../../service/run.ts';
import { startStack } from '../../stack/stack.ts';
import { runningStack, type StackState } from '../../stack/state.ts';
import { explain, type Text } from '../../text/index.ts';
import { serviceOf, startService } from '../autostart.ts';
import { openContext, warnOfMisspelt, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { damageSentence } from '../engine-damage.ts';
import { CliError } from '../exit.ts';
import { tildePath } from '../../service/files.ts';
import { command, ending } from '../options.ts';
import { Progress } from '../output/progress.ts';
import { columns } from '../output/table.ts';
import type { CliText } from '../text/index.ts';

interface UpOptions {
  simulate?: boolean;
  detach?: boolean;
}

export function upCommand(say: CliText): Command {
  const examples = ['kimi-dispatch up', 'kimi-dispatch up --detach', 'kimi-dispatch up --simulate'];
  return command('up', say, say.help.up, examples)
    .option('--simulate', say.help.simulate)
    .option('-d, --detach', say.help.detach)
    .action(ending(up));
}

async function up({ simulate = false, detach = false }: UpOptions): Promise<Exit> {
  const context = await openContext();
  warnOfMisspelt(context.say);
  return detach ? await upInBackground(context, simulate) : await upInForeground(context, simulate);
}

async function upInForeground({ config, say, text }: Context, simulate: boolean): Promise<Exit> {
  const running = await runningStack(config.KIMI_HOME);
  const found = await serviceOf(config.KIMI_HOME, running);
  if (found?.isRunning) throw new CliError(EXIT.config, say.service.refused(found.service.name));
  if (found && found.state.pid !== process.pid) console.error(say.service.here(found.service.name));
  const progress = new Progress(say, text);
  const stack = await startStack({
    config,
    simulate,
    anyPort: false,
    onStep: (step) => progress.step(step),
    onRestart: (name, missing) => {
      console.error(say.up.restarted(name, missing && tildePath(missing)));
      const damage = name === 'temporal' && damageSentence(config.KIMI_HOME, say);
      if (damage) console.error(damage);
    },
  }).finally(() => progress.end());
  if (!('stop' in stack)) return already(stack, simulate, say);

  console.log(screen(say.up.ready, stack.state, modelRow(config, stack.state, say, text), say));
  console.log(`\n${pico.dim(say.up.stop)}`);
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  const lost = stack.lost.then(() => console.error(`\n${say.up.homeGone(tildePath(config.KIMI_HOME))}`));
  await Promise.race([signalled, lost]);
  console.error(`\n${say.steps.stopping}`);
  await stack.stop();
  console.error(say.up.stopped);
  return EXIT.ok;
}

/** Runs `up` in a process that outlives this one, and waits until it is ready. */
async function upInBackground(context: Context, simulate: boolean): Promise<Exit> {
  const { config, say } = context;
  const running = await runningStack(config.KIMI_HOME);
  if (running) return already(running, simulate, say);
  const service = installedService(config.KIMI_HOME);
  if (service && !simulate) return isUp(await startService(service, say), context);
  const logs = join(config.KIMI_HOME, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  const logFile = join(logs, 'up.log');
  const log = openSync(logFile, 'a', 0o600);
  const [program = ''] = process.argv.slice(1);
  const child = spawn(process.execPath, [program, 'up', ...(simulate ? ['--simulate'] : [])], {
    detached: true,
    // It reads the .env files itself, so their secrets are not in the environment of the process.
    env: GIVEN_ENV,
    // The channel carries the reason of a failed start.
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  let failure: string | undefined;
  let ended: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  child.once('message', ({ failed }: FailedToStart) => (failure = failed));
  // After the last message of the channel.
  child.once('close', (code, signal) => (ended = { code, signal }));
  for (;;) {
    const state = await runningStack(config.KIMI_HOME);
    if (state?.pid === child.pid && state) {
      child.disconnect();
      child.unref();
      return isUp(state, context);
    }
    if (ended) {
      // Another `up` won the race.
      if (state) return already(state, simulate, say);
      const why = failure ?? String(ended.signal ?? ended.code);
      throw new CliError(EXIT.config, say.up.failed(why, tildePath(logFile)));
    }
    await pause(50);
  }
}

function isUp(state: StackState, { config, say, text }: Context): Exit {
  console.log(screen(say.up.ready, state, modelRow(config, state, say, text), say));
  console.log(`\n${pico.dim(say.up.detached)}`);
  return EXIT.ok;
}

function already(state: StackState, simulate: boolean, say: CliText): Exit {
  if (simulate !== state.simulated) {
    throw new CliError(EXIT.config, simulate ? say.notSimulated : say.up.isSimulated);
  }
  console.log(screen(say.up.already, state, undefined, say));
  return EXIT.ok;
}

/** The default model and the reason for it, or why there is none. */
function modelRow({ KIMI_MODEL }: Config, { api_url }: StackState, say: CliText, text: Text): string {
  try {
    const model = resolveModel(KIMI_MODEL, api_url);
    return KIMI_MODEL === undefined ? say.defaultModel[modelOf(model) ? 'moonshot' : 'elsewhere'](model) : model;
  } catch (error) {
    if (!(error instanceof KimiError)) throw error;
    return pico.yellow(explain(error, text));
  }
}

/** Prints the addresses of the services. */
function screen(heading: string, state: StackState, model: string | undefined, say: CliText): string {
  const { rows } = say.up;
  const kimi = state.simulated ? `${pico.yellow(say.up.simulated)} ${state.simulator_url}` : state.api_url;
  const lines: [string, string | undefined][] = [
    ['Temporal', state.temporal_address],
    ['Web UI', state.ui_url],
    ['Webhook', state.webhook_url],
    [rows.dashboard, state.dashboard ? `${state.webhook_url}/` : undefined],
    [rows.relay, state.relay_url],
    [rows.kimi, state.has_key ? kimi : pico.yellow(say.up.noKey)],
    [rows.model, model],
    [rows.gateway, state.wake_url],
    ...Object.entries(state.metrics_urls).map(([name, url]): [string, string] => [rows.metrics(name), url]),
    [rows.results, tildePath(state.results_dir)],
    [rows.logs, tildePath(state.logs_dir)],
  ];
  const shown = lines.filter((line): line is [string, string] => line[1] !== undefined);
  return `${pico.bold(pico.green(heading))}\n\n${columns(shown.map(([label, value]) => ['', label, value]))}`;
}
