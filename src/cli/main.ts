import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { ConfigError, langOf, loadEnvFiles } from '../config.ts';
import { ServiceError } from '../errors.ts';
import { PACKAGE_ROOT, tildePath } from '../paths.ts';
import type { FailedToStart } from '../process.ts';
import { NoTemporalCli } from '../stack/temporal-cli.ts';
import { EngineUnreachable } from '../temporal.ts';
import { ackCommand } from './ack.ts';
import { cancelCommand } from './cancel.ts';
import { addCompletion } from './completion.ts';
import { EngineAway, NothingRuns } from './context.ts';
import { dispatchCommand } from './dispatch.ts';
import { doctorCommand } from './doctor.ts';
import { downCommand } from './down.ts';
import { EXIT, type Exit } from '../exit.ts';
import { CliError } from './exit.ts';
import { inboxCommand } from './inbox.ts';
import { limitsCommand } from './limits.ts';
import { listCommand } from './list.ts';
import { logsCommand } from './logs.ts';
import { modelsCommand } from './models.ts';
import { usageError } from './options.ts';
import { reportCommand } from './report.ts';
import { resultCommand } from './result.ts';
import { runCommand } from './run.ts';
import { setupCommand } from './setup.ts';
import { watchStandardOutput } from './standard-output.ts';
import { statusCommand } from './status.ts';
import { cliText, type CliText } from './text/index.ts';
import { upCommand } from './up.ts';
import { usageCommand } from './usage.ts';
import { watchCommand } from './watch.ts';

const COMMANDS = [
  dispatchCommand,
  runCommand,
  statusCommand,
  listCommand,
  resultCommand,
  watchCommand,
  cancelCommand,
  inboxCommand,
  ackCommand,
  limitsCommand,
  modelsCommand,
  usageCommand,
  reportCommand,
  upCommand,
  downCommand,
  logsCommand,
  doctorCommand,
  setupCommand,
];

/** Runs `kimi-dispatch`. Every error ends as a sentence on standard error and an exit status. */
export async function main(argv: string[]): Promise<void> {
  let say = cliText(langOf());
  watchStandardOutput(() => say);
  try {
    loadEnvFiles();
    say = cliText(langOf());
    await programFor(say).parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const { exit, message } = sentenceFor(error, say);
    console.error(message);
    // To `up --detach`, which waits for what runs in the background.
    if (process.connected) process.send?.({ failed: message } satisfies FailedToStart);
    process.exitCode = exit;
  }
}

function programFor(say: CliText): Command {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };
  const program = new Command('kimi-dispatch')
    .description(say.help.program)
    .version(version, '-V, --version', say.help.version)
    .helpOption('-h, --help', say.help.option)
    .helpCommand('help [command]', say.help.command)
    .addHelpText('after', `\n${say.help.exits}`);
  for (const make of COMMANDS) program.addCommand(make(say));
  addCompletion(program, say);
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .configureHelp({ styleTitle: (title) => say.titles[title] ?? title });
  }
  return program;
}

function sentenceFor(error: unknown, say: CliText): { exit: Exit; message: string } {
  if (error instanceof CommanderError) {
    // Without a command, commander shows the help on standard error.
    return error.code === 'commander.help' ? { exit: EXIT.usage, message: '' } : usageError(error, say);
  }
  if (error instanceof CliError) return error;
  if (error instanceof ConfigError) return { exit: EXIT.config, message: say.config(error.problems) };
  // The engine's client wraps what stopped a payload on its way.
  for (let cause: unknown = error; cause instanceof Error; { cause } = cause) {
    if (cause instanceof ServiceError) return { exit: EXIT.config, message: cause.message };
  }
  if (error instanceof NoTemporalCli) return { exit: EXIT.config, message: say.noTemporalCli(error.tried) };
  if (error instanceof EngineUnreachable) return { exit: EXIT.engine, message: engineSentence(error, say) };
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== undefined && path !== undefined) return { exit: EXIT.config, message: say.notUsable(path, code) };
  if (process.env['KIMI_LOG_LEVEL'] === 'debug') console.error(error);
  return { exit: EXIT.unexpected, message: say.unexpected((error as Error).message) };
}

function engineSentence(error: EngineUnreachable, say: CliText): string {
  const { address, why } = error;
  if (error instanceof NothingRuns) return say.nothingRuns(tildePath(error.home));
  if (error instanceof EngineAway) return say.engineAway(address);
  return why === undefined ? say.noEngine(address) : say.engineRefuses(address, why);
}
