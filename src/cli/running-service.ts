/** Finds the running service of this home. Loaded by every command: it must stay small. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { homeFolder } from '../config/early.ts';
import { settingsDigest } from '../config/settings.ts';
import { isInstalled } from '../stack/build.ts';
import type { StackState } from '../stack/state.ts';

/**
 * Finds a service that does what this process would do: of the same build, settings and user.
 *
 * @param env an environment that the `.env` files were added to
 * @returns the path of its socket, and what its supervisor wrote; `undefined` if there is none, or if something about it has to be
 * said.
 */
export function runningService(
  env: NodeJS.ProcessEnv = process.env,
): { socket: string; stack: StackState } | undefined {
  // The configuration refuses other languages.
  if (!/^(?:en|zh-TW)?$/.test(env['KIMI_LANG'] ?? '')) return undefined;
  try {
    const stack = JSON.parse(readFileSync(join(homeFolder(env), 'stack.json'), 'utf8')) as Partial<StackState>;
    const { api_socket: socket, settings, build, dist, has_key: hasKey } = stack;
    if (!socket || !hasKey || settings !== settingsDigest(env)) return undefined;
    if (!build || !dist || !isInstalled({ build, dist })) return undefined;
    const file = statSync(socket);
    // The same build wrote it: it is whole.
    return file.isSocket() && file.uid === process.getuid?.() ? { socket, stack: stack as StackState } : undefined;
  } catch {
    return undefined;
  }
}
