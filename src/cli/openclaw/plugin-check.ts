/** OpenClaw's own command: which plugin it loads, and the restart of its gateway. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { promisify } from 'node:util';
import { GIVEN_ENV } from '../../config/env-file.ts';
import { PLUGIN_ID } from './settings.ts';

/** How long OpenClaw may take to load its plugins, in milliseconds: 10 s on an idle machine, more at its first start. */
const TIMEOUT_MS = 300_000;

/** Which plugin OpenClaw loads. */
export type Loaded =
  | { state: 'ours' }
  /** That of another folder. */
  | { state: 'other'; folder: string }
  | { state: 'none'; why: string }
  /** OpenClaw could not be asked. */
  | { state: 'unknown'; why: string };

/** The arguments of OpenClaw's command that select a profile. */
function profileArgs(profile: string | undefined): string[] {
  return profile === undefined ? [] : ['--profile', profile];
}

/**
 * Asks OpenClaw, which loads its plugins for that as its gateway does.
 *
 * @param folder of this plugin
 * @returns `undefined` if there is no `openclaw` on `PATH`
 */
export async function askWhichPlugin(folder: string, profile: string | undefined): Promise<Loaded | undefined> {
  const args = [...profileArgs(profile), 'plugins', 'inspect', PLUGIN_ID, '--runtime', '--json'];
  let output: string;
  try {
    const { stdout } = await promisify(execFile)('openclaw', args, { env: GIVEN_ENV, timeout: TIMEOUT_MS });
    output = stdout;
  } catch (error) {
    const { code, stderr, killed } = error as { code?: unknown; stderr?: string; killed?: boolean };
    if (code === 'ENOENT') return undefined;
    return { state: 'unknown', why: killed ? 'ETIMEDOUT' : lastLine(stderr ?? '') };
  }
  return answerIn(output, folder);
}

function answerIn(output: string, folder: string): Loaded {
  try {
    const { plugin } = JSON.parse(output.slice(output.indexOf('{'))) as {
      plugin: { status: string; rootDir: string; error?: string };
    };
    if (plugin.status !== 'loaded') return { state: 'none', why: plugin.error ?? plugin.status };
    const isOurs = realpathSync(plugin.rootDir) === realpathSync(folder);
    return isOurs ? { state: 'ours' } : { state: 'other', folder: plugin.rootDir };
  } catch {
    return { state: 'unknown', why: lastLine(output) };
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
}

/** Restarts the gateway; its output is shown. @returns whether that worked */
export async function restartGateway(profile: string | undefined): Promise<boolean> {
  const args = [...profileArgs(profile), 'gateway', 'restart'];
  const child = spawn('openclaw', args, { env: GIVEN_ENV, stdio: 'inherit' });
  const [code] = await Promise.race([once(child, 'exit'), once(child, 'error').then(() => [1])]);
  return code === 0;
}
