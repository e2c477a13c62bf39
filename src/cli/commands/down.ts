import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { remainsOf, runningStack } from '../../stack/state.ts';
import { readContext } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { tildePath } from '../../service/files.ts';
import { command, ending } from '../options.ts';
import type { CliText } from '../text/index.ts';

/** Longer than a worker's grace period for running activities. */
const STOP_MS = 40_000;

export function downCommand(say: CliText): Command {
  return command('down', say, say.help.down, ['kimi-dispatch down']).action(ending(down));
}

async function down(): Promise<Exit> {
  const { config, say } = await readContext();
  const home = config.KIMI_HOME;
  const stack = await runningStack(home);
  if (!stack && (await remainsOf(home)).length === 0) {
    console.log(say.down.none + (existsSync(home) ? '' : say.noHome(tildePath(home))));
    return EXIT.ok;
  }
  console.error(say.steps.stopping);
  if (stack) {
    process.kill(stack.pid, 'SIGTERM');
    // A stopped process (SIGSTOP) does not handle signals.
    process.kill(stack.pid, 'SIGCONT');
  }
  const giveUpAt = performance.now() + STOP_MS;
  for (;;) {
    const running = await runningStack(home);
    const left = running ? [running] : await remainsOf(home);
    if (left.length === 0) break;
    if (performance.now() > giveUpAt) throw new CliError(EXIT.unexpected, say.down.stuck(left.map(({ pid }) => pid)));
    await pause(50);
  }
  console.log(say.down.stopped);
  return EXIT.ok;
}
