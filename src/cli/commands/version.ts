import type { Command } from 'commander';
import { EXIT } from '../../service/exit.ts';
import { command, printing } from '../options.ts';
import { VERSION } from '../program.ts';
import type { CliText } from '../text/index.ts';

/** The same as `--version`, for those who look for a command. */
export function versionCommand(say: CliText): Command {
  return command('version', say, say.help.version, ['kimi-dispatch version']).action(
    printing(async () => {
      console.log(VERSION);
      return await Promise.resolve(EXIT.ok);
    }),
  );
}
