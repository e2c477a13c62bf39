import type { Command } from 'commander';
import { publicAddress } from '../../service/http.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { listModels } from '../../kimi/account.ts';
import { modelOf, MODELS, RETIRED, resolveModel, type Model } from '../../kimi/models.ts';
import { explain } from '../../text/index.ts';
import { openContext, type Context } from '../context.ts';
import { command, printing } from '../options.ts';
import { paragraph, table } from '../output/table.ts';
import type { CliText } from '../text/index.ts';

export function modelsCommand(say: CliText): Command {
  return command('models', say, say.help.models, [
    'kimi-dispatch models',
    'kimi-dispatch models --json | jq -r .models[].id',
  ])
    .option('--json', say.help.json)
    .action(printing(models));
}

const CURRENCIES = ['CNY', 'USD'] as const;

/** The models that the host lists now, or why its list is missing. */
type Live = { ids: string[] } | { why: string };

async function models({ json }: { json?: true }): Promise<Exit> {
  const context = await openContext();
  const { say, apiUrl, config } = context;
  const live = await askHost(context);
  const ids = 'ids' in live ? live.ids : [];
  // Without a choice there is always a default.
  const chosen = config.KIMI_MODEL ?? resolveModel(undefined, apiUrl, context.simulated);
  const unknown = [...new Set([...ids, chosen])].filter((id) => !modelOf(id) && !isNamedRetired(id));

  if (json) {
    const listed = MODELS.map((model) => ({ ...model, ...('ids' in live && { served: ids.includes(model.id) }) }));
    console.log(JSON.stringify({ default: chosen, models: listed, unlisted: unknown, retired: RETIRED }, null, 2));
    return EXIT.ok;
  }
  const { modelsTable: words } = say;
  const row = (id: string, cells: string[], remark?: string): string[] => {
    const remarks = [id === chosen && words.chosen, remark].filter((words) => words);
    return [id, ...cells, remarks.join(words.between)];
  };
  const nothing = ['', '', '', ''];
  const retired = words.retired(RETIRED.date, RETIRED.successor);
  const rows = [
    ...MODELS.map((model) => {
      const cells = [String(model.context), ...priceCells(model), words.thinking[model.thinking]];
      return row(model.id, cells, 'ids' in live && !ids.includes(model.id) ? words.notServed : undefined);
    }),
    ...unknown.map((id) => row(id, nothing, words.unlisted)),
    ...RETIRED.models.map((id) => row(id, nothing, retired)),
  ];
  console.log(`${table(words.columns, rows)}\n`);
  console.log(paragraph(words.prices(priceDates())));
  console.log(paragraph('ids' in live ? words.live(publicAddress(config.KIMI_API_URL)) : live.why));
  if (config.KIMI_MODEL === undefined)
    console.log(paragraph(say.defaultModel[modelOf(chosen) ? 'moonshot' : 'elsewhere'](chosen)));
  return EXIT.ok;
}

function isNamedRetired(id: string): boolean {
  return (RETIRED.models as readonly string[]).includes(id);
}

/** @returns the date of the prices in each currency, e.g. `CNY 2026-09-01`. */
function priceDates(): string {
  return CURRENCIES.map((currency) => {
    const dates = new Set(MODELS.map(({ prices }) => prices[currency]?.date).filter((date) => date !== undefined));
    return `${currency} ${[...dates].join(', ')}`;
  }).join('; ');
}

function priceCells({ prices }: Model): string[] {
  return CURRENCIES.map((currency) => prices[currency]).map((price) =>
    price ? [price.hit, price.miss, price.output].join(' / ') : '?',
  );
}

/** Asks with the key and address of this environment; the worker may have others. */
async function askHost({ config, say, text }: Context): Promise<Live> {
  const { KIMI_API_KEY: apiKey, KIMI_API_URL: apiUrl } = config;
  if (!apiKey) return { why: say.modelsTable.noKey };
  const listed = await listModels({ apiUrl, apiKey });
  if (listed.value) return { ids: listed.value };
  const isSilent = listed.problem?.type === 'unreachable';
  const why = listed.problem && !isSilent ? explain(listed.problem, text) : listed.status;
  return { why: say.modelsTable.noAnswer(publicAddress(apiUrl), why) };
}
