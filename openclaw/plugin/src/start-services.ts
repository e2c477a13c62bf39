import type { PluginApi } from 'openclaw/plugin-sdk/plugin-entry';
import { commandLine, saidBy, type Ran } from './command-line.ts';

/** Longest start, in milliseconds: the first one may fetch the engine. */
const START_MS = 300_000;

/** Its own scope: a restart of the gateway's unit would end every process of that unit. */
const OWN_SCOPE = ['systemd-run', '--user', '--scope', '--quiet', '--collect', '--'];

/**
 * Starts Kimi Dispatch with the gateway, if the user chose that (`setup openclaw --start`). It starts only once, whichever process starts
 * it, and it outlives the gateway: tasks continue while the gateway restarts.
 */
export function startServices(api: PluginApi, env: NodeJS.ProcessEnv = process.env): void {
  if (api.pluginConfig?.['startServices'] !== true) return;
  api.registerService({
    id: 'kimi-dispatch',
    // The gateway does not wait for it.
    start: () => {
      void up(api, env);
    },
  });
}

async function up(api: PluginApi, env: NodeJS.ProcessEnv): Promise<void> {
  const ran = await run(api, env);
  if (ran.exit !== 0) api.logger.warn(`kimi-dispatch: the services were not started: ${saidBy(ran)}`);
}

async function run(api: PluginApi, env: NodeJS.ProcessEnv): Promise<Ran> {
  const args = ['up', '--detach'];
  // Set in every process of a systemd unit.
  if (env['INVOCATION_ID']) {
    const ran = await commandLine(api, { before: OWN_SCOPE, timeoutMs: START_MS })(args);
    // Otherwise this user has no session, or systemd-run is missing.
    if (ran.exit === 0 || ran.exit === CONFIG) return ran;
  }
  return await commandLine(api, { timeoutMs: START_MS })(args);
}

/** Exit status of a problem that the user has to solve (docs/cli.md). */
const CONFIG = 3;
