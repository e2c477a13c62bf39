import { Command, CommanderError, Help, type OutputConfiguration } from 'commander';
import { langOf } from '../config/early.ts';
import { loadEnvFiles } from '../config/env-file.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import { namedCommand } from './command-name.ts';
import { forgetTask, subject, watchStandardOutput } from './exit.ts';
import { refuseRepeats, usageError } from './options.ts';
import { atFirstUse, guard, withoutControls } from './output/terminal.ts';
import type { CliText } from './text/index.ts';
import { loadText } from './text/load.ts';

/** The version of the package: set by scripts/build.ts. */
declare const KIMI_DISPATCH_VERSION: string;

export const VERSION = KIMI_DISPATCH_VERSION;

/** Every command, with its options and arguments as the list of the help shows them. */
export const TAKES = {
  dispatch: '[options] [PROMPT]',
  run: '[options] [PROMPT]',
  status: '[options] [TASK]',
  list: '[options]',
  result: '[options] [TASK]',
  watch: '<TASK>',
  wait: '<TASKS...>',
  cancel: '[options] <TASK>',
  allow: '[options] <TASK>',
  retry: '[options] <TASK>',
  rm: '[options] <TASK>',
  inbox: '[options]',
  ack: '[options] <TASK>',
  limits: '[options]',
  schedule: '',
  export: '[options]',
  search: '[options] <WORDS...>',
  prune: '[options]',
  models: '[options]',
  usage: '[options]',
  report: '[options]',
  up: '[options]',
  down: '[options]',
  logs: '[options] [NAME]',
  doctor: '[options]',
  service: '[options] <ACTION>',
  backup: '<FILE>',
  restore: '[options] <FILE>',
  mcp: '[options]',
  token: '',
  webhook: '',
  setup: '',
  version: '',
} as const;

export type CommandName = keyof typeof TAKES;

/** Loads a command. */
export type Load = () => Promise<(say: CliText) => Command>;

/** Prints a help that is no terminal's. */
export type WriteHelp = (text: string) => void;

/** Commands that can be run; the others are only listed in the help. */
export interface Runnable {
  commands: Partial<Record<CommandName, Load>>;
  /** Adds the commands for shell completion, which need all others. */
  completion?: (program: Command, say: CliText) => void;
  /** Absent where the help is printed by `process.stdout`. */
  writeHelp?: WriteHelp | undefined;
}

/** Runs `kimi-dispatch`. Every error ends as a sentence on standard error and an exit status. */
export async function runProgram(argv: string[], runnable: Runnable): Promise<void> {
  let say = await loadText(langOf());
  forgetTask();
  atFirstUse('stdout', (stream) => {
    watchStandardOutput(stream, () => say);
    guard(stream);
  });
  atFirstUse('stderr', (stream) => {
    stream.on('error', () => {});
    guard(stream);
  });
  try {
    loadEnvFiles();
    say = await loadText(langOf());
    const words = argv.slice(2);
    const program = await programFor(say, words, runnable);
    const name = namedCommand(words);
    // With `help`, commander would show the whole help, and not say that there is no such command.
    const isUnknown = words[0] === 'help' && name !== '' && !program.commands.some((known) => known.name() === name);
    await program.parseAsync(isUnknown ? [...argv.slice(0, 2), name] : argv);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const { exit, message } = await sentenceOf(error, say);
    console.error(withoutControls(message));
    process.exitCode = exit;
  }
}

async function programFor(
  say: CliText,
  words: string[],
  { commands, completion, writeHelp }: Runnable,
): Promise<Command> {
  const program = new Command('kimi-dispatch')
    .description(say.help.program)
    .version(VERSION, '-V, --version', say.help.version)
    .helpOption('-h, --help', say.help.option)
    .helpCommand('help [command]', say.help.command)
    .addHelpText('after', `\n${say.help.exits}`);
  const name = namedCommand(words);
  const isHelp = words.some((word) => /^(?:help|-h|--help)$/.test(word));
  // One that runs needs no others; the help lists them, and so does the sentence about a name that there is not.
  const isAlone = !isHelp && Object.hasOwn(TAKES, name);
  for (const command of (isAlone ? [name] : Object.keys(TAKES)) as CommandName[]) {
    // Completion offers the options of every command.
    const load = completion || command === name ? commands[command] : undefined;
    program.addCommand(load ? (await load())(say) : new Command(command).description(say.help[command]));
  }
  if (completion) completion(program, say);
  else program.command('completion <shell>').description(say.help.completion);
  const displayWidth = isHelp || name === '' ? (await import('./output/help-width.ts')).helpWidth : undefined;
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    refuseRepeats(command, say);
    command
      .exitOverride()
      .configureOutput({ outputError: () => {}, ...(writeHelp && helpOutput(writeHelp)) })
      .configureHelp({
        ...(displayWidth && { displayWidth }),
        subcommandTerm,
        styleTitle: (title) => say.titles[title] ?? title,
        styleUsage: say.helpWords,
        styleSubcommandTerm: say.helpWords,
        styleOptionDescription: say.helpWords,
      });
  }
  return program;
}

/** Of commander: where the help goes, and what commander would open `process.stdout` to find out. */
function helpOutput(writeOut: WriteHelp): OutputConfiguration {
  return { writeOut, getOutHelpWidth: () => 80, getOutHasColors: () => false };
}

/** The term of a command in the help, which may not be loaded. */
function subcommandTerm(command: Command): string {
  const name = command.name();
  const isOfProgram = command.parent?.parent === null;
  if (!isOfProgram || !Object.hasOwn(TAKES, name)) return new Help().subcommandTerm(command);
  return `${name} ${TAKES[name as CommandName]}`.trim();
}

async function sentenceOf(error: unknown, say: CliText): Promise<{ exit: Exit; message: string }> {
  if (error instanceof CommanderError) {
    // Without a command, commander shows the help on standard error.
    return error.code === 'commander.help' ? { exit: EXIT.usage, message: '' } : usageError(error, say);
  }
  const { sentenceOfOurs } = await import('./problem-sentence.ts');
  return sentenceOfOurs(error, say) ?? (await import('./error-sentence.ts')).sentenceFor(error, say, subject());
}
