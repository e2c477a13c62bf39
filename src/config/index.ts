import { createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import envPaths from 'env-paths';
import ms, { type StringValue } from 'ms';
import * as z from 'zod';
import { httpAddress, isLoopback } from '../service/http.ts';
import { closest } from '../shared/closest.ts';
import { malformedLines } from './env-file.ts';
import type { Limits } from '../shared/limits.ts';
import { TASK_QUEUE } from '../shared/names.ts';
import type { Lang } from '../shared/task.ts';
import { callsBack } from '../kimi/models.ts';
import { PACKAGE_ROOT } from '../service/files.ts';
import { PLUGIN_WAKE_PATH, type PluginWake } from '../notify/protocol.ts';

const wholeNumber = z.coerce.number({ error: 'needs a whole number' }).int('needs a whole number');
/** Longest duration, in milliseconds: 20 days, which fits the 32 bits of a timer. */
const LONGEST_MS = 1_728_000_000;
const milliseconds = wholeNumber.positive('needs a number above 0').max(LONGEST_MS, `needs at most ${LONGEST_MS}`);
/** Longest age, in years: what is older than that has no date in ISO 8601. */
const OLDEST_YEARS = 100;
/** Milliseconds, from a number with a unit. */
const age = z.string().transform((value, context) => {
  const time = /^\s*\d+(?:\.\d+)?\s*[smhdwy]\s*$/.test(value) ? ms(value.trim() as StringValue) : 0;
  if (time > ms(`${OLDEST_YEARS}y`)) context.addIssue(`needs at most ${OLDEST_YEARS}y`);
  else if (time > 0) return time;
  else context.addIssue('needs a number above 0 and a unit: h, d, w or y');
  return z.NEVER;
});
/** 0 is unlimited. */
const limit = wholeNumber.min(0, 'needs 0 (no limit) or more').max(100_000, 'needs at most 100000');
/** Goes into a header: what does not fit there is a copying mistake. */
const headerSecret = z
  .string()
  .trim()
  .regex(/^[\x21-\x7E]+$/, 'holds a space, a line end or a character that is not ASCII');
/** Signs callbacks. What Standard Webhooks writes as `whsec_<base64>` are the bytes it encodes. */
const signingSecret = z
  .string()
  .min(16, 'needs at least 16 characters')
  .refine((value) => !value.startsWith('whsec_') || isBase64(value.slice(6)), 'needs base64 of 16 bytes after whsec_');
/** 0 asks for any free port. */
const port = wholeNumber.min(0, 'needs a port from 0 to 65535').max(65535, 'needs a port from 0 to 65535');
/** Of the first process; two more take the next two. */
const metricsPort = wholeNumber.min(1, 'needs a port from 1 to 65533').max(65533, 'needs a port from 1 to 65533');
const httpUrl = z.url({ protocol: /^https?$/, error: 'needs an http or https URL' });
const oneOf = <Word extends string>(...words: Word[]) => z.enum(words, `needs one of ${words.join(', ')}`);
const atMost = (length: number) => z.string().max(length, `needs at most ${length} characters`);
const folder = z
  .string()
  .transform((path) => resolve(path.replace(/^~(?=\/|$)/, homedir())))
  // Node's recursive mkdir does not return there.
  .refine((path) => !/^\/(?:proc|sys)(?:\/|$)/.test(path), 'needs a folder that can be made, not in /proc or /sys');
/** `id:base64` pairs, separated by spaces or commas. A key is held so that printing the configuration shows nothing of it. */
const payloadKeys = z.string().transform((value, context) => {
  const keys = new Map<string, KeyObject>();
  for (const pair of value.split(/[\s,]+/).filter((part) => part !== '')) {
    const [, id = '', base64 = ''] = /^([\w.-]{1,64}):([\w+/-]{43}=?)$/.exec(pair) ?? [];
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length !== 32) context.addIssue('needs id:base64 pairs, each of 32 bytes');
    else if (keys.has(id)) context.addIssue('names an id twice');
    else keys.set(id, createSecretKey(bytes));
  }
  return keys;
});
const paths = envPaths('kimi-dispatch', { suffix: '' });

