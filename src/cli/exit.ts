import type { ResultFile } from '../contract.ts';

/** Exit statuses of `kimi-dispatch`. Documented in the README; scripts rely on them. */
export const EXIT = {
  ok: 0,
  /** Something nobody foresaw. */
  unexpected: 1,
  /** Unknown option, missing or malformed argument. */
  usage: 2,
  /** Configuration or environment: no key, a port taken, a folder not writable. */
  config: 3,
  unknown_task: 4,
  /** No Temporal server, or nothing that works on tasks. */
  engine: 5,
  /** The task failed, or Kimi refused it. */
  failed: 6,
  timed_out: 7,
  cancelled: 8,
  /** The task has no result yet. */
  unfinished: 9,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const;

export type Exit = (typeof EXIT)[keyof typeof EXIT];

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
