import { join } from 'node:path';
import type { Command } from 'commander';
import pico from 'picocolors';
import { installedService } from '../../autostart/manager.ts';
import type { Config } from '../../config/index.ts';
import { KimiError } from '../../kimi/errors.ts';
import { modelOf, resolveModel } from '../../kimi/models.ts';
import { startStack } from '../../stack/stack.ts';
import { runningStack, type StackState } from '../../stack/state.ts';
import { explain, type Text } from '../../text/index.ts';
import { serviceOf, startService } from '../autostart.ts';
import { openContext, warnOfMisspelt, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { command, ending } from '../options.ts';
import { supervisorSentences } from '../supervisor-sentences.ts';
import { startInterruptibly } from '../interruptible-start.ts';
import { Progress } from '../output/progress.ts';
import { screen } from '../output/screen.ts';
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
  const { config, say, text } = context;
  warnOfMisspelt(say);
  const installed = detach ? await startInstalled(context, simulate) : await besideInstalled(context);
  if (installed) return isUp(installed, context, detach);
  const progress = new Progress(say, text);
  const start = async () =>
    await startStack({
      config,
      simulate,
      anyPort: false,
      onStep: (step) => progress.step(step),
      // In the foreground the process that the user started supervises the stack, and started this one (stack/foreground.ts).
      supervisor: detach ? { logFile: join(config.KIMI_HOME, 'logs', 'up.log') } : 'parent',
      say: supervisorSentences(config.KIMI_HOME, say),
    });
  const stack = await startInterruptibly(start, progress, say.up.interrupted);
  if (!('stop' in stack)) return already(stack, simulate, say);
  return isUp(stack.state, context, detach);
}

/** @returns the stack of the installed service, if there is one and nothing runs yet. */
async function startInstalled({ config, say }: Context, simulate: boolean): Promise<StackState | undefined> {
  const service = installedService(config.KIMI_HOME);
  if (!service || simulate || (await runningStack(config.KIMI_HOME))) return undefined;
  return await startService(service, say);
}

/** Says that a service is installed, unless this is its program. @throws {CliError} if it runs. */
async function besideInstalled({ config, say }: Context): Promise<undefined> {
  const found = await serviceOf(config.KIMI_HOME, await runningStack(config.KIMI_HOME));
  if (found?.isRunning) throw new CliError(EXIT.config, say.service.refused(found.service.name));
  // The parent of this process is the program that was started (stack/foreground.ts).
  if (found && found.state.pid !== process.ppid) console.error(say.service.here(found.service.name));
}

function isUp(state: StackState, { config, say, text }: Context, detach: boolean): Exit {
  console.log(screen(say.up.ready, state, modelRow(config, state, say, text), say));
  console.log(`\n${pico.dim(detach ? say.up.detached : say.up.stop)}`);
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
function modelRow({ KIMI_MODEL }: Config, { api_url, simulated }: StackState, say: CliText, text: Text): string {
  try {
    const model = resolveModel(KIMI_MODEL, api_url, simulated);
    return KIMI_MODEL === undefined ? say.defaultModel[modelOf(model) ? 'moonshot' : 'elsewhere'](model) : model;
  } catch (error) {
    if (!(error instanceof KimiError)) throw error;
    return pico.yellow(explain(error, text));
  }
}