/** Every variable: what it may be, its default, and a working example for the message when it is wrong. */
const VARIABLES = {
  KIMI_API_KEY: [headerSecret.optional(), 'sk-…'],
  KIMI_API_URL: [httpUrl.default('https://api.moonshot.cn/v1'), 'https://api.moonshot.cn/v1'],
  KIMI_MODEL: [atMost(128).optional(), 'kimi-k2.6'],
  KIMI_CALLBACKS: [oneOf('relay', 'native').optional(), 'relay'],
  KIMI_ON_INTERRUPT: [oneOf('fail', 'retry').default('fail'), 'retry'],
  KIMI_ON_REPEAT: [oneOf('continue', 'stop').default('continue'), 'stop'],
  KIMI_STALL_TIMEOUT_MS: [milliseconds.default(120_000), '120000'],
  KIMI_RELAY_STREAMS: [
    wholeNumber.positive('needs a number above 0').max(10_000, 'needs at most 10000').default(100),
    '100',
  ],
  KIMI_RELAY_TOKEN: [headerSecret.min(16, 'needs at least 16 characters').optional(), '$(openssl rand -hex 32)'],
  KIMI_RELAY_URL: [httpUrl.optional(), 'http://127.0.0.1:9031'],
  KIMI_LANG: [oneOf('zh-TW', 'en').default('zh-TW'), 'en'],
  KIMI_TASK_TIMEOUT_MS: [milliseconds.optional(), '1800000'],
  KIMI_MAX_TASKS_PER_MINUTE: [limit.default(10), '10'],
  KIMI_MAX_CONCURRENT_TASKS: [limit.default(5), '5'],
  KIMI_MAX_QUEUED_TASKS: [limit.default(1000), '1000'],
  KIMI_LIMITER: [z.string().max(200).optional(), 'my-account'],
  KIMI_MAX_TASKS_PER_CHAT_HOUR: [limit.default(0), '20'],
  KIMI_ACK: [oneOf('gateway', 'agent').optional(), 'agent'],
  KIMI_REPLY: [oneOf('hooks', 'deliver', 'agent').optional(), 'deliver'],
  KIMI_GRACE_MS: [milliseconds.default(86_400_000), '86400000'],
  KIMI_RESULTS_DIR: [
    folder.default(join(homedir(), '.openclaw/workspace/kimi-dispatch/results')),
    '~/.openclaw/workspace/kimi-dispatch/results',
  ],
  KIMI_RESULTS_KEEP: [age.optional(), '90d'],
  KIMI_CALLBACK_BASE_URL: [httpUrl.optional(), 'http://localhost:9001'],
  WEBHOOK_HOST: [z.string().default('127.0.0.1'), '127.0.0.1'],
  WEBHOOK_PORT: [port.default(9001), '9001'],
  WEBHOOK_SECRET: [signingSecret.optional(), '$(openssl rand -hex 32)'],
  WEBHOOK_ADDITIONAL_SECRETS: [
    z
      .string()
      .default('')
      .transform((value) => value.split(/\s+/).filter((secret) => secret !== ''))
      .pipe(z.array(signingSecret)),
    'the-secret-that-comes-next',
  ],
  KIMI_DASHBOARD: [oneOf('on', 'off').optional(), 'off'],
  KIMI_DASHBOARD_TOKEN: [headerSecret.min(16, 'needs at least 16 characters').optional(), '$(openssl rand -hex 32)'],
  OPENCLAW_WAKE_URL: [httpUrl.default('http://127.0.0.1:18789/hooks/wake'), 'http://127.0.0.1:18789/hooks/wake'],
  OPENCLAW_WAKE_TOKEN: [headerSecret.optional(), 'hook-…'],
  KIMI_PAYLOAD_KEYS: [payloadKeys.default(new Map<string, KeyObject>()), '2026-11:$(openssl rand -base64 32)'],
  KIMI_PAYLOAD_DIR: [folder.optional(), '~/.local/share/kimi-dispatch/payloads'],
  KIMI_PAYLOAD_S3_BUCKET: [
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'needs the name of a bucket')
      .optional(),
    'my-payloads',
  ],
  KIMI_CODEC_TOKEN: [
    z
      .string()
      .regex(/^[\w.~-]{16,}$/, 'needs at least 16 letters, digits or - . _ ~')
      .optional(),
    '$(openssl rand -hex 32)',
  ],
  KIMI_UI_ORIGIN: [httpUrl.transform((url) => new URL(url).origin).optional(), 'https://temporal.example.com'],
  KIMI_TASK_QUEUE: [atMost(200).default(TASK_QUEUE), TASK_QUEUE],
  KIMI_WORKER_HOST: [z.string().default('127.0.0.1'), '127.0.0.1'],
  KIMI_WORKER_PORT: [port.default(9011), '9011'],
  KIMI_RELAY_HOST: [z.string().default('127.0.0.1'), '127.0.0.1'],
  KIMI_RELAY_PORT: [port.default(9031), '9031'],
  KIMI_SIMULATOR_PORT: [port.default(9021), '9021'],
  KIMI_TEMPORAL_PORT: [port.default(7233), '7233'],
  KIMI_UI_PORT: [port.default(8233), '8233'],
  KIMI_HOME: [folder.default(paths.data), '~/.local/share/kimi-dispatch'],
  KIMI_CACHE: [folder.default(paths.cache), '~/.cache/kimi-dispatch'],
  KIMI_JOURNAL_DIR: [folder.optional(), '~/.local/share/kimi-dispatch/journal'],
  KIMI_JOURNAL_MAX_BYTES: [wholeNumber.positive('needs a number above 0').default(1_073_741_824), '1073741824'],
  KIMI_METRICS_PORT: [metricsPort.optional(), '9464'],
  KIMI_METRICS_HOST: [z.union([z.ipv4(), z.ipv6()], 'needs an IP address').default('127.0.0.1'), '127.0.0.1'],
  OTEL_EXPORTER_OTLP_ENDPOINT: [httpUrl.optional(), 'http://127.0.0.1:4318'],
  KIMI_LOG_LEVEL: [oneOf('trace', 'debug', 'info', 'warn', 'error').default('info'), 'info'],
  TEMPORAL_ADDRESS: [z.string().optional(), '127.0.0.1:7233'],
  KIMI_TEMPORAL_PROFILE: [atMost(200).optional(), 'my-profile'],
  TEMPORAL_CLI_PATH: [folder.optional(), '/usr/local/bin/temporal'],
} as const satisfies Record<string, readonly [z.ZodType, string]>;

