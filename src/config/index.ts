import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { callsBack, retirementOf } from '../kimi/models.ts';
import { AllowedHosts, refusalOf } from '../notify/receiver.ts';
import { PLUGIN_WAKE_PATH, type PluginWake } from '../notify/protocol.ts';
import { httpAddress, isLoopback } from '../service/http.ts';
import type { Limits } from '../shared/limits.ts';
import { ConfigError, type ConfigProblem } from './problems.ts';
import { problemOf } from './schemas.ts';
import { LONGEST_NAME, SECRETS, VARIABLE_ENTRIES, VARIABLES, type VariableName, type Variables } from './variables.ts';

/** The value of each variable, and whether it was set or is its default. */
export type Config = Variables & { isSet(name: VariableName): boolean };

/**
 * Reads the configuration once, at the edge of a process. An empty variable counts as not set.
 *
 * @throws {ConfigError} naming every wrong variable with a working example, and never a value, which may be a secret.
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const set = new Map(
    Object.entries(env)
      // `KEY=$(cat file)` and editors on Windows leave line ends and byte order marks.
      .map(([name, value]): [string, string] => [name, value?.trim() ?? ''])
      .filter(([, value]) => value !== ''),
  );
  const problems = addSecretFiles(set);
  addAliases(set);
  const values: Record<string, unknown> = {};
  for (const [name, { schema, example }] of VARIABLE_ENTRIES) {
    if (QUOTED.test(set.get(name) ?? '')) {
      problems.push({ subject: name, code: 'quoted', params: {}, example });
      continue;
    }
    const parsed = schema.safeParse(set.get(name));
    if (parsed.success) values[name] = parsed.data;
    else problems.push(problemOf(name, parsed.error.issues[0], example));
  }
  problems.push(...retiredFallbacks(values), ...unusableReceiver(values));
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...(values as Variables), isSet: (name) => set.has(name) };
}

/** Elsewhere a model of that name may be served. */
function retiredFallbacks({ KIMI_API_URL: apiUrl, KIMI_FALLBACK: fallback }: Partial<Variables>): ConfigProblem[] {
  if (!fallback || apiUrl === undefined || callsBack(apiUrl)) return [];
  const retired = fallback.models.map(({ model }) => retirementOf(model)).find((detail) => detail?.code === 'retired');
  if (!retired) return [];
  const { example } = VARIABLES.KIMI_FALLBACK;
  return [{ subject: 'KIMI_FALLBACK', code: 'fallback_retired', params: retired, example }];
}

function unusableReceiver({ KIMI_NOTIFY_URL: url, KIMI_NOTIFY_ALLOW: allow }: Partial<Variables>): ConfigProblem[] {
  const why = url !== undefined && allow && refusalOf(url, new AllowedHosts(allow));
  return why ? [{ subject: 'KIMI_NOTIFY_URL', code: 'receiver', params: { why } }] : [];
}

/** As `docker --env-file` and `export NAME='"value"'` leave it. */
const QUOTED = /^["'`\u2018\u2019\u201C\u201D]|["'`\u2018\u2019\u201C\u201D]$/;

function addSecretFiles(set: Map<string, string>): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const name of SECRETS) {
    const file = set.get(`${name}_FILE`);
    if (file === undefined) continue;
    if (set.has(name)) {
      problems.push({ subject: name, code: 'both_set', params: { other: `${name}_FILE` } });
      continue;
    }
    try {
      // Editors leave a line end. An empty file is a secret that is not set.
      const value = readFileSync(file, 'utf8').trim();
      if (value !== '') set.set(name, value);
    } catch (error) {
      const params = { cause: String((error as NodeJS.ErrnoException).code) };
      const example = `/run/secrets/${name.toLowerCase()}`;
      problems.push({ subject: `${name}_FILE`, code: 'secret_file_unreadable', params, example });
    }
  }
  return problems;
}

function addAliases(set: Map<string, string>): void {
  for (const [name, { alias }] of VARIABLE_ENTRIES) {
    const value = alias === undefined ? undefined : set.get(alias);
    if (value !== undefined && !set.has(name)) set.set(name, value);
  }
}

/**
 * Whether tasks go through the relay: by default only for Moonshot's hosts, which never call back.
 *
 * @param simulate whether the simulated Kimi is used, which calls back
 */
export function usesRelay({ KIMI_CALLBACKS, KIMI_API_URL }: Config, simulate = false): boolean {
  return KIMI_CALLBACKS ? KIMI_CALLBACKS === 'relay' : !simulate && !callsBack(KIMI_API_URL);
}

/** Default deadlines of tasks, in milliseconds. Models behind the relay take minutes. */
const TASK_TIMEOUT_MS = { native: 120_000, relay: 1_800_000 };

