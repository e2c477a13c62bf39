/** The command line without a process of its own. */
import { Console } from 'node:console';
import { join } from 'node:path';
import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { Ended } from './cli.ts';

/**
 * Runs `kimi-dispatch` in this process, in its HOME, for words that it refuses before it does anything: a process takes a third of
 * a second to start. Not for what reads standard input, connects or starts something.
 */
export async function inProcess(args: string[], env: Record<string, string>): Promise<Ended> {
  const home = env['HOME'] ?? '';
  const before = { env: process.env, folder: process.cwd(), console: globalThis.console };
  const [stdout, stderr] = [take(process.stdout), take(process.stderr)];
  try {
    // `os.homedir` is that of this process: the folders in it are named.
    process.env = { ...env, KIMI_HOME: join(home, 'kimi'), KIMI_RESULTS_DIR: join(home, 'results') };
    process.chdir(home);
    globalThis.console = new Console(process.stdout, process.stderr);
    await main([process.execPath, 'kimi-dispatch', ...args]);
    return { code: Number(process.exitCode ?? 0), stdout: stdout.taken(), stderr: stderr.taken() };
  } finally {
    process.exitCode = undefined;
    process.env = before.env;
    process.chdir(before.folder);
    globalThis.console = before.console;
    for (const { giveBack } of [stdout, stderr]) giveBack();
  }
}

/** Takes what is written to a stream, until it is given back, without the listeners that were added meanwhile. */
function take(stream: NodeJS.WriteStream) {
  let text = '';
  const listeners = stream.listeners('error');
  const spy = vi.spyOn(stream, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  const giveBack = (): void => {
    spy.mockRestore();
    for (const listener of stream.listeners('error')) {
      if (!listeners.includes(listener)) stream.off('error', listener as () => void);
    }
  };
  return { taken: () => text, giveBack };
}
