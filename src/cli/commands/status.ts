import type { Command } from 'commander';
import { EngineUnreachable } from '../../temporal/client.ts';
import { explain, stateOf } from '../../text/index.ts';
import type { Route } from '../../shared/chat.ts';
import { money } from '../../shared/format.ts';
import type { Place } from '../../shared/limits.ts';
import { isTruncated } from '../../shared/result.ts';
import type { Named } from '../../shared/task-id.ts';
import { limiterView } from '../../limiter/client.ts';
import { openContext, withClient, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { tildePath } from '../../service/files.ts';
import { checkChat, lookUp, viewOfResult, type Found } from '../look-up.ts';
import { command, printing, route, task } from '../options.ts';
import { lastLine, sayRetrying } from '../output/progress.ts';
import { columns } from '../output/table.ts';
import { fields } from '../output/terminal.ts';
import type { CliText } from '../text/index.ts';

export function statusCommand(say: CliText): Command {
  return command('status', say, say.help.status, ['kimi-dispatch status kimi-1707654321-12345 --json | jq .state'])
    .argument('<TASK>', say.help.task, task(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(printing(status));
}

async function status({ task_id }: Named, { json, route: chat }: { json?: true; route?: Route }): Promise<Exit> {
  const context = await openContext();
  const { say, text, results, stack } = context;
  await checkChat(context, task_id, chat);
  const saved = await results.readIfSound(task_id);
  let found: Found | undefined;
  try {
    found = await withClient(context, async (client) => await lookUp(client, task_id));
  } catch (error) {
    // A saved result tells enough while the engine is down.
    if (!(error instanceof EngineUnreachable) || !saved) throw error;
  }
  const known = found?.live ? found.view : saved ? viewOfResult(saved) : found?.view;
  // A task that has closed does not learn of an acknowledgement that came after.
  const view = known && { ...known, acknowledged: known.acknowledged || (saved?.acknowledged ?? false) };
  if (!view) {
    // A damaged file is named.
    await results.read(task_id);
    throw new CliError(EXIT.unknown_task, say.unknownTask(task_id));
  }
  const isGone = !saved && found && !found.ended && (view.completed_at !== undefined || view.step === 'closed');
  const file = saved && results.resultPath(task_id);
  const place = view.state === 'queued' ? ((await currentPlace(context, task_id)) ?? view.queue) : undefined;
  const web = found && stack?.ui_url && `${stack.ui_url}/namespaces/${stack.namespace}/workflows/${task_id}`;
  if (json) {
    console.log(
      JSON.stringify(
        {
          ...view,
          status: view.state,
          queue: place,
          retrying: found?.retrying,
          progress: found?.progress,
          cost: saved?.cost,
          result_file: file,
          web_ui: web,
        },
        null,
        2,
      ),
    );
    return EXIT.ok;
  }
  const { status: label } = say;
  const rows: [string, string | undefined][] = [
    [label.task, view.task_name],
    [label.id, task_id],
    [label.state, stateOf(view, text)],
    [label.place, place && text.place(place)],
    [label.step, found?.ended ?? (view.step === 'closed' ? undefined : text.step[view.step])],
    ['', found?.progress && text.stream(found.progress)],
    ['', found?.progress?.tail && lastLine(found.progress.tail)],
    [label.model, view.model],
    [label.apiId, view.api_id],
    [label.created, view.created_at],
    [label.deadline, view.step === 'waiting' ? view.deadline : undefined],
    [label.completed, view.completed_at],
    [label.tokens, view.tokens?.toString()],
    [label.cost, saved?.cost && say.cost(money(saved.cost), saved.cost.price_date)],
    ['', isTruncated(view) ? text.truncated.sentence : undefined],
    [label.error, view.error && explain(view.error, text)],
    [label.wakeError, view.wake_error && explain(view.wake_error, text)],
    [label.retrying, found?.retrying && sayRetrying(found.retrying, say)],
    [label.acknowledged, view.acknowledged ? label.yes : label.no],
    [
      label.result,
      file ? tildePath(file) : isGone ? say.resultGone(task_id, tildePath(results.resultPath(task_id))) : undefined,
    ],
    [label.web, web],
  ];
  console.log(columns(fields(rows.filter((row): row is [string, string] => row[1] !== undefined))));
  if (found && !found.live && !saved) console.log(`\n${say.noWorker}`);
  return EXIT.ok;
}

/** The limiter knows it by now; the task knows what it was told last. */
async function currentPlace(context: Context, task_id: string): Promise<Place | undefined> {
  const { limiter } = context;
  if (!limiter) return undefined;
  const view = await withClient(context, async (client) => await limiterView(client, limiter));
  return view?.queue.find((waiting) => waiting.task_id === task_id);
}
