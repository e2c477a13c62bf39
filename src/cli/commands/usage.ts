import type { Command } from 'commander';
import { availableBalance } from '../../kimi/account.ts';
import { currencyOf } from '../../kimi/models.ts';
import { limiterView } from '../../limiter/client.ts';
import type { BudgetView, Money } from '../../shared/budget.ts';
import { isoSeconds, money, size } from '../../shared/format.ts';
import type { ResultFile } from '../../shared/result.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { ResultStore } from '../../results/store.ts';
import { addUp, apart, savingsOf, withoutMaps, type Addend, type Grouping, type Use } from '../../results/usage.ts';
import { budgetRows } from '../../text/budget.ts';
import { openContext, withClient, type Context } from '../context.ts';
import { command, grouping, printing, since as sinceOption } from '../options.ts';
import { columns as aligned, paragraph, table } from '../output/table.ts';
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

/** Reads the results folder, so it works while no service runs; budget and balance are shown if they are known. */
async function usage({ since, by, json }: UsageOptions): Promise<Exit> {
  const context = await openContext();
  const { say, results, text } = context;
  const [budget, balance] = await Promise.all([budgetOf(context), balanceOf(context)]);
  const from = Date.now() - since;
  const { counted, simulated, isSimulation } = apart(addends(results, from));
  const used = addUp(counted, by);
  if (json) {
    console.log(JSON.stringify({ since: isoSeconds(from), by, simulated, ...used, budget, balance }, null, 2));
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
    const savings = savingsOf(used.total);
    if (savings.length > 0) console.log(`\n${words.batches(savings.map(money).join(' + '))}`);
    if (used.total.fallbacks !== undefined) console.log(`\n${words.fallbacks(used.total.fallbacks)}`);
    const { tokens, cost, own_cost } = used.polling_estimate;
    const saved = tokens === 0 ? 0 : Math.round((1 - used.total.tokens.total / tokens) * 100);
    const [polled, own] = [cost, own_cost].map((amount) => money({ amount, currency: 'CNY' })) as [string, string];
    console.log(`\n${paragraph(words.polling(String(tokens), polled, own, saved))}`);
  }
  const funds = [
    ...budgetRows(budget, text, currencyOf(context.config.KIMI_API_URL)),
    ...(balance ? [[words.balance, money(balance)]] : []),
  ];
  if (funds.length > 0) console.log(`\n${aligned(funds)}`);
  if (isSimulation) console.error(words.simulated);
  else if (simulated > 0) console.error(words.notCounted(simulated));
  if (used.damaged > 0) console.error(words.damaged(used.damaged));
  return EXIT.ok;
}

/** How long the engine may take, in milliseconds. */
const ENGINE_MS = 1_000;

/** @returns the budget of today; `undefined` if there is none, or nothing answers. */
async function budgetOf(context: Context): Promise<BudgetView | undefined> {
  const { limiter, stack, elsewhere } = context;
  if (limiter === undefined || (!stack && !elsewhere)) return undefined;
  try {
    return await withClient(context, async (client) => {
      const deadline = Date.now() + ENGINE_MS;
      return (await client.connection.withDeadline(deadline, async () => await limiterView(client, limiter)))?.budget;
    });
  } catch {
    return undefined;
  }
}

/** @returns what is left on the account; `undefined` without its key, or if the host does not say it. */
async function balanceOf({ config, apiUrl, simulated }: Context): Promise<Money | undefined> {
  const { KIMI_API_KEY: apiKey, KIMI_API_URL } = config;
  const currency = currencyOf(KIMI_API_URL);
  if (!apiKey || !currency || simulated || (apiUrl !== undefined && apiUrl !== KIMI_API_URL)) return undefined;
  const { value: amount } = await availableBalance({ apiUrl: KIMI_API_URL, apiKey });
  return amount === undefined ? undefined : { amount, currency };
}

/** Without the answers, so that many of them fit into memory. */
function* addends(
  results: ResultStore,
  since: number,
): Generator<(Addend & Pick<ResultFile, 'simulated'>) | undefined> {
  for (const result of withoutMaps(results.savedSince(since))) {
    if (!result) yield undefined;
    else {
      const { status, model, task_name, completed_at, tokens, cost, simulated, fallback } = result;
      yield {
        status,
        model,
        task_name,
        completed_at,
        ...(tokens && { tokens }),
        ...(cost && { cost }),
        ...(simulated && { simulated }),
        ...(fallback && { fallback }),
        files: results.filesOf(result),
      };
    }
  }
}
