import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { tildePath } from '../../service/files.ts';
import type { Route } from '../../shared/chat.ts';
import { money, oneLine } from '../../shared/format.ts';
import { isAlive } from '../../stack/process-id.ts';
import type { StackState } from '../../stack/state.ts';
import type { EventDelivery, LiveTask, Standing } from '../../tasks/tasks.ts';
import { endingOf, explain, stateOf, textFor, type Text } from '../../text/index.ts';
import { questionIfKept } from '../kept.ts';
import { namedTask } from '../named-task.ts';
import { command, printing, route } from '../options.ts';
import { lastLine, sayFailure, sayRetrying } from '../output/retrying.ts';
import { colourOf } from '../output/state-colour.ts';
import { fields } from '../output/terminal.ts';
import { when } from '../output/time.ts';
import { runningService } from '../running-service.ts';
import { openIn, openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

/** Characters of the question that are shown. */
const QUESTION_CHARS = 80;

/** Tasks that are shown if none is named. */
const NEWEST = 10;

interface StatusOptions {
  json?: true;
  route?: Route;
}

export function statusCommand(say: CliText): Command {
  return command('status', say, say.help.status, [
    'kimi-dispatch status',
    'kimi-dispatch status kimi-1707654321-12345 --json | jq .state',
  ])
    .argument('[TASK]', say.help.statusTask)
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(printing(async (word: string | undefined, options: StatusOptions) => await status(word, options, say)));
}

async function status(word: string | undefined, options: StatusOptions, say: CliText): Promise<Exit> {
  if (word === undefined) return await overview(options, say);
  const tasks = await openTasks();
  const { task_id } = await namedTask(word, tasks, say, options);
  const standing = await tasks.find(task_id, options.route);
  if (options.json) {
    const { live: _live, ended: _ended, late: _late, missing_file: _file, progress, ...shown } = standing;
    const text = textFor(langOf());
    const inWords = {
      ...(progress && { progress: { ...progress, text: text.stream(progress) } }),
      ...(shown.map && { map: { ...shown.map, text: text.rows(shown.map) } }),
    };
    console.log(JSON.stringify({ ...shown, ...inWords }, null, 2));
  } else {
    const earlier = standing.continues === undefined ? undefined : await questionIfKept(tasks, standing.continues);
    await printRows(standing, earlier?.prompt, options.route !== undefined, say);
  }
  return EXIT.ok;
}

/** The services of this home, and the newest tasks. A chat sees its tasks only. */
async function overview({ route: chat, json }: StatusOptions, say: CliText): Promise<Exit> {
  const stack = chat ? undefined : await stackHere();
  const list = await (await openTasks()).list(chat ? { route: chat } : {}, NEWEST).catch((error: unknown) => {
    // By name: the parts that are loaded on demand have classes of their own. Without services, that is what is to be said.
    if (stack || chat || (error as Error).name !== 'EngineUnreachable') throw error;
    return undefined;
  });
  const isRunning = list !== undefined && !list.from_disk;
  const tasks = list?.tasks ?? [];
  if (json)
    console.log(JSON.stringify({ running: isRunning, ...(stack && { stack: factsOf(stack) }), tasks }, null, 2));
  else {
    const { taskTable } = await import('../output/task-table.ts');
    const { screen } = await import('../output/screen.ts');
    const services = stack
      ? screen(say.status.running, stack, undefined, say)
      : isRunning
        ? undefined
        : stoppedSentence(await (await import('../local-tasks.ts')).startCommand(), tasks, say);
    const shown = tasks.length > 0 ? taskTable(tasks, langOf(), say) : isRunning ? say.list.none : undefined;
    console.log([services, shown].filter((part) => part !== undefined).join('\n\n'));
  }
  return isRunning ? EXIT.ok : EXIT.engine;
}

function stoppedSentence(up: string, tasks: LiveTask[], say: CliText): string {
  return tasks.length > 0 ? say.list.fromDisk(up, openIn(tasks)) : say.status.stopped(up);
}

/** @returns the services that run from this home; `undefined` if none do. */
async function stackHere(): Promise<StackState | undefined> {
  const stack = runningService()?.stack;
  if (stack && isAlive(stack)) return stack;
  return await (await import('../local-tasks.ts')).stackHere();
}

/** What programs see of the services. */
function factsOf({ pid, simulated, temporal_address, ui_url, webhook_url, results_dir, logs_dir }: StackState): object {
  return { pid, simulated, temporal_address, ui_url, webhook_url, results_dir, logs_dir };
}

/** The model; if another one was asked for, the reason. */
function sayModel({ model, fallback, progress }: Standing, text: Text): string {
  const note = fallback ?? progress?.fallback;
  return note ? text.fallback(note) : model;
}

/** Why it is not sent yet; of a task that was answered, the budget beside its cost. */
function waitRows(
  { task_id, queue, paused, budget, cost }: Standing,
  inChat: boolean,
  { status: label }: CliText,
  text: Text,
): [string, string | undefined][] {
  const spendable = cost && budget !== undefined ? money({ amount: budget, currency: cost.currency }) : undefined;
  return [
    [label.place, queue && text.queuePosition(queue)],
    [label.budget, paused ? text.budget.pause(paused, Date.now()) : spendable],
    ['', paused && label.allow(`${inChat ? '/kimi' : 'kimi-dispatch'} allow ${task_id}`)],
  ];
}

function sayEvent({ origin, state, since, retrying }: EventDelivery, say: CliText, text: Text): string {
  const reason = retrying && sayFailure(retrying, text);
  return say.status.delivery(origin, say.webhook.states[state], when(since, langOf()), reason);
}

/** @param earlier question of the task that it continues @param inChat whether a user of a chat reads it */
async function printRows(
  standing: Standing,
  earlier: string | undefined,
  inChat: boolean,
  say: CliText,
): Promise<void> {
  const lang = langOf();
  const text = textFor(lang);
  const { status: label } = say;
  const { task_id, schedule, progress, cost, error, wake_error: wakeError, retrying, result_file: file } = standing;
  const gone = standing.missing_file && label.gone(tildePath(standing.missing_file));
  const rows: [string, string | undefined][] = [
    [label.task, standing.task_name],
    [label.question, standing.question && oneLine(standing.question, QUESTION_CHARS)],
    [label.id, task_id],
    [label.state, standing.late ? label.late(stateOf(standing, text)) : stateOf(standing, text)],
    ...waitRows(standing, inChat, say, text),
    [label.step, standing.ended ?? (standing.step === 'closed' ? undefined : text.step[standing.step])],
    ['', progress && text.stream(progress)],
    ['', progress && (lastLine(progress) || undefined)],
    [label.model, sayModel(standing, text)],
    [label.files, standing.files && text.files(standing.files)],
    [label.schedule, schedule && label.dueAt(schedule, text)],
    [label.rows, standing.map && text.rows(standing.map)],
    [label.rowOf, standing.row && say.maps.row_of(standing.row.map, standing.row.number)],
    [
      label.continues,
      standing.continues &&
        [standing.continues, earlier && oneLine(earlier, QUESTION_CHARS)].filter(Boolean).join('  '),
    ],
    [label.apiId, standing.api_id],
    [label.created, when(standing.created_at, lang)],
    [label.deadline, standing.step === 'waiting' ? standing.deadline && when(standing.deadline, lang) : undefined],
    [label.completed, standing.completed_at && when(standing.completed_at, lang)],
    [label.tokens, standing.tokens?.toString()],
    [label.cost, cost && say.cost(money(cost), cost.price_date)],
    ['', endingOf(standing, text)?.sentence],
    [label.error, error && explain(error, text)],
    [label.wakeError, wakeError && explain(wakeError, text)],
    // The receivers are the owner's.
    ...(inChat
      ? []
      : (standing.events ?? []).map((event): [string, string] => [label.event, sayEvent(event, say, text)])),
    [label.retrying, retrying && sayRetrying(retrying, say, text)],
    [label.acknowledged, standing.row ? undefined : standing.acknowledged ? label.yes : label.no],
    [label.result, file ? tildePath(file) : gone],
    // It is on this machine, which users of a chat do not reach.
    [label.web, inChat ? undefined : standing.web_ui],
  ];
  const { columns } = await import('../output/table.ts');
  const shown = fields(rows.filter((row): row is [string, string] => row[1] !== undefined));
  const paint = (cell: string, row: number, column: number): string => {
    const heading = shown[row]?.[0];
    if (column === 0) return cell;
    if (heading === label.state) return colourOf(standing.state)(cell);
    return heading === label.error || heading === label.wakeError ? colourOf('failed')(cell) : cell;
  };
  console.log(columns(shown, undefined, paint));
  if (standing.live === false && !file) console.log(`\n${say.noWorker}`);
}
