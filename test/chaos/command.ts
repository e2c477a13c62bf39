/** What the commands `npm run chaos` and `npm run soak` share. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { EXIT } from '../../src/service/exit.ts';

/** Parser of an option. */
export function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It needs a whole number.');
  return Number(value);
}

/** @returns a new folder for logs and results, whose path is printed if a signal stops the run */
export async function runFolder(prefix: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      console.error(`stopped by ${signal}; its logs and results are in ${folder}`);
      process.exit(EXIT.interrupted);
    });
  }
  return folder;
}

/** Runs a command and ends the process. */
export async function runCommand(main: () => Promise<void>): Promise<never> {
  try {
    await main();
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
  // A native handle must not keep the process alive.
  process.exit();
}
