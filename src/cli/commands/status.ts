import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { tildePath } from '../../service/files.ts';
import type { Route } from '../../shared/chat.ts';
import { money, oneLine } from '../../shared/format.ts';
import { isTruncated } from '../../shared/result.ts';
import type { Standing } from '../../tasks/tasks.ts';
import { explain, stateOf, textFor } from '../../text/index.ts';
import { namedTask } from '../named-task.ts';
import { command, printing, route } from '../options.ts';
import { lastLine, sayRetrying } from '../output/retrying.ts';
import { fields } from '../output/terminal.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

/** Characters of the question that are shown. */
const QUESTION_CHARS = 80;

interface StatusOptions {
  json?: true;
  route?: Route;
}

export function statusCommand(say: CliText): Command {
  return command('status', say, say.help.status, ['kimi-dispatch status kimi-1707654321-12345 --json | jq .state'])
    .argument('<TASK>', say.help.task)
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(printing(async (word: string, options: StatusOptions) => await status(word, options, say)));
}

async function status(word: string, options: StatusOptions, say: CliText): Promise<Exit> {
  const tasks = await openTasks();
  const { task_id } = await namedTask(word, tasks, say, options);
  const standing = await tasks.find(task_id, options.route);
  if (options.json) {
    const { live: _live, ended: _ended, late: _late, missing_file: _file, ...shown } = standing;
    console.log(JSON.stringify(shown, null, 2));
    // The Web UI is on this machine, which users of a chat do not reach.
  } else await printRows(options.route ? { ...standing, web_ui: undefined } : standing, say);
  return EXIT.ok;
}

async function printRows(standing: Standing, say: CliText): Promise<void> {
  const text = textFor(langOf());
  const { status: label } = say;
  const { task_id, queue, progress, cost, error, wake_error: wakeError, retrying, result_file: file } = standing;
  const gone = standing.missing_file && say.resultGone(task_id, tildePath(standing.missing_file));
  const rows: [string, string | undefined][] = [
    [label.task, standing.task_name],
    [label.question, standing.question && oneLine(standing.question, QUESTION_CHARS)],
    [label.id, task_id],
    [label.state, standing.late ? label.late(stateOf(standing, text)) : stateOf(standing, text)],
    [label.place, queue && text.queuePosition(queue)],
    [label.step, standing.ended ?? (standing.step === 'closed' ? undefined : text.step[standing.step])],
    ['', progress && text.stream(progress)],
    ['', progress?.tail && lastLine(progress.tail)],
    [label.model, standing.model],
    [label.files, standing.files && text.files(standing.files)],
    [label.apiId, standing.api_id],
    [label.created, standing.created_at],
    [label.deadline, standing.step === 'waiting' ? standing.deadline : undefined],
    [label.completed, standing.completed_at],
    [label.tokens, standing.tokens?.toString()],
    [label.cost, cost && say.cost(money(cost), cost.price_date)],
    ['', isTruncated(standing) ? text.truncated.sentence : undefined],
    [label.error, error && explain(error, text)],
    [label.wakeError, wakeError && explain(wakeError, text)],
    [label.retrying, retrying && sayRetrying(retrying, say, text)],
    [label.acknowledged, standing.acknowledged ? label.yes : label.no],
    [label.result, file ? tildePath(file) : gone],
    [label.web, standing.web_ui],
  ];
  const { columns } = await import('../output/table.ts');
  console.log(columns(fields(rows.filter((row): row is [string, string] => row[1] !== undefined))));
  if (standing.live === false && !file) console.log(`\n${say.noWorker}`);
}
