import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import stringWidth from 'string-width';
import { loadEnvFiles } from '../config/env-file.ts';
import { langOf } from '../config/index.ts';
import { ConfigError } from '../config/problems.ts';
import { EXIT, ServiceError, type Exit } from '../service/exit.ts';
import { PACKAGE_ROOT, tildePath } from '../service/files.ts';
import { PortsUnusable } from '../service/ports.ts';
import { DATABASE, DatabaseUnusable } from '../stack/engine-database.ts';
import { setAside } from './engine-damage.ts';
import { NoTemporalCli } from '../stack/temporal-cli.ts';
import { EngineUnreachable, sayCredentials } from '../temporal/engine-unreachable.ts';
import { EngineAway, EngineLost, NothingRuns } from './context.ts';
import { CliError, watchStandardStreams } from './exit.ts';
import { refuseRepeats, usageError } from './options.ts';
import { guard, withoutControls } from './output/terminal.ts';
import { cliText, type CliText } from './text/index.ts';

/** Each command is loaded on demand: `dispatch` starts without the dependencies of the others. */
const COMMANDS: Record<string, () => Promise<(say: CliText) => Command>> = {
  dispatch: async () => (await import('./commands/dispatch.ts')).dispatchCommand,
  run: async () => (await import('./commands/run.ts')).runCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  list: async () => (await import('./commands/list.ts')).listCommand,
  result: async () => (await import('./commands/result.ts')).resultCommand,
  watch: async () => (await import('./commands/watch.ts')).watchCommand,
  cancel: async () => (await import('./commands/cancel.ts')).cancelCommand,
  inbox: async () => (await import('./commands/inbox.ts')).inboxCommand,
  ack: async () => (await import('./commands/ack.ts')).ackCommand,
  limits: async () => (await import('./commands/limits.ts')).limitsCommand,
  models: async () => (await import('./commands/models.ts')).modelsCommand,
  usage: async () => (await import('./commands/usage.ts')).usageCommand,
  report: async () => (await import('./commands/report.ts')).reportCommand,
  up: async () => (await import('./commands/up.ts')).upCommand,
  down: async () => (await import('./commands/down.ts')).downCommand,
  logs: async () => (await import('./commands/logs.ts')).logsCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  service: async () => (await import('./commands/service.ts')).serviceCommand,
  backup: async () => (await import('./commands/backup.ts')).backupCommand,
  restore: async () => (await import('./commands/backup.ts')).restoreCommand,
  setup: async () => (await import('./commands/setup.ts')).setupCommand,
};

/** Runs `kimi-dispatch`. Every error ends as a sentence on standard error and an exit status. */
export async function main(argv: string[]): Promise<void> {
  let say = cliText(langOf());
  watchStandardStreams(() => say);
  guard(process.stdout);
  guard(process.stderr);
  try {
    loadEnvFiles();
    say = cliText(langOf());
    const program = await programFor(say, argv[2]);
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const { exit, message } = sentenceFor(error, say);
    console.error(withoutControls(message));
    process.exitCode = exit;
  }
}

/** @param name of the command to load; all are loaded for help and suggestions if it is unknown. */
async function programFor(say: CliText, name = ''): Promise<Command> {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string };
  const program = new Command('kimi-dispatch')
    .description(say.help.program)
    .version(version, '-V, --version', say.help.version)
    .helpOption('-h, --help', say.help.option)
    .helpCommand('help [command]', say.help.command)
    .addHelpText('after', `\n${say.help.exits}`);
  const isKnown = Object.hasOwn(COMMANDS, name);
  for (const [command, load] of Object.entries(COMMANDS)) {
    if (isKnown && command !== name) continue;
    program.addCommand((await load())(say));
  }
  if (!isKnown) (await import('./commands/completion.ts')).addCompletion(program, say);
  for (const command of [program, ...program.commands]) {
    refuseRepeats(command, say);
    command
      .exitOverride()
      .configureOutput({ outputError: () => {} })
      .configureHelp({
        displayWidth: stringWidth,
        styleTitle: (title) => say.titles[title] ?? title,
        styleUsage: say.helpWords,
        styleSubcommandTerm: say.helpWords,
        styleOptionDescription: say.helpWords,
      });
  }
  return program;
}

function sentenceFor(error: unknown, say: CliText, lang = langOf()): { exit: Exit; message: string } {
  if (error instanceof CommanderError) {
    // Without a command, commander shows the help on standard error.
    return error.code === 'commander.help' ? { exit: EXIT.usage, message: '' } : usageError(error, say);
  }
  if (error instanceof CliError) return error;
  if (error instanceof ConfigError) {
    // A language that does not exist is explained in both.
    const isLang = error.problems.some(({ subject }) => subject === 'KIMI_LANG');
    const texts = isLang ? [cliText('zh-TW'), cliText('en')] : [say];
    return { exit: EXIT.config, message: texts.map(({ config }) => config(error.problems)).join('\n') };
  }
  // The engine's client wraps errors of the payload codec.
  for (let cause: unknown = error; cause instanceof Error; { cause } = cause) {
    if (cause instanceof PortsUnusable) return { exit: EXIT.config, message: say.ports(cause.ports) };
    if (cause instanceof ServiceError) return { exit: EXIT.config, message: cause.sentence(lang) };
  }
  if (error instanceof NoTemporalCli) return { exit: EXIT.config, message: say.noTemporalCli(error.lines(lang)) };
  if (error instanceof DatabaseUnusable) return { exit: EXIT.config, message: databaseSentence(error, say) };
  if (error instanceof EngineUnreachable) return { exit: EXIT.engine, message: engineSentence(error, say) };
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return { exit: EXIT.config, message: say.noSpace };
  if (code !== undefined && path !== undefined) return { exit: EXIT.config, message: say.notUsable(path, code) };
  if (process.env['KIMI_LOG_LEVEL'] === 'debug') console.error(error);
  return { exit: EXIT.unexpected, message: say.unexpected((error as Error).message) };
}

function databaseSentence({ home, problem }: DatabaseUnusable, say: CliText): string {
  if (problem === 'disk_full') return say.diskFull(tildePath(home));
  return say.database(tildePath(join(home, DATABASE)), problem, setAside(home));
}

function engineSentence(error: EngineUnreachable, say: CliText): string {
  const { address, why } = error;
  if (error instanceof NothingRuns) {
    const home = tildePath(error.home);
    return say.nothingRuns(home) + (existsSync(error.home) ? '' : say.noHome(home));
  }
  if (error instanceof EngineLost) return say.engineGone(address);
  if (error instanceof EngineAway) return say.engineAway(address);
  return why === undefined ? say.noEngine(address) : say.engineRefuses(address, sayCredentials(why, langOf()));
}
