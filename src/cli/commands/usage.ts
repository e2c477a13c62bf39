import type { Command } from 'commander';
import { isoSeconds, money, size } from '../../shared/format.ts';
import type { ResultFile } from '../../shared/result.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { ResultStore } from '../../results/store.ts';
import { addUp, apart, withoutMaps, type Addend, type Grouping, type Use } from '../../results/usage.ts';
import { openContext } from '../context.ts';
import { command, grouping, printing, since as sinceOption } from '../options.ts';
import { paragraph, table } from '../output/table.ts';
import type { CliText } from '../text/index.ts';

interface UsageOptions {
  since: number;
  by: Grouping;
  json?: true;
}

export function usageCommand(say: CliText): Command {
  return command('usage', say, say.help.usage, [
    'kimi-dispatch usage',
    'kimi-dispatch usage --since 7d --by day',
    'kimi-dispatch usage --since 1y --json | jq .total.cost',
  ])
    .addOption(sinceOption(say))
    .option('--by <WHAT>', say.help.by, grouping(say), 'model' satisfies Grouping)
    .option('--json', say.help.json)
    .action(printing(usage));
}

/** Reads the results folder only, so it works while no service runs. */
async function usage({ since, by, json }: UsageOptions): Promise<Exit> {
  const { say, results } = await openContext();
  const from = Date.now() - since;
  const { counted, simulated, isSimulation } = apart(addends(results, from));
  const used = addUp(counted, by);
  if (json) {
    console.log(JSON.stringify({ since: isoSeconds(from), by, simulated, ...used }, null, 2));
    return EXIT.ok;
  }
  const words = say.usageTable;
  if (used.total.tasks === 0) console.log(words.none);
  else {
    // A column of nothing would only take room.
    const hasFiles = used.total.files.count > 0;
    const row = (key: string, { tasks, tokens, cost, unpriced, files }: Use): string[] => [
      key,
      ...[tasks, tokens.prompt, tokens.cached, tokens.completion, tokens.reasoning, tokens.total].map(String),
      [cost.map(money).join(' + '), unpriced > 0 ? words.unpriced(unpriced) : '']
        .filter((part) => part !== '')
        .join(' '),
      ...(hasFiles ? [files.count === 0 ? '' : `${files.count} (${size(files.bytes)})`] : []),
    ];
    const rows = used.groups.map(({ key, ...use }) => row(key, use));
    const columns = [words.by[by], ...words.columns, ...(hasFiles ? [words.files] : [])];
    console.log(table(columns, [...rows, row(words.total, used.total)]));
    const savings = used.total.cost.flatMap(({ saved: amount, currency }) =>
      amount ? [money({ amount, currency })] : [],
    );
    if (savings.length > 0) console.log(`\n${words.batches(savings.join(' + '))}`);
    const { tokens, cost, own_cost } = used.polling_estimate;
    const saved = tokens === 0 ? 0 : Math.round((1 - used.total.tokens.total / tokens) * 100);
    const [polled, own] = [cost, own_cost].map((amount) => money({ amount, currency: 'CNY' })) as [string, string];
    console.log(`\n${paragraph(words.polling(String(tokens), polled, own, saved))}`);
  }
  if (isSimulation) console.error(words.simulated);
  else if (simulated > 0) console.error(words.notCounted(simulated));
  if (used.damaged > 0) console.error(words.damaged(used.damaged));
  return EXIT.ok;
}

/** Without the answers, so that many of them fit into memory. */
function* addends(
  results: ResultStore,
  since: number,
): Generator<(Addend & Pick<ResultFile, 'simulated'>) | undefined> {
  for (const result of withoutMaps(results.savedSince(since))) {
    if (!result) yield undefined;
    else {
      const { status, model, task_name, completed_at, tokens, cost, simulated } = result;
      yield {
        status,
        model,
        task_name,
        completed_at,
        ...(tokens && { tokens }),
        ...(cost && { cost }),
        ...(simulated && { simulated }),
        files: results.filesOf(result),
      };
    }
  }
}
