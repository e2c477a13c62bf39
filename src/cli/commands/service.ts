import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { Argument, type Command } from 'commander';
import pico from 'picocolors';
import writeFileAtomic from 'write-file-atomic';
import { definitionFile, definitionOf, definitionText, environmentOf, type Scope } from '../../autostart/definition.ts';
import {
  installedService,
  installSteps,
  managerProblem,
  stateOf,
  uninstallSteps,
  type Installed,
  type Step,
} from '../../autostart/manager.ts';
import { envFiles, GIVEN_ENV } from '../../config/env-file.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { tildePath } from '../../service/files.ts';
import { isAgreed } from '../ask.ts';
import { runSteps, serviceOf, serviceSentence, watchStart } from '../autostart.ts';
import { readContext, type Context } from '../context.ts';
import { CliError } from '../exit.ts';
import { command, ending } from '../options.ts';
import { stopStack, warnOfAnswers } from '../stop.ts';
import type { CliText } from '../text/index.ts';

interface ServiceOptions {
  system?: boolean;
  yes?: boolean;
}

const ACTIONS = { install, uninstall, status };

export function serviceCommand(say: CliText): Command {
  return command('service', say, say.help.service, [
    'kimi-dispatch service install',
    'kimi-dispatch service status',
    'kimi-dispatch service uninstall',
  ])
    .addArgument(new Argument('<ACTION>', say.help.serviceAction).choices(Object.keys(ACTIONS)))
    .option('--system', say.help.serviceSystem)
    .option('-y, --yes', say.help.yes)
    .action(
      ending(async (action: keyof typeof ACTIONS, options: ServiceOptions) => {
        return await ACTIONS[action](await readContext(), options);
      }),
    );
}

async function install(context: Context, { system = false, yes = false }: ServiceOptions): Promise<Exit> {
  const { config, say, stack } = context;
  const home = config.KIMI_HOME;
  const scope = system ? 'system' : 'user';
  await checkInstall(context, scope);
  const definition = definitionOf(home, scope, GIVEN_ENV);
  const text = definitionText(definition);
  const file = definitionFile(definition.name, scope);
  // A system definition is copied to its place by root.
  const written = scope === 'user' ? file : join(home, 'service-definition');
  const steps = installSteps(definition.name, scope, written);
  console.log(`${say.service.will(tildePath(file))}\n\n${pico.dim(text)}`);
  show(steps, say);
  if (steps.some(({ command: words }) => words.includes('enable-linger'))) console.log(say.service.lingers);
  if (stack) console.log(say.service.restarts);
  await warnOfAnswers(context);
  if (!(await isWanted(yes, say))) return EXIT.ok;

  await mkdir(dirname(written), { recursive: true, mode: 0o700 });
  await writeFileAtomic(written, text, { mode: 0o600 });
  const service: Installed = { ...definition, scope, file };
  if (stack?.pid !== (await stateOf(service)).pid) await stopStack(home, say);
  const untilReady = watchStart(service, say);
  await runSteps(steps, say);
  if (written !== file) await rm(written, { force: true });
  await untilReady();
  console.log(say.service.installed(definition.name));
  console.log(say.service.boot[(await stateOf(service)).boot]);
  return EXIT.ok;
}

function refuse(why: string): never {
  throw new CliError(EXIT.config, why);
}

/** @throws {CliError} if a service would not work. */
async function checkInstall({ config, say, stack, elsewhere }: Context, scope: Scope): Promise<void> {
  const home = config.KIMI_HOME;
  const { program, name } = definitionOf(home, scope, GIVEN_ENV);
  if (process.getuid?.() === 0 && process.env['SUDO_USER']) refuse(say.service.throughSudo);
  if (program[1].includes(`${sep}_npx${sep}`)) refuse(say.service.temporary(tildePath(program[1])));
  const problem = await managerProblem(scope);
  if (problem) refuse(say.service.problem[problem]);
  const other = installedService(home);
  if (other && other.name !== name) refuse(say.service.otherScope(other.name, tildePath(other.file)));
  if (stack?.simulated) refuse(say.service.simulated);
  const isUsed: Record<string, boolean> = {
    AWS: config.KIMI_PAYLOAD_S3_BUCKET !== undefined,
    OTEL: config.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined,
    TEMPORAL: elsewhere,
  };
  const inFiles = new Set(envFiles(process.env).flatMap(({ variables }) => Object.keys(variables)));
  const hasKey = ['KIMI_API_KEY', 'KIMI_API_KEY_FILE', 'MOONSHOT_API_KEY'].some((each) => inFiles.has(each));
  const missing = environmentOf(GIVEN_ENV).secrets.filter((secret) => {
    if (inFiles.has(secret) || (hasKey && /^(?:KIMI|MOONSHOT)_API_KEY$/.test(secret))) return false;
    return isUsed[secret.split('_')[0] ?? ''] ?? true;
  });
  if (missing.length > 0) {
    refuse(say.service.secrets(missing.join(say.doctor.between), tildePath(join(home, '.env'))));
  }
}

async function uninstall(context: Context, { yes = false }: ServiceOptions): Promise<Exit> {
  const { config, say } = context;
  const service = installedService(config.KIMI_HOME);
  if (!service) {
    console.log(say.service.none);
    return EXIT.ok;
  }
  const steps = uninstallSteps(service);
  console.log(`${say.service.removes(tildePath(service.file))}\n`);
  show(steps, say);
  await warnOfAnswers(context);
  if (!(await isWanted(yes, say))) return EXIT.ok;
  await runSteps(steps, say);
  console.log(say.service.uninstalled);
  return EXIT.ok;
}

async function status({ config, say, stack }: Context): Promise<Exit> {
  const found = await serviceOf(config.KIMI_HOME, stack);
  if (!found) {
    console.log(say.service.none);
    return EXIT.engine;
  }
  console.log(serviceSentence(found, stack !== undefined, say));
  console.log(say.service.boot[found.state.boot]);
  console.log(tildePath(found.service.file));
  return found.isRunning ? EXIT.ok : EXIT.engine;
}

function show(steps: Step[], say: CliText): void {
  console.log(say.service.steps);
  for (const { command: words } of steps) console.log(`  ${words.join(' ')}`);
  console.log('');
}

async function isWanted(yes: boolean, say: CliText): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw new CliError(EXIT.usage, say.service.noTerminal);
  const isYes = await isAgreed(say.service.question);
  if (!isYes) console.log(say.service.left);
  return isYes;
}
