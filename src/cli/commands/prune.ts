import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import { openContext } from '../context.ts';
import { age, command, ending } from '../options.ts';
import type { CliText } from '../text/index.ts';

export function pruneCommand(say: CliText): Command {
  return command('prune', say, say.help.prune, ['kimi-dispatch prune --older-than 90d'])
    .requiredOption('--older-than <TIME>', say.help.olderThan, age(say))
    .action(ending(prune));
}

/** Does once what `KIMI_RESULTS_KEEP` does every hour. */
async function prune({ olderThan }: { olderThan: number }): Promise<Exit> {
  const { results, say } = await openContext();
  console.log(say.pruned(await results.prune(olderThan)));
  return EXIT.ok;
}
