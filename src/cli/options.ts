import { Command, InvalidArgumentError, Option } from 'commander';
import { readBudget } from '../shared/budget.ts';
import { closest } from '../shared/closest.ts';
import ms from 'ms';
import type { StringValue } from 'ms';
import { readRoute, type Route } from '../shared/chat.ts';
import { TASK_STATES, TOOLS, type Priority, type TaskState, type Tool } from '../shared/task.ts';
import { GROUPINGS, type Grouping } from '../results/usage.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import { langOf } from '../config/early.ts';
import { textFor } from '../text/index.ts';
import { CliError, exitStatusStands } from './exit.ts';
import type { CliText } from './text/index.ts';

const DAY_MS = 24 * 3600 * 1000;

/** Longest age, in milliseconds: the engine has no times before 1677. */
const OLDEST_MS = ms('100y');

/** A command with help in the user's language and examples. */
export function command(name: string, say: CliText, description: string, examples: string[]): Command {
  return new Command(name)
    .description(description)
    .helpOption('-h, --help', say.help.option)
    .allowExcessArguments(false)
    .addHelpText('after', `\n${say.help.examples}\n${examples.map((line) => `  ${line}`).join('\n')}`);
}

/** Sets the exit status that an action returns. */
export function ending<Args extends unknown[]>(action: (...args: Args) => Promise<Exit>) {
  const print = printing(action);
  return async (...args: Args): Promise<void> => {
    exitStatusStands();
    await print(...args);
  };
}

/** Like {@link ending}, for an action whose purpose is its output: lost output is a failure. */
export function printing<Args extends unknown[]>(action: (...args: Args) => Promise<Exit>) {
  return async (...args: Args): Promise<void> => {
    process.exitCode = await action(...args);
  };
}

/** Parses a duration such as `120s` or `5m`, or a number of milliseconds. */
export function duration(say: CliText): (value: string) => number {
  return (value) => {
    const time = /^\d+(?:\.\d+)?(?:ms|s|m|h)$/.test(value) ? ms(value as StringValue) : Number.NaN;
    if (!Number.isInteger(time) || time < 1 || time > DAY_MS) throw new InvalidArgumentError(say.usage.duration);
    return time;
  };
}

/** Parses the name of a model. */
export function model(say: CliText): (value: string) => string {
  return (value) => {
    if (!/^\S{1,128}$/.test(value)) throw new InvalidArgumentError(say.usage.model);
    return value;
  };
}

/** Parses a temperature. The table of models says which values a model accepts. */
export function temperature(say: CliText): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+(?:\.\d+)?$/.test(value) || number > 2) throw new InvalidArgumentError(say.usage.temperature);
    return number;
  };
}

/** Parses a number of tokens. */
export function maxTokens(say: CliText): (value: string) => number {
  return (value) => {
    if (!/^[1-9]\d{0,6}$/.test(value)) throw new InvalidArgumentError(say.usage.maxTokens);
    return Number(value);
  };
}

/** Parses an amount of money. */
export function amount(say: CliText): (value: string) => number {
  return (value) => {
    const read = readBudget(value);
    if (read === undefined) throw new InvalidArgumentError(say.usage.amount);
    return read;
  };
}

/** Parses `on`, `off`, or an effort. */
export function thinking(say: CliText): (value: string) => string {
  return (value) => {
    if (!/^[a-z]{1,16}$/.test(value)) throw new InvalidArgumentError(say.usage.thinking);
    return value;
  };
}

/** Parses names of tools, e.g. `search,fetch`. */
export function tools(say: CliText): (value: string) => Tool[] {
  return (value) => {
    const names = value.split(',').map((name) => name.trim());
    if (!names.every(isTool)) throw new InvalidArgumentError(say.usage.tools(TOOLS.join(', ')));
    return names;
  };
}

function isTool(name: string): name is Tool {
  return (TOOLS as readonly string[]).includes(name);
}

