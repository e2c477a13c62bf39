/**
 * `up` in the foreground: this process becomes the supervisor. What needs the configuration and the texts is done by another one,
 * which ends once the stack is ready.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DIST } from '../service/files.ts';
import { EXIT } from '../service/exit.ts';
import { SIGNALS, supervise } from './supervise.ts';

/** @param args the arguments of the command line. @returns the exit status. */
export async function upInForeground(args: string[]): Promise<number> {
  const starter = spawn(process.execPath, [join(DIST, 'starter.cjs'), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(starter, 'exit') as Promise<[code: number | null]>;
  for (const signal of SIGNALS) process.on(signal, () => starter.kill());
  if (await supervise(starter)) return EXIT.ok;
  const [code] = await ended;
  return code ?? EXIT.interrupted;
}
