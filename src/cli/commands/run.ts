import { startedSentence } from '../start-task.ts';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { usesRelay } from '../../config/index.ts';
import { startStack, type Stack } from '../../stack/stack.ts';
import { publicAddress } from '../../service/http.ts';
import { callsBack } from '../../kimi/models.ts';
import type { StackState } from '../../stack/state.ts';
import { isEngineGone, workersOn } from '../../temporal/client.ts';
import { openTasksSince } from '../../temporal/task-list.ts';
import { explain } from '../../text/index.ts';
import {
  NothingRuns,
  contextFor,
  noKey,
  openContext,
  upCommand,
  warnOfMisspelt,
  withClient,
  type Context,
} from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { Problem } from '../../tasks/problem.ts';
import { CliError, answerIsAwaited, exitForFailure, subject } from '../exit.ts';
import { follow, printWhole } from '../follow.ts';
import { lookUp } from '../../tasks/look-up.ts';
import { continued } from '../../tasks/conversation.ts';
import type { NewTask } from '../../tasks/tasks.ts';
import { startChecked } from '../../tasks/local.ts';
import { keepFile } from '../../tasks/files.ts';
import { checkTask, type CheckedTask } from '../../tasks/request.ts';
import { newKey } from '../../tasks/task-id.ts';
import { tildePath } from '../../service/files.ts';
import { command, printing } from '../options.ts';
import { supervisorSentences } from '../supervisor-sentences.ts';
import { startInterruptibly } from '../interruptible-start.ts';
import { Progress } from '../output/progress.ts';
import { openTasks } from '../tasks.ts';
import { conversationOf, keepFiles, readTask, type PromptOptions, type TaskOptions } from '../job.ts';
import { addTaskOptions } from '../task-options.ts';
import type { CliText } from '../text/index.ts';

/** How long a stack that `run` started stays up for the wake, once the answer has arrived. Milliseconds. */
const TELL_MS = 10_000;

/** Interval at which the tasks of others are counted, in milliseconds. */
const OTHERS_MS = 500;

/** `run` watches the task anyway, so it does not wait for the acceptance. */
const ACCEPT_WAIT_MS = 100;

/** Any loopback address: the port of the simulated Kimi is not known before it runs. */
const SIMULATED_URL = 'http://127.0.0.1';

interface RunOptions extends PromptOptions, TaskOptions {
  simulate?: boolean;
  json?: true;
}

export function runCommand(say: CliText): Command {
  const { help } = say;
  const examples = [
    `kimi-dispatch run --simulate "${help.examplePrompt}"`,
    'kimi-dispatch run -f prompt.md --timeout 10m > answer.md',
  ];
  const run = command('run', say, help.run, examples)
    .argument('[PROMPT]', help.runPrompt)
    .option('-p, --prompt <PROMPT>', help.prompt)
    .option('-f, --file <FILE>', help.file);
  return addTaskOptions(run, say)
    .option('--simulate', help.simulate)
    .option('--json', help.json)
    .action(printing(runTask));
}

async function runTask(argument: string | undefined, options: RunOptions): Promise<Exit> {
  const context = await openContext();
  warnOfMisspelt(context.say);
  const { config, say, stack } = context;
  const simulate = options.simulate ?? false;
  const prompt = { ...options, argument };
  const isRelayed = stack ? context.relay : usesRelay(config, simulate);
  // Behind the relay, the simulated Kimi is Moonshot's API with its models.
  const apiUrl = simulate && !isRelayed ? SIMULATED_URL : context.apiUrl;
  const asked = await readTask(prompt, options, say);
  const place = { contents: context.contents, relay: isRelayed, apiUrl };
  const files = await keepFiles(options, async (file) => await keepFile(place, file), say);
  const simulated = simulate || context.simulated;
  const read = async (): Promise<NewTask> => {
    const before = await conversationOf(options, openTasks, say);
    return await continued({ ...context, simulated }, { ...asked, ...before, ...files });
  };
  const whole = await read().catch((error: unknown) => {
    // Without services, only a task with a saved result could be continued.
    const isUnknown = error instanceof NothingRuns && !error.isOpen(subject());
    throw isUnknown ? new CliError(EXIT.unknown_task, say.noTaskNamed(options.continue ?? '')) : error;
  });
  const task = checkTask({ config, apiUrl, relay: isRelayed, simulated }, whole);

  const workersElsewhere = !stack && context.elsewhere && (await hasWorkers(context));
  // A simulated task must never reach a worker with a real key.
  if (simulate && (workersElsewhere || stack?.simulated === false)) throw new CliError(EXIT.config, say.notSimulated);
  if (stack || workersElsewhere) return await runOn(context, task, options);

  if (!simulate && !config.KIMI_API_KEY) throw new CliError(EXIT.config, noKey(context));
  if (!simulate && !isRelayed && !callsBack(config.KIMI_API_URL)) {
    throw new CliError(EXIT.config, say.doctor.callsBackBad(publicAddress(config.KIMI_API_URL)));
  }
  const since = Date.now();
  const own = await startOwnStack(context, simulate);
  // Another stack was started in the meantime: it is used, but not stopped.
  if (!('stop' in own)) return await runOn(contextFor(config, own), task, options);
  const ownContext = contextFor(config, own.state);
  try {
    const lost = own.lost.then((): Exit => {
      throw new CliError(EXIT.config, say.runLostHome(tildePath(config.KIMI_HOME)));
    });
    return await Promise.race([runOn(ownContext, task, options, since), lost]);
  } finally {
    await own.stop();
  }
}

