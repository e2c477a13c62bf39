import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { installedService } from '../../autostart/manager.ts';
import { readContext } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { tildePath } from '../../service/files.ts';
import { command, ending } from '../options.ts';
import { stopStack } from '../stop.ts';
import type { CliText } from '../text/index.ts';

export function downCommand(say: CliText): Command {
  return command('down', say, say.help.down, ['kimi-dispatch down']).action(ending(down));
}

async function down(): Promise<Exit> {
  const { config, say } = await readContext();
  const home = config.KIMI_HOME;
  if (!(await stopStack(home, say))) {
    console.log(say.down.none + (existsSync(home) ? '' : say.noHome(tildePath(home))));
    return EXIT.ok;
  }
  console.log(say.down.stopped);
  if (installedService(home)) console.log(say.service.downUntilBoot);
  return EXIT.ok;
}
