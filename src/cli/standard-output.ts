import { EXIT } from '../exit.ts';
import type { CliText } from './text/index.ts';

let isTaskStarted = false;

/** From now on the exit status tells of the task, whatever becomes of what is printed: who would try again pays twice. */
export function taskIsStarted(): void {
  isTaskStarted = true;
}

/**
 * Says where nobody takes what is printed, as on a disk that is full, and ends with a status that tells. Who closes a pipe
 * has read enough, as `head` does.
 *
 * @param say the words, by then in the user's language
 */
export function watchStandardOutput(say: () => CliText): void {
  process.stdout.once('error', ({ code }: NodeJS.ErrnoException) => {
    process.stdout.on('error', () => {});
    const isReadEnough = code === 'EPIPE';
    if (isTaskStarted) console.error(say().notPrinted.started(code ?? ''));
    else if (!isReadEnough) console.error(say().notPrinted.lost(code ?? ''));
    process.once('exit', (exit) => {
      if (exit === EXIT.ok && !isTaskStarted && !isReadEnough) process.exitCode = EXIT.unexpected;
    });
  });
}
