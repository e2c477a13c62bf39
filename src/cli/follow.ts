import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { firstCharacters } from '../shared/format.ts';
import { SUMMARY_CHARS, withoutQuestion, type ResultFile } from '../shared/result.ts';
import type { TaskView } from '../shared/task.ts';
import { tildePath } from '../service/files.ts';
import { isEngineGone } from '../temporal/client.ts';
import { outcomeText, replyText } from '../notify/message.ts';
import { upCommand, type Context } from './context.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import { CliError, exitFor } from './exit.ts';
import { lookUp } from '../tasks/look-up.ts';
import { printAnswer } from './output/answer.ts';
import { Progress } from './output/progress.ts';
import { withoutControls } from './output/terminal.ts';

/** Polling interval, in milliseconds. */
const LOOK_MS = 200;

/**
 * Shows the progress of a task until it has a result.
 *
 * @param stopped the message when the user interrupts the wait
 */
export async function follow(
  client: Client,
  context: Context,
  task_id: string,
  stopped = context.say.stoppedWaiting(task_id),
): Promise<ResultFile> {
  const progress = new Progress(context.say, context.text);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  try {
    for (;;) {
      const found = await lookUp(client, task_id);
      const result = await context.results.read(task_id);
      if (result) return result;
      if (!found) throw new CliError(EXIT.unknown_task, context.say.unknownTask(task_id));
      if (found.ended) throw new CliError(EXIT.cancelled, context.say.ended(task_id, found.ended));
      if (found.view.completed_at) {
        throw new CliError(EXIT.config, whyMissing(context, found.view));
      }
      progress.update(found);
      await pause(LOOK_MS, undefined, { signal: stop.signal });
    }
  } catch (error) {
    if (isEngineGone(error)) {
      // The services may have been stopped as soon as the answer was saved.
      const saved = await context.results.readIfSound(task_id);
      if (saved) return saved;
      throw new CliError(EXIT.engine, context.say.engineLost(task_id, upCommand(context.stack)));
    }
    if (stop.signal.aborted) throw new CliError(EXIT.interrupted, stopped);
    throw error;
  } finally {
    process.removeListener('SIGINT', interrupt);
    progress.end();
  }
}

/** @returns why an ended task has no result here: the worker uses another folder, or the file was removed since. */
function whyMissing({ results, say }: Context, { task_id, result_file: written }: TaskView): string {
  const file = tildePath(results.resultPath(task_id));
  const isHere = written === undefined || basename(written) === 'latest.json' || written === file;
  return isHere ? say.resultGone(task_id, file) : say.resultElsewhere(task_id, tildePath(results.folder));
}

/** Prints the notification's text. @returns the exit status for the outcome. */
export async function printReply({ results, text, say }: Context, result: ResultFile): Promise<Exit> {
  const file = results.pathToShow(result.task_id);
  console.log(replyText(result, file, text, (answer) => withoutControls(firstCharacters(answer, SUMMARY_CHARS))));
  if (result.simulated) console.log(`\n${say.simulatedNotice}`);
  return exitFor(result);
}

/** Prints the answer, which is all that standard output gets. @returns the exit status for the outcome. */
export async function printWhole(context: Context, result: ResultFile, json = false): Promise<Exit> {
  const { results, text, say } = context;
  console.error(`${outcomeText(result, text)}\n`);
  if (json) console.log(JSON.stringify({ ...withoutQuestion(result), ...results.questionOf(result) }, null, 2));
  else if (result.output !== undefined) await printAnswer(result.output);
  console.error(`\n${text.reply.whole(results.pathToShow(result.task_id))}`);
  if (result.simulated) console.error(`\n${say.simulatedNotice}`);
  return exitFor(result);
}
