import type { ResultFile } from '../contract.ts';
import { EXIT, type Exit } from '../exit.ts';

/** Errors of the configuration among what a task may be refused with. */
const CONFIG_ERRORS = new Set(['no_api_key', 'no_callback_provider']);

/** @returns the exit status for a task that was refused or failed. */
export function exitForFailure(type: string | undefined): Exit {
  return type !== undefined && CONFIG_ERRORS.has(type) ? EXIT.config : EXIT.failed;
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
