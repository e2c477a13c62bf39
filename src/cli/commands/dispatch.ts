import type { Command } from 'commander';
import { EngineUnreachable } from '../../temporal/engine-unreachable.ts';
import { explain } from '../../text/index.ts';
import { noKey, openContext, withClient } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError, exitForFailure } from '../exit.ts';
import { command, ending, route } from '../options.ts';
import { readJob, type PromptOptions } from '../job.ts';
import { addTaskOptions, start, type TaskOptions } from '../task-options.ts';
import type { CliText } from '../text/index.ts';

/** Latest return of `dispatch`, from the start of its process: under a second (contract section 1). */
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
  return addTaskOptions(dispatch, say).option('--json', help.json).action(ending(run));
}

async function run(argument: string | undefined, options: DispatchOptions): Promise<Exit> {
  const context = await openContext();
  const { say, text, stack, config, results } = context;
  const job = await readJob(context, { ...options, argument }, options);

  const started = await withClient(context, async (client) => {
    const waitMs = Math.max(RETURN_BY_MS - performance.now(), LEAST_WAIT_MS);
    return await start(client, context, job, options, waitMs);
  }).catch((error: unknown) => {
    // Without services and without a key, the key is what a newcomer needs first.
    const nothingHere = error instanceof EngineUnreachable && !stack && !context.elsewhere && !config.KIMI_API_KEY;
    throw nothingHere ? new CliError(EXIT.config, noKey(context)) : error;
  });

  const name = started.status === 'known' ? started.task_name : job.name;
  if (options.json) {
    const result_file = results.resultPath(started.task_id);
    console.log(JSON.stringify({ ...started, task_name: name, result_file }));
  } else if (started.status !== 'refused') {
    console.log(
      started.status === 'queued' ? say.queued(name, text.queuePosition(started.queued)) : say.dispatched(name),
    );
    console.error(say.taskId(started.task_id));
    if (started.status === 'pending') console.error(say.pending);
    if (stack?.simulated) console.error(say.simulatedNotice);
  } else {
    console.error(say.refused(name, explain(started.error, text)));
    console.error(say.taskId(started.task_id));
  }
  return started.status === 'refused' ? exitForFailure(started.error.type) : EXIT.ok;
}
