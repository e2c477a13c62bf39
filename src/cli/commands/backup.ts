import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import { tildePath } from '../../service/files.ts';
import { NoBackup, restoreBackup, tasksIn, writeBackup } from '../../stack/backup.ts';
import { claimHome } from '../../stack/home.ts';
import { remainsOf } from '../../stack/state.ts';
import { readContext } from '../context.ts';
import { CliError } from '../exit.ts';
import { command, ending } from '../options.ts';
import type { CliText } from '../text/index.ts';

export function backupCommand(say: CliText): Command {
  return command('backup', say, say.help.backup, ['kimi-dispatch backup ~/kimi-2026-11-30.tar.gz'])
    .argument('<FILE>', say.help.backupFile)
    .action(ending(backup));
}

export function restoreCommand(say: CliText): Command {
  return command('restore', say, say.help.restore, ['kimi-dispatch restore ~/kimi-2026-11-30.tar.gz'])
    .argument('<FILE>', say.help.backupFile)
    .option('--force', say.help.restoreForce)
    .action(ending(restore));
}

async function backup(name: string): Promise<Exit> {
  const { config, say, stack, elsewhere } = await readContext();
  const file = resolve(name);
  if (existsSync(file)) throw new CliError(EXIT.config, say.backup.exists(tildePath(file)));
  const pausedMs = await writeBackup(config, file, stack);
  console.log(say.backup.written(tildePath(file), Math.ceil(statSync(file).size / 1024), pausedMs));
  console.log(say.backup.inside);
  if (elsewhere) console.log(say.backup.elsewhere);
  return EXIT.ok;
}

async function restore(name: string, { force = false }: { force?: boolean }): Promise<Exit> {
  const { config, say, stack } = await readContext();
  const home = config.KIMI_HOME;
  const file = resolve(name);
  if (!existsSync(file)) throw new CliError(EXIT.usage, say.backup.none(tildePath(file)));
  if (stack || (await remainsOf(home)).length > 0) throw new CliError(EXIT.config, say.backup.running);
  const tasks = await tasksIn(config);
  if (tasks.length > 0 && !force) {
    throw new CliError(EXIT.config, say.backup.notEmpty(tasks.map(tildePath).join(say.doctor.between)));
  }
  // No stack may start meanwhile.
  const claimed = await claimHome(home);
  if (!claimed) throw new CliError(EXIT.config, say.backup.running);
  try {
    const { about, replaced } = await restoreBackup(config, file);
    console.log(say.backup.restored(about.created_at, about.version));
    if (replaced.length > 0) console.log(say.backup.replaced(replaced.map(tildePath).join(say.doctor.between)));
    console.log(say.backup.again);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof NoBackup)) throw error;
    const { problem } = error;
    const why = problem.code === 'newer' ? say.backup.newer(problem.version) : say.backup.notABackup(tildePath(file));
    throw new CliError(EXIT.config, why);
  } finally {
    await claimed.release();
  }
}
