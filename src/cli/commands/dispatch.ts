import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { newKey } from '../../tasks/task-id.ts';
import { explain, textFor } from '../../text/index.ts';
import { exitForFailure, taskIsStarted } from '../exit.ts';
import { readTask, type PromptOptions, type TaskOptions } from '../job.ts';
import { command, ending, route } from '../options.ts';
import { addTaskOptions } from '../task-options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

/** Latest return of `dispatch`, from the start of its process: under a second (docs/benchmarks.md). */
const RETURN_BY_MS = 900;

/** Shortest wait for the acceptance, on a machine so slow that the time is up before the wait begins. Milliseconds. */
const LEAST_WAIT_MS = 200;

interface DispatchOptions extends PromptOptions, TaskOptions {
  json?: true;
}

export function dispatchCommand(say: CliText): Command {
  const { help } = say;
  const examples = [
    `kimi-dispatch dispatch "${help.examplePrompt}" -n calculator`,
    'kimi-dispatch dispatch -f prompt.md --model kimi-k2.6 --timeout 5m',
    'git diff | kimi-dispatch dispatch -p - -n review',
    `kimi-dispatch dispatch --message "Kimi: ${help.examplePrompt}" --json`,
  ];
  const dispatch = command('dispatch', say, help.dispatch, examples)
    .argument('[PROMPT]', help.runPrompt)
    .option('-p, --prompt <PROMPT>', help.prompt)
    .option('-f, --file <FILE>', help.file)
    .option('--message <MESSAGE>', help.message)
    .option('--route <JSON>', help.route, route(say));
  return addTaskOptions(dispatch, say)
    .option('--json', help.json)
    .action(
      ending(async (argument: string | undefined, options: DispatchOptions) => await run(argument, options, say)),
    );
}

async function run(argument: string | undefined, options: DispatchOptions, say: CliText): Promise<Exit> {
  const task = await readTask({ ...options, argument }, options, say);
  const tasks = await openTasks();
  const waitMs = Math.max(RETURN_BY_MS - performance.now(), LEAST_WAIT_MS);
  const { simulated, retired, ...started } = await tasks.start(task, newKey(), waitMs);
  if (started.status !== 'refused') taskIsStarted();

  const name = started.task_name;
  const text = textFor(langOf());
  if (options.json) {
    console.log(JSON.stringify(started));
  } else if (started.status !== 'refused') {
    console.log(
      started.status === 'queued' ? say.queued(name, text.queuePosition(started.queued)) : say.dispatched(name),
    );
    console.error(say.taskId(started.task_id));
    if (started.status === 'pending') console.error(say.pending);
    if (retired) console.error(say.retiredNotice(text.detail(retired) ?? ''));
    if (simulated) console.error(say.simulatedNotice);
  } else {
    console.error(say.refused(name, explain(started.error, text)));
    console.error(say.taskId(started.task_id));
  }
  return started.status === 'refused' ? exitForFailure(started.error.type) : EXIT.ok;
}
