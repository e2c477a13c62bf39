import type { Command } from 'commander';
import { currencyOf } from '../../kimi/models.ts';
import type { Limits } from '../../shared/limits.ts';
import { limiterView, setLimits } from '../../limiter/client.ts';
import { grpcErrorIn } from '../../temporal/client.ts';
import { openContext, withClient } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { command, limit, printing } from '../options.ts';
import { budgetRows } from '../../text/budget.ts';
import { columns } from '../output/table.ts';
import { fields } from '../output/terminal.ts';
import type { CliText } from '../text/index.ts';

/** How long a worker may take to answer, in milliseconds. */
const ANSWER_MS = 5_000;

interface LimitsOptions {
  perMinute?: number;
  concurrent?: number;
  queue?: number;
  json?: true;
}

export function limitsCommand(say: CliText): Command {
  const { help } = say;
  return command('limits', say, help.limits, [
    'kimi-dispatch limits',
    'kimi-dispatch limits --per-minute 20 --concurrent 8',
    'kimi-dispatch limits --json | jq .queue',
  ])
    .option('--per-minute <N>', help.perMinute, limit(say))
    .option('--concurrent <N>', help.concurrent, limit(say))
    .option('--queue <N>', help.queued, limit(say))
    .option('--json', help.json)
    .action(printing(limits));
}

async function limits({ perMinute, concurrent, queue, json }: LimitsOptions): Promise<Exit> {
  const context = await openContext();
  const { say, text, limiter, taskQueue } = context;
  if (!limiter) throw new CliError(EXIT.config, say.limits.off);
  const wanted: Partial<Limits> = {
    ...(perMinute !== undefined && { per_minute: perMinute }),
    ...(concurrent !== undefined && { concurrent }),
    ...(queue !== undefined && { queued: queue }),
  };
  const view = await withClient(context, async (client) => {
    const isChange = Object.keys(wanted).length > 0;
    return await client.connection.withDeadline(
      Date.now() + ANSWER_MS,
      async () => await (isChange ? setLimits(client, limiter, wanted) : limiterView(client, limiter)),
    );
  }).catch((error: unknown) => {
    if (!grpcErrorIn(error)) throw error;
    throw new CliError(EXIT.engine, say.limits.silent);
  });
  if (!view) throw new CliError(EXIT.engine, say.limits.none);

  if (json) {
    console.log(JSON.stringify(view, null, 2));
    return EXIT.ok;
  }
  const words = text.limiter;
  const rows = [
    [words.perMinute, words.use(view.used_per_minute, view.limits.per_minute)],
    [words.concurrent, words.use(view.in_flight.length, view.limits.concurrent)],
    [words.queued, view.agents ? String(view.queue.length) : words.use(view.queue.length, view.limits.queued)],
    ...budgetRows(view.budget, text, currencyOf(context.config.KIMI_API_URL)),
    ...(view.paused_until ? [[words.paused, view.paused_until]] : []),
  ];
  console.log(columns(rows));
  const agents = fields(view.agents ?? []).map(({ agent, in_flight, queued, away = false }) => [
    agent,
    words.agent(in_flight, words.use(queued, view.limits.queued), away),
  ]);
  if (agents.length > 0) console.log(`\n${columns(agents)}`);
  // The tasks of other agents are not shown.
  const waiting = view.queue.filter(({ agent = taskQueue }) => agent === taskQueue);
  if (waiting.length > 0)
    console.log(`\n${columns(waiting.map((place) => [place.task_id, text.queuePosition(place)]))}`);
  return EXIT.ok;
}
