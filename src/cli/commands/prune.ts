import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { isAgreed } from '../ask.ts';
import { openContext } from '../context.ts';
import { CliError } from '../exit.ts';
import { age, command, ending } from '../options.ts';
import { when } from '../output/time.ts';
import type { CliText } from '../text/index.ts';

export function pruneCommand(say: CliText): Command {
  return command('prune', say, say.help.prune, ['kimi-dispatch prune --older-than 90d'])
    .requiredOption('--older-than <TIME>', say.help.olderThan, age(say))
    .option('-y, --yes', say.help.rmYes)
    .action(ending(prune));
}

/** Does once what `KIMI_RESULTS_KEEP` does every hour. */
async function prune({ olderThan, yes }: { olderThan: number; yes?: true }): Promise<Exit> {
  const { results, say } = await openContext();
  if (!yes) {
    const times: string[] = [];
    let old = 0;
    for await (const result of results.old(olderThan)) {
      times.push(result.completed_at);
      old += 1 + (await results.rowIdsOf(result)).length;
    }
    const [first, last] = [times.toSorted().at(0), times.toSorted().at(-1)];
    if (first !== undefined && last !== undefined) {
      const found = say.prune.found(old, when(first, langOf()), when(last, langOf()));
      if (!process.stdin.isTTY) throw new CliError(EXIT.usage, `${found} ${say.prune.noTerminal}`);
      if (!(await isAgreed(`${found} ${say.prune.question}`))) {
        console.log(say.rm.left);
        return EXIT.ok;
      }
    }
  }
  console.log(say.prune.done(await results.prune(olderThan)));
  return EXIT.ok;
}