/**
 * Variables that hold secrets, and belong to the processes that need them alone. Each may lie in a file: `WEBHOOK_SECRET_FILE`
 * names the one that holds `WEBHOOK_SECRET`.
 */
export const SECRETS = [
  'KIMI_API_KEY',
  'KIMI_RELAY_TOKEN',
  'WEBHOOK_SECRET',
  'WEBHOOK_ADDITIONAL_SECRETS',
  'KIMI_DASHBOARD_TOKEN',
  'OPENCLAW_WAKE_TOKEN',
  'KIMI_PAYLOAD_KEYS',
  'KIMI_CODEC_TOKEN',
] as const satisfies (keyof typeof VARIABLES)[];

/** The environment as this process was given it, without what `.env` files add. */
export const GIVEN_ENV: NodeJS.ProcessEnv = { ...process.env };

/** What else is secret, in the names of those who read it: the AWS SDK, OpenTelemetry's exporters, Moonshot's tools. */
const OTHERS_SECRETS = [
  'MOONSHOT_API_KEY',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'OTEL_EXPORTER_OTLP_HEADERS',
] as const;

type Secret = (typeof SECRETS | typeof OTHERS_SECRETS)[number];

/** @returns an environment without its secrets, for a process to which those it needs are given with {@link secretsIn}. */
export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secrets = new Set<string>([...SECRETS.flatMap((name) => [name, `${name}_FILE`]), ...OTHERS_SECRETS]);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secrets.has(name)));
}