/** How long Kimi may take from its acceptance, behind the relay from the head of its answer, to the callback, in milliseconds. */
export function taskTimeoutMs({ KIMI_TASK_TIMEOUT_MS }: Config, isRelayed: boolean): number {
  return KIMI_TASK_TIMEOUT_MS ?? TASK_TIMEOUT_MS[isRelayed ? 'relay' : 'native'];
}

/**
 * What acknowledges a notification: the gateway's 2xx, or the agent. With `hooks` and `agent` the gateway has only queued the wake,
 * so the agent has to acknowledge it.
 */
export function acknowledgedBy({ KIMI_ACK, KIMI_REPLY }: Config): 'gateway' | 'agent' {
  return KIMI_ACK ?? (KIMI_REPLY === 'hooks' || KIMI_REPLY === 'agent' ? 'agent' : 'gateway');
}

/** How the plugin notifies the user; `undefined` if the gateway itself is woken. */
export function pluginReply({ KIMI_REPLY }: Config): PluginWake['reply'] | undefined {
  return KIMI_REPLY === 'hooks' ? undefined : KIMI_REPLY;
}

/** Wake URL: the gateway's, or the plugin's route of the same gateway. */
export function wakeUrl(config: Config): string {
  const url = config.OPENCLAW_WAKE_URL;
  return pluginReply(config) ? new URL(PLUGIN_WAKE_PATH, url).href : url;
}

/** Whether the webhook serves the dashboard: by default if it listens on loopback only, or if there is a token. */
export function servesDashboard({ KIMI_DASHBOARD, KIMI_DASHBOARD_TOKEN, WEBHOOK_HOST }: Config): boolean {
  if (KIMI_DASHBOARD) return KIMI_DASHBOARD === 'on';
  return KIMI_DASHBOARD_TOKEN !== undefined || isLoopback(WEBHOOK_HOST);
}

/** Base URL of the relay. */
export function relayUrl({ KIMI_RELAY_URL, KIMI_RELAY_HOST, KIMI_RELAY_PORT }: Config): string {
  return KIMI_RELAY_URL?.replace(/\/+$/, '') ?? httpAddress(KIMI_RELAY_HOST, KIMI_RELAY_PORT);
}

/** Base URL of callbacks. */
export function callbackBaseUrl({ KIMI_CALLBACK_BASE_URL, WEBHOOK_PORT }: Config): string {
  return KIMI_CALLBACK_BASE_URL ?? `http://localhost:${WEBHOOK_PORT}`;
}

/** Folder of callbacks that wait for the engine. */
export function journalFolder({ KIMI_JOURNAL_DIR, KIMI_HOME }: Config): string {
  return KIMI_JOURNAL_DIR ?? join(KIMI_HOME, 'journal');
}

/** The configured limits (docs/configuration.md). */
export function limitsOf(config: Config): Limits {
  return {
    per_minute: config.KIMI_MAX_TASKS_PER_MINUTE,
    concurrent: config.KIMI_MAX_CONCURRENT_TASKS,
    queued: config.KIMI_MAX_QUEUED_TASKS,
    ...budgetOf(config),
  };
}

/** Days begin as for schedules: in the time zone of this machine. */
function budgetOf({
  KIMI_BUDGET_PER_DAY: per_day,
  KIMI_BUDGET_PER_CHAT_DAY: per_chat,
}: Config): Pick<Limits, 'budget'> {
  if (per_day === undefined && per_chat === undefined) return {};
  const { timeZone: timezone } = new Intl.DateTimeFormat().resolvedOptions();
  return {
    budget: { ...(per_day !== undefined && { per_day }), ...(per_chat !== undefined && { per_chat }), timezone },
  };
}

const SIMULATED = '-simulated';

/**
 * A simulation has its own task queue and limiter. Simulated and real tasks of one home share the engine: no real worker may send
 * a simulated task to Kimi, and no simulated gateway may accept the notification of a real one.
 *
 * @throws {ConfigError} if a name is too long with its suffix.
 */
export function simulatedConfig(config: Config): Config {
  const names = { KIMI_TASK_QUEUE: config.KIMI_TASK_QUEUE, KIMI_LIMITER: config.KIMI_LIMITER };
  const maximum = LONGEST_NAME - SIMULATED.length;
  const problems = Object.entries(names)
    .filter(([, name = '']) => name.length > maximum)
    .map(([subject]): ConfigProblem => ({ subject, code: 'too_long_to_simulate', params: { maximum } }));
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    ...config,
    KIMI_TASK_QUEUE: names.KIMI_TASK_QUEUE + SIMULATED,
    KIMI_LIMITER: names.KIMI_LIMITER && names.KIMI_LIMITER + SIMULATED,
  };
}
