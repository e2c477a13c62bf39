/** The command line without its own process. */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { format } from 'node:util';
import pLimit from 'p-limit';
import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { Ended } from './cli.ts';

/** Commands share the streams and the environment of this process. */
const oneByOne = pLimit(1);

/**
 * Runs `kimi-dispatch` in this process, in its HOME: a process takes a third of a second of a core to start. Not for commands that
 * start services, are interrupted, or need a terminal, nor for what only a process of its own proves: the build, broken streams, and
 * that it ends.
 */
export async function inProcess(args: string[], env: Record<string, string>, input = ''): Promise<Ended> {
  return await oneByOne(async () => await runHere(args, env, input));
}

async function runHere(args: string[], env: Record<string, string>, input: string): Promise<Ended> {
  const home = env['HOME'] ?? '';
  const before = {
    env: { ...process.env },
    folder: process.cwd(),
    console: globalThis.console,
    umask: process.umask(),
  };
  const [stdout, stderr] = [take('stdout'), take('stderr')];
  const stdin = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([Buffer.from(input)]) as never);
  try {
    // The default of this home: that of this process was found when it started.
    setEnvironment({ KIMI_HOME: join(home, '.local/share/kimi-dispatch'), ...env });
    process.chdir(home);
    globalThis.console = Object.assign(Object.create(console), { log: printing('stdout'), error: printing('stderr') });
    await main([process.execPath, 'kimi-dispatch', ...args]);
    return { code: Number(process.exitCode ?? 0), stdout: stdout.taken(), stderr: stderr.taken() };
  } finally {
    process.exitCode = undefined;
    setEnvironment(before.env);
    process.chdir(before.folder);
    process.umask(before.umask);
    globalThis.console = before.console;
    stdin.mockRestore();
    for (const { giveBack } of [stdout, stderr]) giveBack();
  }
}

/** Like Node's console, and unlike that of Vitest. It opens its streams when it is first used, so that a command can prepare them. */
function printing(stream: 'stdout' | 'stderr'): (...said: unknown[]) => void {
  return (...said) => void process[stream].write(`${format(...said)}\n`);
}

/** Sets each variable: another object in place of `process.env` would not move `os.homedir`. */
function setEnvironment(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  Object.assign(process.env, env);
}

type Written = () => void;

/** Captures the output of a stream until it is restored, and removes the listeners that were added meanwhile, and what awaits its first use. */
function take(name: 'stdout' | 'stderr') {
  const stream = process[name];
  const property = Object.getOwnPropertyDescriptor(process, name) ?? {};
  const chunks: Buffer[] = [];
  const listeners = stream.listeners('error');
  const spy = vi.spyOn(stream, 'write').mockImplementation((chunk, ...rest: unknown[]) => {
    chunks.push(Buffer.from(chunk as Uint8Array));
    const written = rest.at(-1);
    if (typeof written === 'function') (written as Written)();
    return true;
  });
  const giveBack = (): void => {
    spy.mockRestore();
    Object.defineProperty(process, name, property);
    for (const listener of stream.listeners('error')) {
      if (!listeners.includes(listener)) stream.off('error', listener as () => void);
    }
  };
  return { taken: () => Buffer.concat(chunks).toString(), giveBack };
}