/** @returns some of the secrets of an environment, or the names of their files, as they stand there. */
export function secretsIn(env: NodeJS.ProcessEnv, ...names: Secret[]): NodeJS.ProcessEnv {
  return Object.fromEntries(names.flatMap((name) => [name, `${name}_FILE`]).map((name) => [name, env[name]]));
}

/** @returns an environment without what says where a Temporal server is, for those who use the embedded one. */
export function withoutEngine(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(?:KIMI_TEMPORAL_PROFILE$|TEMPORAL_)/.test(name)),
  );
}

/** Other names of variables, which their users may know from elsewhere. */
const ALIASES: Partial<Record<keyof typeof VARIABLES, string>> = { KIMI_API_KEY: 'MOONSHOT_API_KEY' };

type Variables = { [K in keyof typeof VARIABLES]: z.output<(typeof VARIABLES)[K][0]> };

/** The configuration, and whether a variable was set or left to its default. */
export type Config = Variables & { isSet(name: keyof Variables): boolean };

/** @returns whether it encodes at least 16 bytes. */
function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]{22,}={0,2}$/.test(text);
}

/** What is wrong with a variable, or with a file of them. */
export interface ConfigProblem {
  /** Name of the variable, or the file. */
  subject: string;
  /** In English; the command line has its words in other languages by it. */
  why: string;
  /** A value that works. */
  example?: string;
}

