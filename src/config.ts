import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import envPaths from 'env-paths';
import { z } from 'zod';
import { TASK_QUEUE, type Lang } from './contract.ts';
import { PACKAGE_ROOT } from './paths.ts';

const wholeNumber = z.coerce.number({ error: 'needs a whole number' }).int('needs a whole number');
const milliseconds = wholeNumber.positive('needs a number above 0');
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
const httpUrl = z.url({ protocol: /^https?$/ });
const folder = z.string().transform((path) => resolve(path.replace(/^~(?=\/|$)/, homedir())));
const paths = envPaths('kimi-dispatch', { suffix: '' });

/** Every variable: what it may be, its default, and a working example for the message when it is wrong. */
const VARIABLES = {
  KIMI_API_KEY: [headerSecret.optional(), 'sk-…'],
  KIMI_API_URL: [httpUrl.default('https://api.moonshot.cn/v1'), 'https://api.moonshot.cn/v1'],
  KIMI_MODEL: [z.string().max(128).default('moonshot-v1-128k'), 'moonshot-v1-128k'],
  KIMI_LANG: [z.enum(['zh-TW', 'en']).default('zh-TW'), 'en'],
  KIMI_TASK_TIMEOUT_MS: [milliseconds.default(120_000), '120000'],
  KIMI_GRACE_MS: [milliseconds.default(86_400_000), '86400000'],
  KIMI_RESULTS_DIR: [
    folder.default(join(homedir(), '.openclaw/workspace/kimi-dispatch/results')),
    '~/.openclaw/workspace/kimi-dispatch/results',
  ],
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
  OPENCLAW_WAKE_URL: [httpUrl.default('http://127.0.0.1:18789/hooks/wake'), 'http://127.0.0.1:18789/hooks/wake'],
  OPENCLAW_WAKE_TOKEN: [headerSecret.optional(), 'hook-…'],
  KIMI_TASK_QUEUE: [z.string().max(200).default(TASK_QUEUE), TASK_QUEUE],
  KIMI_WORKER_PORT: [port.default(9011), '9011'],
  KIMI_SIMULATOR_PORT: [port.default(9021), '9021'],
  KIMI_TEMPORAL_PORT: [port.default(7233), '7233'],
  KIMI_UI_PORT: [port.default(8233), '8233'],
  KIMI_HOME: [folder.default(paths.data), '~/.local/share/kimi-dispatch'],
  KIMI_CACHE: [folder.default(paths.cache), '~/.cache/kimi-dispatch'],
  KIMI_LOG_LEVEL: [z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'), 'info'],
  TEMPORAL_ADDRESS: [z.string().optional(), '127.0.0.1:7233'],
  TEMPORAL_CLI_PATH: [folder.optional(), '/usr/local/bin/temporal'],
} as const satisfies Record<string, readonly [z.ZodType, string]>;

type Variables = { [K in keyof typeof VARIABLES]: z.output<(typeof VARIABLES)[K][0]> };

/** The configuration, and whether a variable was set or left to its default. */
export type Config = Variables & { isSet(name: keyof Variables): boolean };

/** @returns whether it encodes at least 16 bytes. */
function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]{22,}={0,2}$/.test(text);
}

/** Configuration that cannot be used. Its message lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: string[]) {
    super(problems.join('\n'));
  }
}

/**
 * Reads the configuration once, at the edge of a process. An empty variable counts as not set.
 *
 * @throws {ConfigError} naming every variable that is wrong, with a working example. Values are not repeated: they may
 * be secrets.
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const set = new Map(Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''));
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, [schema, example]] of Object.entries(VARIABLES)) {
    const parsed = schema.safeParse(set.get(name));
    if (parsed.success) values[name] = parsed.data;
    else problems.push(`${name}: ${parsed.error.issues[0]?.message} (e.g. ${name}=${example})`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...(values as Variables), isSet: (name) => set.has(name) };
}

/**
 * Adds the `.env` files to the environment; what is set already wins. They are looked for beside package.json and in
 * `KIMI_HOME`, never in the current folder: agents work in other people's repositories, and a stranger's `.env` must not
 * redirect the key.
 */
export function loadEnvFiles(env: NodeJS.ProcessEnv = process.env): void {
  load(join(PACKAGE_ROOT, '.env'), env);
  load(join(readConfigHome(env), '.env'), env);
}

function readConfigHome(env: NodeJS.ProcessEnv): string {
  return VARIABLES.KIMI_HOME[0].parse(env['KIMI_HOME']?.trim() || undefined);
}

function load(file: string, env: NodeJS.ProcessEnv): void {
  if (!existsSync(file)) return;
  for (const [name, value] of Object.entries(parseEnv(readFileSync(file, 'utf8')))) {
    if (!env[name]?.trim()) env[name] = value;
  }
}

/** The language to speak before the configuration could be read. */
export function langOf(env: NodeJS.ProcessEnv = process.env): Lang {
  return env['KIMI_LANG'] === 'en' ? 'en' : 'zh-TW';
}
