import type { ResultFile } from '../shared/result.ts';
import { EXIT, type Exit } from '../service/exit.ts';

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