/** As `docker --env-file` and `export NAME='"value"'` leave it. */
const QUOTED = /^["'`\u2018\u2019\u201C\u201D]|["'`\u2018\u2019\u201C\u201D]$/;

/** Configuration that cannot be used. Its message lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: ConfigProblem[]) {
    super(problems.map(sayProblem).join('\n'));
  }
}

export function sayProblem({ subject, why, example }: ConfigProblem): string {
  return `${subject}: ${why}${example === undefined ? '' : ` (e.g. ${subject}=${example})`}`;
}

/**
 * Reads the configuration once, at the edge of a process. An empty variable counts as not set.
 *
 * @throws {ConfigError} naming every variable that is wrong, with a working example. Values are not repeated: they may
 * be secrets.
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const set = new Map(
    Object.entries(env)
      // Trimmed of line ends and byte order marks, too: `KEY=$(cat file)` and editors on Windows leave them.
      .map(([name, value]): [string, string] => [name, value?.trim() ?? ''])
      .filter(([, value]) => value !== ''),
  );
  const problems: ConfigProblem[] = [];
  const values: Record<string, unknown> = {};
  for (const name of SECRETS) {
    const file = set.get(`${name}_FILE`);
    if (file === undefined) continue;
    if (set.has(name)) {
      problems.push({ subject: name, why: `is set, and so is ${name}_FILE; keep one of the two` });
      continue;
    }
    const value = readSecret(file.trim());
    if (value instanceof Error) {
      const why = `its file cannot be read (${value.code})`;
      problems.push({ subject: `${name}_FILE`, why, example: `/run/secrets/${name.toLowerCase()}` });
    } else if (value !== '') set.set(name, value);
  }
  for (const [name, alias] of Object.entries(ALIASES)) {
    const value = set.get(alias);
    if (value !== undefined && !set.has(name)) set.set(name, value);
  }
  for (const [name, [schema, example]] of Object.entries(VARIABLES)) {
    if (QUOTED.test(set.get(name) ?? '')) {
      const why = 'begins or ends with a quotation mark, which would be part of the value; remove it';
      problems.push({ subject: name, why, example });
      continue;
    }
    const parsed = schema.safeParse(set.get(name));
    if (parsed.success) values[name] = parsed.data;
    else problems.push({ subject: name, why: parsed.error.issues[0]?.message ?? '', example });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...(values as Variables), isSet: (name) => set.has(name) };
}

/** @returns what a file holds, without the line end that editors leave. An empty one is a secret that is not set. */
function readSecret(file: string): string | NodeJS.ErrnoException {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

/**
 * Whether tasks go through the relay: those for Moonshot's hosts, which never call back, do, unless it is said otherwise.
 *
 * @param simulate whether the simulated Kimi, which calls back, takes their place
 */
export function usesRelay({ KIMI_CALLBACKS, KIMI_API_URL }: Config, simulate = false): boolean {
  return KIMI_CALLBACKS ? KIMI_CALLBACKS === 'relay' : !simulate && !callsBack(KIMI_API_URL);
}

/** Deadlines of tasks, in milliseconds: of a provider that calls back, and behind the relay, whose models take minutes. */
const TASK_TIMEOUT_MS = { native: 120_000, relay: 1_800_000 };

/** How long Kimi may take, once it has the request, in milliseconds. */
export function taskTimeoutMs({ KIMI_TASK_TIMEOUT_MS }: Config, isRelayed: boolean): number {
  return KIMI_TASK_TIMEOUT_MS ?? TASK_TIMEOUT_MS[isRelayed ? 'relay' : 'native'];
}

/**
 * Who says that the user has been told. Where the gateway takes a wake it has only queued it; where its plugin has delivered
 * the reply, or nobody chose how the user is told, its yes is what there is.
 */
export function acknowledgedBy({ KIMI_ACK, KIMI_REPLY }: Config): 'gateway' | 'agent' {
  return KIMI_ACK ?? (KIMI_REPLY === 'hooks' || KIMI_REPLY === 'agent' ? 'agent' : 'gateway');
}

/** How the plugin is to tell the user; `undefined` where the gateway itself is woken. */
export function pluginReply({ KIMI_REPLY }: Config): PluginWake['reply'] | undefined {
  return KIMI_REPLY === 'hooks' ? undefined : KIMI_REPLY;
}

/** Where the agent is woken: at the plugin's route of the same gateway, where the plugin is to tell the user. */
export function wakeUrl(config: Config): string {
  const url = config.OPENCLAW_WAKE_URL;
  return pluginReply(config) ? new URL(PLUGIN_WAKE_PATH, url).href : url;
}

/** Whether the webhook serves the dashboard: to this machine, where it can be reached from nowhere else, or for a token. */
export function servesDashboard({ KIMI_DASHBOARD, KIMI_DASHBOARD_TOKEN, WEBHOOK_HOST }: Config): boolean {
  if (KIMI_DASHBOARD) return KIMI_DASHBOARD === 'on';
  return KIMI_DASHBOARD_TOKEN !== undefined || isLoopback(WEBHOOK_HOST);
}

/** Where the relay is. */
export function relayUrl({ KIMI_RELAY_URL, KIMI_RELAY_HOST, KIMI_RELAY_PORT }: Config): string {
  return KIMI_RELAY_URL?.replace(/\/+$/, '') ?? httpAddress(KIMI_RELAY_HOST, KIMI_RELAY_PORT);
}

/** How the webhook is reached by whoever calls back. */
export function callbackBaseUrl({ KIMI_CALLBACK_BASE_URL, WEBHOOK_PORT }: Config): string {
  return KIMI_CALLBACK_BASE_URL ?? `http://localhost:${WEBHOOK_PORT}`;
}

/** Where the webhook keeps callbacks that wait for the engine. */
export function journalFolder({ KIMI_JOURNAL_DIR, KIMI_HOME }: Config): string {
  return KIMI_JOURNAL_DIR ?? join(KIMI_HOME, 'journal');
}

/**
 * Adds the `.env` files to the environment; what is set already wins. They are looked for beside package.json and in
 * `KIMI_HOME`, never in the current folder: agents work in other people's repositories, and a stranger's `.env` must not
 * redirect the key.
 *
 * @throws {ConfigError} where one cannot be read, or has lines that say nothing: what was meant would be missing in silence.
 */
export function loadEnvFiles(env: NodeJS.ProcessEnv = process.env): void {
  // One after the other: the first may set KIMI_HOME.
  load(join(PACKAGE_ROOT, '.env'), env);
  load(join(readConfigHome(env), '.env'), env);
}

/** @returns the `.env` files that are read, if they exist. */
function envFiles(env: NodeJS.ProcessEnv): string[] {
  return [join(PACKAGE_ROOT, '.env'), join(readConfigHome(env), '.env')];
}

function readConfigHome(env: NodeJS.ProcessEnv): string {
  return VARIABLES.KIMI_HOME[0].parse(env['KIMI_HOME']?.trim() || undefined);
}

/** @returns those `.env` files that hold a secret and that other users can read. */
export function openEnvFiles(env: NodeJS.ProcessEnv = process.env): string[] {
  const secrets = new Set<string>([...SECRETS, ...OTHERS_SECRETS]);
  return envFiles(env).filter((file) => {
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile() || (found.mode & 0o077) === 0) return false;
    const variables = Object.entries(parseEnv(readEnvFile(file)));
    return variables.some(([name, value]) => secrets.has(name) && value?.trim());
  });
}

/** A variable that has no effect, and the one that its user is likely to mean. */
export interface MisspeltVariable {
  name: string;
  likely: string;
  /** The `.env` file that sets it; `undefined` for the environment. */
  file: string | undefined;
}

const PREFIXES = ['KIMI_', 'WEBHOOK_', 'OPENCLAW_'];

/**
 * Finds misspelt names in an environment that the `.env` files were added to. Other tools have variables with the same
 * prefixes: only near misses count.
 */
export function misspeltVariables(env: NodeJS.ProcessEnv = process.env): MisspeltVariable[] {
  const known = [...Object.keys(VARIABLES), ...SECRETS.map((name) => `${name}_FILE`)];
  const files = envFiles(env)
    .filter((path) => existsSync(path))
    .map((path) => ({ path, names: Object.keys(parseEnv(readEnvFile(path))) }));
  return Object.keys(env).flatMap((name) => {
    const likely = known.includes(name) ? undefined : likelyVariable(name.toUpperCase(), known);
    if (likely === undefined) return [];
    return [{ name, likely, file: files.find(({ names }) => names.includes(name))?.path }];
  });
}

/** The prefix says little: `KIMI_HOST` and `KIMI_HOME` are as different as `HOST` and `HOME`. */
function likelyVariable(name: string, known: string[]): string | undefined {
  const prefix = PREFIXES.find((start) => name.startsWith(start));
  const of = (start: string): string[] => known.filter((one) => one.startsWith(start));
  if (prefix === undefined) return closest(name, PREFIXES.flatMap(of));
  const rest = closest(
    name.slice(prefix.length),
    of(prefix).map((one) => one.slice(prefix.length)),
  );
  return rest && prefix + rest;
}

function readEnvFile(file: string): string {
  return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
}

function load(file: string, env: NodeJS.ProcessEnv): void {
  if (!existsSync(file)) return;
  let text: string;
  try {
    text = readEnvFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([{ subject: file, why: `cannot be read (${code}); make it a file that you may read` }]);
  }
  const malformed = malformedLines(text);
  if (malformed.length > 0) {
    // Not what they hold: it may be a secret.
    throw new ConfigError([{ subject: file, why: `has lines that are no NAME=value: ${malformed.join(', ')}` }]);
  }
  for (const [name, value] of Object.entries(parseEnv(text))) {
    if (!env[name]?.trim()) env[name] = value;
  }
}

/** The limits the configuration sets (contract section 6). */
export function limitsOf(config: Config): Limits {
  return {
    per_minute: config.KIMI_MAX_TASKS_PER_MINUTE,
    concurrent: config.KIMI_MAX_CONCURRENT_TASKS,
    queued: config.KIMI_MAX_QUEUED_TASKS,
  };
}

/** The language to speak before the configuration could be read. */
export function langOf(env: NodeJS.ProcessEnv = process.env): Lang {
  return env['KIMI_LANG'] === 'en' ? 'en' : 'zh-TW';
}
