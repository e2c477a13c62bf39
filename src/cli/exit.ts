import type { ResultFile } from '../shared/result.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import type { CliText } from './text/index.ts';

/** Refusals before anything is sent: the configuration or the command is wrong. */
const EXIT_OF = new Map<string | undefined, Exit>([
  ['no_api_key', EXIT.config],
  ['no_callback_provider', EXIT.config],
  ['no_relay_token', EXIT.config],
  ['bad_relay_token', EXIT.config],
  ['foreign_callback_url', EXIT.config],
  ['retired_model', EXIT.usage],
  ['bad_parameter', EXIT.usage],
  ['no_functions', EXIT.usage],
  ['no_tools', EXIT.usage],
  ['unpriced', EXIT.usage],
  ['no_batch', EXIT.usage],
  ['prompt_too_long', EXIT.usage],
]);

/** @returns the exit status for a request that was refused before it was dispatched. */
export function exitForRefusal(type: string | undefined): Exit {
  return EXIT_OF.get(type) ?? EXIT.failed;
}

/** @returns the exit status for a task that failed: a refusal by then is an outcome, and no matter of usage. */
export function exitForFailure(type: string | undefined): Exit {
  const exit = exitForRefusal(type);
  return exit === EXIT.usage ? EXIT.failed : exit;
}

/** @returns the exit status for a finished task. */
export function exitFor({ status, error }: ResultFile): Exit {
  if (status === 'done') return EXIT.ok;
  return status === 'failed' ? exitForFailure(error?.type) : EXIT[status];
}

/** An error with a sentence for the user and an exit status. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    readonly exit: Exit,
    message: string,
  ) {
    super(message);
  }
}

let isTaskStarted = false;
let awaited: string | undefined;
let isOutputWanted = true;
let named: string | undefined;

/** Notes which task a command is about, for the sentence of an engine that is out of reach. @param word as its user named it */
export function isAbout(word: string): void {
  named = word;
}

/** @returns the task that the command is about; `undefined` if it is about none. */
export function subject(): string | undefined {
  return named;
}

/** Marks the task as started: lost output is then reported as such, since a caller that retries would pay twice. */
export function taskIsStarted(): void {
  isTaskStarted = true;
}

/** The same, for a task whose answer is to be printed: lost output is then a failure, and the sentence says how to print it again. */
export function answerIsAwaited(task_id: string): void {
  awaited = task_id;
}

/** Makes the exit status that of the action even if its output is lost. By default lost output is a failure. */
export function exitStatusStands(): void {
  isOutputWanted = false;
}

/** Forgets what a command before said: tests run several in one process. */
export function forgetTask(): void {
  isTaskStarted = false;
  awaited = undefined;
  isOutputWanted = true;
  named = undefined;
}

/**
 * Handles errors of standard output: without a listener they would be thrown, and the exit status would be 1 whatever the outcome of
 * the task.
 *
 * Lost output is reported on standard error. A reader such as `head` may close its pipe.
 *
 * @param say the texts, in the user's language by then
 */
export function watchStandardOutput(stdout: NodeJS.WriteStream, say: () => CliText): void {
  stdout.once('error', ({ code }: NodeJS.ErrnoException) => {
    const isReadEnough = code === 'EPIPE';
    if (awaited !== undefined) {
      if (!isReadEnough) console.error(say().notPrinted.answer(code ?? '', awaited));
    } else if (isTaskStarted) console.error(say().notPrinted.started(code ?? ''));
    else if (!isReadEnough) console.error(say().notPrinted.lost(code ?? ''));
    process.once('exit', (exit) => {
      if (exit === EXIT.ok && isOutputWanted && !isReadEnough) process.exitCode = EXIT.unexpected;
    });
  });
  stdout.on('error', () => {});
}
