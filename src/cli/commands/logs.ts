import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { parseLogLine, readable, type LogLine } from '../../service/log-line.ts';
import { openContext } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { LogFile, logNames } from '../log-files.ts';
import { command, printing } from '../options.ts';
import type { CliText } from '../text/index.ts';

/** Lines of each log that are shown. */
const LINES = 50;

/** Polling interval, in milliseconds. */
const LOOK_MS = 250;

interface LogsOptions {
  follow?: boolean;
  json?: boolean;
}

export function logsCommand(say: CliText): Command {
  return command('logs', say, say.help.logs, ['kimi-dispatch logs', 'kimi-dispatch logs worker --follow'])
    .argument('[NAME]', say.help.logName)
    .option('-f, --follow', say.help.follow)
    .option('--json', say.help.json)
    .action(printing(logs));
}

/** Readable lines in a terminal, JSON lines elsewhere. */
async function logs(name: string | undefined, { follow = false, json = false }: LogsOptions): Promise<Exit> {
  const { config, say } = await openContext();
  const folder = join(config.KIMI_HOME, 'logs');
  const isWanted = (each: string): boolean => name === undefined || each === name;
  const all = logNames(folder);
  if (all.length === 0) {
    console.log(say.logs.none);
    return EXIT.ok;
  }
  if (!all.some(isWanted)) throw new CliError(EXIT.usage, say.logs.unknown(String(name), all.join(', ')));

  const show = json || !process.stdout.isTTY ? JSON.stringify : forPeople;
  const print = (found: Entry[]): void => {
    const lines = found.toSorted((a, b) => a.time - b.time).map(({ line }) => `${show(line).trimEnd()}\n`);
    if (lines.length > 0) process.stdout.write(lines.join(''));
  };
  const files = all.filter(isWanted).map((each) => new LogFile(folder, each));
  print(files.flatMap((file) => entries(file).slice(-LINES)));
  if (!follow) return EXIT.ok;
  const unread = new AbortController();
  process.stdout.once('error', () => unread.abort());
  while (!unread.signal.aborted) {
    await pause(LOOK_MS);
    const added = logNames(folder).filter((each) => isWanted(each) && !files.some((file) => file.name === each));
    files.push(...added.map((each) => new LogFile(folder, each)));
    print(files.flatMap(entries));
  }
  return EXIT.ok;
}

interface Entry {
  line: LogLine;
  /** Sort key: a line without a time follows the line before it. */
  time: number;
}

function entries(file: LogFile): Entry[] {
  let last = 0;
  return file.lines().map((text) => {
    const line = parseLogLine(text, file.name);
    last = line.time ?? last;
    return { line, time: last };
  });
}

/** Adds the date, since logs span days. */
function forPeople(line: LogLine): string {
  const date = line.time === undefined ? ' '.repeat(5) : new Date(line.time).toISOString().slice(5, 10);
  return `${date} ${readable(line)}`;
}
