import type { ResultFile } from '../shared/result.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import type { CliText } from './text/index.ts';

/** What a task may be refused with before anything is sent, since the configuration or the command is wrong. */
const EXIT_OF = new Map<string | undefined, Exit>([
  ['no_api_key', EXIT.config],
  ['no_callback_provider', EXIT.config],
  ['no_relay_token', EXIT.config],
  ['bad_relay_token', EXIT.config],
  ['foreign_callback_url', EXIT.config],
  ['retired_model', EXIT.usage],
  ['bad_parameter', EXIT.usage],
  ['prompt_too_long', EXIT.usage],
]);

/** @returns the exit status for a task that was refused or failed. */
export function exitForFailure(type: string | undefined): Exit {
  return EXIT_OF.get(type) ?? EXIT.failed;
}

/** @returns the exit status for a finished task. */
export function exitFor({ status, error }: ResultFile): Exit {
  if (status === 'done') return EXIT.ok;
  return status === 'failed' ? exitForFailure(error?.type) : EXIT[status];
}

/** An error with one sentence for the user and the exit status that goes with it. */
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
let isOutputWanted = true;

/** From now on lost output is reported as that of a task that is started: a caller who tries again pays twice. */
export function taskIsStarted(): void {
  isTaskStarted = true;
}

/** From now on the exit status says what was done, even if nothing could be printed of it. Otherwise lost output is a failure. */
export function exitStatusStands(): void {
  isOutputWanted = false;
}

/**
 * Keeps a broken standard output or standard error from ending the process: without a listener the error would be thrown, and the
 * exit status would be 1 whatever became of the task.
 *
 * Lost output is reported on standard error. A reader that closes its pipe has read enough, as `head` does.
 *
 * @param say the words, by then in the user's language
 */
export function watchStandardStreams(say: () => CliText): void {
  process.stderr.on('error', () => {});
  process.stdout.once('error', ({ code }: NodeJS.ErrnoException) => {
    const isReadEnough = code === 'EPIPE';
    if (isTaskStarted) console.error(say().notPrinted.started(code ?? ''));
    else if (!isReadEnough) console.error(say().notPrinted.lost(code ?? ''));
    process.once('exit', (exit) => {
      if (exit === EXIT.ok && isOutputWanted && !isReadEnough) process.exitCode = EXIT.unexpected;
    });
  });
  process.stdout.on('error', () => {});
}