/** @param since when this `run` started the services, in milliseconds since 1970; `undefined` if it did not */
async function runOn(context: Context, task: CheckedTask, { json }: RunOptions, since?: number): Promise<Exit> {
  const { say, text } = context;
  return await withClient(context, async (client) => {
    const started = await startChecked(client, context, task, ACCEPT_WAIT_MS, newKey()).catch((error: unknown) => {
      const isRefused = error instanceof Problem && error.code === 'no_api_key';
      throw isRefused ? new CliError(EXIT.config, noKey(context)) : error;
    });
    if (started.status !== 'refused') answerIsAwaited(started.task_id);
    if (started.status === 'refused') {
      console.error(say.refused(task.name, explain(started.error, text)));
      if (since !== undefined) await untilOthersEnd(client, context, since, started.task_id);
      return exitForFailure(started.error.type);
    }
    console.error(`${startedSentence(started, task.name, say)}\n`);
    console.error(say.taskId(started.task_id));
    if (started.retired) console.error(say.retiredNotice(text.detail(started.retired) ?? ''));
    const { task_id } = started;
    const stopped =
      since !== undefined ? say.interrupted(task_id, upCommand(context.stack)) : say.stoppedWaiting(task_id);
    const result = await follow(client, context, started.task_id, stopped);
    const exit = await printWhole(context, result, json);
    if (since !== undefined) {
      await untilTold(client, context, task_id);
      await untilOthersEnd(client, context, since, task_id);
    }
    return exit;
  });
}

/** Waits for the wake before the stack is stopped; reports if it did not succeed. */
async function untilTold(client: Client, { say, stack }: Context, task_id: string): Promise<void> {
  const giveUpAt = performance.now() + TELL_MS;
  while (performance.now() < giveUpAt) {
    const found = await lookUp(client, task_id);
    if (found?.view.acknowledged) return;
    if (found?.view.wake_error || found?.retrying) break;
    await pause(100);
  }
  console.error(`\n${say.stillTelling(stack?.wake_url ?? '')}`);
}

/**
 * Waits for the tasks that others have started on the services of this `run`: stopping them would interrupt answers that are paid
 * for. Ctrl-C ends the wait.
 *
 * @param since when the services were started, in milliseconds since 1970: older tasks continue at the next start anyway
 */
async function untilOthersEnd(client: Client, context: Context, since: number, own: string): Promise<void> {
  const { say, stack, taskQueue, results } = context;
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  let isSaid = false;
  try {
    for (;;) {
      const ids = (await openTasksSince(client, taskQueue, since)).filter((id) => id !== own);
      const sizes = ids.map((id) => results.sizeOf(id));
      // The engine's list is a little behind the results folder.
      const open = sizes.filter((size) => size === 0).length;
      if (open === 0) return;
      if (!isSaid) console.error(`\n${say.waitsForOthers(open)}`);
      isSaid = true;
      await pause(OTHERS_MS, undefined, { signal: stop.signal });
    }
  } catch (error) {
    if (stop.signal.aborted) throw new CliError(EXIT.interrupted, say.othersInterrupted(upCommand(stack)));
    // Without the engine there is nothing to wait for, and the answer is printed.
    if (!isEngineGone(error)) throw error;
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
}

async function startOwnStack({ config, say, text }: Context, simulate: boolean): Promise<Stack | StackState> {
  const progress = new Progress(say, text);
  const start = async () =>
    await startStack({
      config,
      simulate,
      anyPort: true,
      onStep: (step) => progress.step(step),
      supervisor: { logFile: undefined },
      say: supervisorSentences(config.KIMI_HOME, say),
    });
  return await startInterruptibly(start, progress, say.startInterrupted);
}

async function hasWorkers(context: Context): Promise<boolean> {
  return await withClient(context, async (client) => (await workersOn(client, context.taskQueue)) > 0);
}
