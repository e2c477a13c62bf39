/** The command line without its own process. */
import { Console } from 'node:console';
import { join } from 'node:path';
import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { Ended } from './cli.ts';

/**
 * Runs `kimi-dispatch` in this process, in its HOME, for arguments that it refuses before it does anything: a process takes a third of
 * a second to start. Not for commands that read standard input, connect or start something.
 */
export async function inProcess(args: string[], env: Record<string, string>): Promise<Ended> {
  const home = env['HOME'] ?? '';
  const before = { env: process.env, folder: process.cwd(), console: globalThis.console };
  const [stdout, stderr] = [take(process.stdout), take(process.stderr)];
  try {
    // `os.homedir` is that of this process, so its folders are set explicitly.
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

/** Captures the output of a stream until it is restored, and removes the listeners that were added meanwhile. */
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