/** Collects the values of a repeatable option. */
export function repeated(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** Parses a priority from 1 (first) to 5 (last). */
export function priority(say: CliText): (value: string) => Priority {
  return (value) => {
    if (!/^[1-5]$/.test(value)) throw new InvalidArgumentError(say.usage.priority);
    return Number(value) as Priority;
  };
}

/** Parses a chat, given as JSON. */
export function route(say: CliText): (value: string) => Route {
  return (value) => {
    const known = readRoute(value);
    if (!known) throw new InvalidArgumentError(say.usage.route);
    return known;
  };
}

/** Parses a limit; 0 is none. */
export function limit(say: CliText): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number > 100_000) throw new InvalidArgumentError(say.usage.limit);
    return number;
  };
}

/** Parses an age: a number and a unit. @returns milliseconds. */
export function age(say: CliText): (value: string) => number {
  return (value) => {
    const time = /^\d+(?:\.\d+)?[smhdwy]$/.test(value) ? ms(value as StringValue) : 0;
    if (!(time > 0 && time <= OLDEST_MS)) throw new InvalidArgumentError(say.usage.age);
    return time;
  };
}

/** The option `--since`; thirty days by default. */
export function since(say: CliText): Option {
  return new Option('--since <TIME>', say.help.since).argParser(age(say)).default(30 * DAY_MS, '30d');
}

/** Refuses the repetition of an option with one value: the first value would be lost. */
export function refuseRepeats(command: Command, say: CliText): void {
  for (const option of command.options.filter((each) => each.required && each.parseArg !== repeated)) {
    let times = 0;
    command.on(`option:${option.name()}`, () => {
      times += 1;
      if (times > 1) throw new CliError(EXIT.usage, say.usage.repeated(option.long ?? option.name()));
    });
  }
}

/** Parses states of tasks, separated by commas. */
export function states(say: CliText): (value: string) => TaskState[] {
  return (value) =>
    value.split(',').map((word) => {
      // A list shows some states by other words.
      const { state: shown } = textFor(langOf());
      const known = TASK_STATES.find((state) => [state, shown[state]].includes(word.trim()));
      if (!known) throw new InvalidArgumentError(say.usage.states(TASK_STATES.map((state) => [state, shown[state]])));
      return known;
    });
}

/** Parses what to group by. */
export function grouping(say: CliText): (value: string) => Grouping {
  return (value) => {
    const known = GROUPINGS.find((name) => name === value);
    if (!known) throw new InvalidArgumentError(say.usage.grouping);
    return known;
  };
}

/** Most tasks in one list. */
const MOST = 10_000;

/** Parses a count from 1 to {@link MOST}. */
export function count(say: CliText): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < 1 || number > MOST) throw new InvalidArgumentError(say.usage.count);
    return number;
  };
}

/** Translates an error of commander. */
export function usageError(error: { code: string; message: string }, say: CliText): CliError {
  const subject = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  const [, most = '', given = ''] = /Expected (\d+) arguments? but got (\d+)/.exec(error.message) ?? [];
  const choices = /Allowed choices are (?<words>.*)\.$/.exec(error.message)?.groups?.['words'];
  const offered = /\(Did you mean (?:one of )?(?<names>.*)\?\)/.exec(error.message)?.groups?.['names'];
  const similar = closest(subject, offered?.split(', ') ?? []);
  const { usage } = say;
  const lookUp = similar === undefined ? usage.listed : usage.didYouMean(similar);
  const sentences: Record<string, string> = {
    'commander.unknownOption': usage.unknownOption(subject, lookUp),
    'commander.unknownCommand': usage.unknownCommand(subject, lookUp),
    'commander.missingArgument': usage.missingArgument(subject),
    'commander.missingMandatoryOptionValue': usage.missingArgument(subject),
    'commander.optionMissingArgument': usage.missingArgument(subject),
    'commander.excessArguments': usage.tooMany(subject, most, given),
    'commander.invalidArgument': usage.invalidValue(
      subject,
      choices ? usage.choices(choices) : error.message.split('. ').slice(1).join('. ').trim() || error.message,
    ),
  };
  return new CliError(EXIT.usage, sentences[error.code] ?? usage.other(error.message.replace(/^error: /, '')));
}
