import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { openContext } from './context.ts';
import { EXIT, type Exit } from '../exit.ts';
import { CliError } from './exit.ts';
import { command, ending } from './options.ts';
import type { CliText } from './text/index.ts';

/** How much of each log is shown. */
const LINES = 50;

export function logsCommand(say: CliText): Command {
  return command('logs', say, say.help.logs, ['kimi-dispatch logs', 'kimi-dispatch logs worker --follow'])
    .argument('[NAME]', say.help.logName)
    .option('-f, --follow', say.help.follow)
    .action(ending(logs));
}

async function logs(name: string | undefined, { follow = false }: { follow?: boolean }): Promise<Exit> {
  const { config, say } = await openContext();
  const folder = join(config.KIMI_HOME, 'logs');
  const all = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.log')) : [];
  const files = name === undefined ? all : all.filter((file) => file === `${name}.log`);
  if (files.length === 0 && all.length > 0) {
    const known = all.map((file) => file.slice(0, -'.log'.length)).join(', ');
    throw new CliError(EXIT.usage, say.logs.unknown(String(name), known));
  }
  if (files.length === 0) {
    console.log(say.logs.none);
    return EXIT.ok;
  }
  const args = ['-n', String(LINES), ...(follow ? ['-F'] : []), ...files.map((file) => join(folder, file))];
  await new Promise<void>((resolve, reject) => {
    spawn('tail', args, { stdio: 'inherit' })
      .once('close', () => resolve())
      .once('error', reject);
  });
  return EXIT.ok;
}
