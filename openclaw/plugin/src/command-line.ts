import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { PluginApi } from 'openclaw/plugin-sdk/plugin-entry';

/** Output of a run of the command line, in the user's language. */
export interface Ran {
  /** Exit status; `null` after a signal. */
  exit: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `kimi-dispatch`. */
export type Run = (args: string[], input?: string) => Promise<Ran>;

/** Timeout of a run: `cancel` waits 10 s for a worker, other commands are quicker. Milliseconds. */
const TIMEOUT_MS = 25_000;

/**
 * The command line that came with the plugin, or the one the configuration names.
 *
 * @param options `before`: words in front of it, e.g. of `systemd-run`
 */
export function commandLine(
  { rootDir = '.', pluginConfig = {} }: Pick<PluginApi, 'rootDir' | 'pluginConfig'>,
  { before = [], timeoutMs = TIMEOUT_MS }: { before?: string[]; timeoutMs?: number } = {},
): Run {
  const own = join(rootDir, '../../dist/kimi-dispatch.cjs');
  const words = (pluginConfig['command'] as string[] | undefined) ?? [process.execPath, own];
  const [program, ...first] = [...before, ...words];
  if (!pluginConfig['command'] && !existsSync(own)) {
    // The plugin was copied out of its package.
    return async () => ({ exit: null, stdout: '', stderr: notRun(own, 'it is not there') });
  }
  return async (args, input = '') => {
    const child = spawn(program as string, [...first, ...args], { timeout: timeoutMs, killSignal: 'SIGKILL' });
    try {
      // The process may exit without reading its input; its output says why.
      child.stdin.on('error', () => {});
      child.stdin.end(input);
      const [stdout, stderr, [exit]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close') as Promise<[number | null]>,
      ]);
      return { exit, stdout: stdout.trim(), stderr: stderr.trim() };
    } catch (error) {
      return { exit: null, stdout: '', stderr: notRun(program as string, (error as Error).message) };
    }
  };
}

function notRun(program: string, why: string): string {
  return `kimi-dispatch could not be run with ${program} (${why}), so nothing was done; correct plugins.entries.kimi-dispatch.config.command in the gateway’s configuration`;
}

/** @returns the text for the user: the output of a run, or the reason of its failure. */
export function saidBy({ exit, stdout, stderr }: Ran): string {
  return exit === 0 || stderr === '' ? stdout : stderr;
}
