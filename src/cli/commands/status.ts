import type { Command } from 'commander';
import { explain, stateOf } from '../../text/index.ts';
import type { Route } from '../../shared/chat.ts';
import { money } from '../../shared/format.ts';
import type { QueuePosition } from '../../shared/limits.ts';
import { isTruncated, type ResultFile } from '../../shared/result.ts';
import type { TaskView } from '../../shared/task.ts';
import type { TaskReference } from '../../shared/task-id.ts';
import { limiterView } from '../../limiter/client.ts';
import { openContext, withClient, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { tildePath } from '../../service/files.ts';
import { checkChat, hasEnded, lookUpWithResult, viewOfResult, type Found } from '../look-up.ts';
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

async function status(
  { task_id }: TaskReference,
  { json, route: chat }: { json?: true; route?: Route },
): Promise<Exit> {
  const context = await openContext();
  await checkChat(context, task_id, chat);
  const standing = await standingOf(context, task_id);
  if (json) console.log(JSON.stringify(asJson(standing), null, 2));
  // The Web UI is on this machine, which users of a chat do not reach.
  else printRows(context, task_id, chat ? { ...standing, web: undefined } : standing);
  return EXIT.ok;
}

/** All that is known of a task. */
interface Standing {
  view: TaskView;
  found: Found | undefined;
  saved: ResultFile | undefined;
  /** Path of the result file; absent before there is one. */
  file: string | undefined;
  /** Position in the queue; absent if the task is not queued. */
  place: QueuePosition | undefined;
  /** Address of the task in the Web UI. */
  web: string | undefined;
}

/** @throws {CliError} `unknown_task` */
async function standingOf(context: Context, task_id: string): Promise<Standing> {
  const { say, results, stack } = context;
  const { found, saved } = await lookUpWithResult(context, task_id);
  const known = found?.live ? found.view : saved ? viewOfResult(saved) : found?.view;
  if (!known) {
    // Reports a damaged file.
    await results.read(task_id);
    throw new CliError(EXIT.unknown_task, say.unknownTask(task_id));
  }
  // A closed workflow does not see a later acknowledgement.
  const view = { ...known, acknowledged: known.acknowledged || (saved?.acknowledged ?? false) };
  return {
    view,
    found,
    saved,
    file: saved && results.resultPath(task_id),
    place: view.state === 'queued' ? ((await currentPlace(context, task_id)) ?? view.queue) : undefined,
    web: found && stack?.ui_url && `${stack.ui_url}/namespaces/${stack.namespace}/workflows/${task_id}`,
  };
}

function asJson({ view, found, saved, file, place, web }: Standing): object {
  return {
    ...view,
    status: view.state,
    queue: place,
    retrying: found?.retrying,
    progress: found?.progress,
    cost: saved?.cost,
    result_file: file,
    web_ui: web,
  };
}

function printRows({ say, text, results }: Context, task_id: string, standing: Standing): void {
  const { view, found, saved, file, place, web } = standing;
  const { status: label } = say;
  const isGone = !saved && found && !found.ended && hasEnded(view);
  const gone = isGone ? say.resultGone(task_id, tildePath(results.resultPath(task_id))) : undefined;
  const rows: [string, string | undefined][] = [
    [label.task, view.task_name],
    [label.id, task_id],
    [label.state, saved?.late ? label.late(stateOf(view, text)) : stateOf(view, text)],
    [label.place, place && text.queuePosition(place)],
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
    [label.retrying, found?.retrying && sayRetrying(found.retrying, say, text)],
    [label.acknowledged, view.acknowledged ? label.yes : label.no],
    [label.result, file ? tildePath(file) : gone],
    [label.web, web],
  ];
  console.log(columns(fields(rows.filter((row): row is [string, string] => row[1] !== undefined))));
  if (found && !found.live && !saved) console.log(`\n${say.noWorker}`);
}

/** Asks the limiter: the task only knows its last report. */
async function currentPlace(context: Context, task_id: string): Promise<QueuePosition | undefined> {
  const { limiter } = context;
  if (!limiter) return undefined;
  const view = await withClient(context, async (client) => await limiterView(client, limiter));
  return view?.queue.find((waiting) => waiting.task_id === task_id);
}
