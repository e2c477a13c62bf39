import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { installedService } from '../../autostart/manager.ts';
import { isAgreed } from '../ask.ts';
import { readContext, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { tildePath } from '../../service/files.ts';
import { command, ending } from '../options.ts';
import { openAnswers, stopStack, warnOfAnswers } from '../stop.ts';
import type { CliText } from '../text/index.ts';

/** Interval at which `--wait` looks, in milliseconds. */
const LOOK_MS = 1_000;

export function downCommand(say: CliText): Command {
  return command('down', say, say.help.down, ['kimi-dispatch down', 'kimi-dispatch down --wait'])
    .option('--wait', say.help.downWait)
    .action(ending(down));
}

async function down({ wait }: { wait?: true }): Promise<Exit> {
  const context = await readContext();
  const { config, say } = context;
  const home = config.KIMI_HOME;
  if (wait) await answered(context);
  else if ((await warnOfAnswers(context)) && process.stdin.isTTY && !(await isAgreed(say.down.question))) {
    console.log(say.down.left);
    return EXIT.unfinished;
  }
  if (!(await stopStack(home, say))) {
    console.log(say.down.none + (existsSync(home) ? '' : say.noHome(tildePath(home))));
    return EXIT.ok;
  }
  console.log(say.down.stopped);
  if (installedService(home)) console.log(say.service.downUntilBoot);
  return EXIT.ok;
}

/** Waits until a stop interrupts no answer. @throws {EngineUnreachable} if that cannot be known; nothing is stopped then */
async function answered(context: Context): Promise<void> {
  let open = await openAnswers(context);
  if (open > 0) console.error(context.say.down.waiting(open));
  while (open > 0) {
    await pause(LOOK_MS);
    open = await openAnswers(context);
  }
}
