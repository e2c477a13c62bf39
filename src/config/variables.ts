/** The variables of Kimi Dispatch. `reference.ts` holds what the documentation says of each. */
import type { KeyObject } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { TASK_QUEUE } from '../shared/names.ts';
import { USER_PATHS } from './early.ts';
import {
  age,
  amount,
  atMost,
  bucketName,
  eventSecrets,
  fallback,
  folder,
  headerSecret,
  hosts,
  httpUrl,
  ipAddress,
  limit,
  longHeaderSecret,
  metricsPort,
  milliseconds,
  oneOf,
  origin,
  pathToken,
  payloadKeys,
  port,
  positiveNumber,
  relayStreams,
  signingSecret,
  signingSecrets,
} from './schemas.ts';

interface Variable {
  /** What it may be, and its default. */
  schema: z.ZodType;
  /** A value that works: shown in the message when the value is wrong. */
  example: string;
  /** A secret is passed only to the processes that need it. `<name>_FILE` may name a file that holds it. */
  secret?: true;
  /** Another name that users may know from elsewhere. */
  alias?: string;
}

/** Longest name of a task queue or limiter, in characters. */
export const LONGEST_NAME = 200;

const RANDOM_SECRET = '$(openssl rand -hex 32)';

export const VARIABLES = {
  KIMI_API_KEY: { schema: headerSecret.optional(), example: 'sk-…', secret: true, alias: 'MOONSHOT_API_KEY' },
  KIMI_API_URL: { schema: httpUrl.default('https://api.moonshot.cn/v1'), example: 'https://api.moonshot.cn/v1' },
  KIMI_CALLBACKS: { schema: oneOf('relay', 'native').optional(), example: 'relay' },
  KIMI_MODEL: { schema: atMost(128).optional(), example: 'kimi-k2.6' },
  KIMI_TASK_TIMEOUT_MS: { schema: milliseconds.optional(), example: '1800000' },
  KIMI_GRACE_MS: { schema: milliseconds.default(86_400_000), example: '86400000' },

  KIMI_MAX_TASKS_PER_MINUTE: { schema: limit.default(10), example: '10' },
  KIMI_MAX_CONCURRENT_TASKS: { schema: limit.default(5), example: '5' },
  KIMI_MAX_QUEUED_TASKS: { schema: limit.default(1000), example: '1000' },
  KIMI_MAX_TASKS_PER_CHAT_HOUR: { schema: limit.default(0), example: '20' },
  KIMI_BUDGET_PER_DAY: { schema: amount.optional(), example: '20' },
  KIMI_BUDGET_PER_CHAT_DAY: { schema: amount.optional(), example: '5' },
  KIMI_BUDGET_PER_TASK: { schema: amount.optional(), example: '1.5' },
  KIMI_LIMITER: { schema: atMost(LONGEST_NAME).optional(), example: 'my-account' },

  KIMI_ON_INTERRUPT: { schema: oneOf('fail', 'retry').default('fail'), example: 'retry' },
  KIMI_FALLBACK: { schema: fallback.optional(), example: '10m,kimi-k3:high,kimi-k2.6' },
  KIMI_ON_REPEAT: { schema: oneOf('continue', 'stop').default('continue'), example: 'stop' },
  KIMI_STALL_TIMEOUT_MS: { schema: milliseconds.default(120_000), example: '120000' },
  KIMI_RELAY_STREAMS: { schema: relayStreams.default(100), example: '100' },
  KIMI_RELAY_TOKEN: { schema: longHeaderSecret.optional(), example: RANDOM_SECRET, secret: true },
  KIMI_RELAY_URL: { schema: httpUrl.optional(), example: 'http://127.0.0.1:9031' },
  KIMI_RELAY_HOST: { schema: z.string().default('127.0.0.1'), example: '127.0.0.1' },
  KIMI_RELAY_PORT: { schema: port.default(9031), example: '9031' },

  KIMI_LANG: { schema: oneOf('zh-TW', 'en').default('zh-TW'), example: 'en' },
  KIMI_RESULTS_DIR: {
    // The home when it is read: tests run commands of several homes in one process.
    schema: folder.default(() => join(homedir(), '.openclaw/workspace/kimi-dispatch/results')),
    example: '~/.openclaw/workspace/kimi-dispatch/results',
  },
  KIMI_RESULTS_KEEP: { schema: age.optional(), example: '90d' },

  WEBHOOK_HOST: { schema: z.string().default('127.0.0.1'), example: '127.0.0.1' },
  WEBHOOK_PORT: { schema: port.default(9001), example: '9001' },
  WEBHOOK_SECRET: { schema: signingSecret.optional(), example: RANDOM_SECRET, secret: true },
  WEBHOOK_ADDITIONAL_SECRETS: {
    schema: signingSecrets.prefault(''),
    example: 'the-secret-that-comes-next',
    secret: true,
  },
  KIMI_CALLBACK_BASE_URL: { schema: httpUrl.optional(), example: 'http://localhost:9001' },
  KIMI_JOURNAL_DIR: { schema: folder.optional(), example: '~/.local/share/kimi-dispatch/journal' },
  KIMI_JOURNAL_MAX_BYTES: { schema: positiveNumber.default(1_073_741_824), example: '1073741824' },
  KIMI_DASHBOARD: { schema: oneOf('on', 'off').optional(), example: 'off' },
  KIMI_DASHBOARD_URL: { schema: httpUrl.optional(), example: 'https://kimi.example.com' },
  KIMI_DASHBOARD_TOKEN: { schema: longHeaderSecret.optional(), example: RANDOM_SECRET, secret: true },

  KIMI_API_PORT: { schema: port.optional(), example: '9041' },
  KIMI_API_HOST: { schema: z.string().default('127.0.0.1'), example: '127.0.0.1' },
  KIMI_API_REQUESTS_PER_MINUTE: { schema: limit.default(600), example: '600' },

  KIMI_REPLY: { schema: oneOf('hooks', 'deliver', 'agent').optional(), example: 'deliver' },
  KIMI_ACK: { schema: oneOf('gateway', 'agent').optional(), example: 'agent' },
  OPENCLAW_WAKE_URL: {
    schema: httpUrl.default('http://127.0.0.1:18789/hooks/wake'),
    example: 'http://127.0.0.1:18789/hooks/wake',
  },
  OPENCLAW_WAKE_TOKEN: { schema: headerSecret.optional(), example: 'hook-…', secret: true },

  KIMI_NOTIFY_URL: { schema: httpUrl.optional(), example: 'https://hooks.example.com/kimi', secret: true },
  KIMI_NOTIFY_SECRET: { schema: eventSecrets.optional(), example: 'whsec_$(openssl rand -base64 32)', secret: true },
  KIMI_NOTIFY_ALLOW: { schema: hosts.prefault(''), example: 'localhost,192.168.1.0/24' },

  TEMPORAL_ADDRESS: { schema: z.string().optional(), example: '127.0.0.1:7233' },
  KIMI_TEMPORAL_PROFILE: { schema: atMost(200).optional(), example: 'my-profile' },
  KIMI_TASK_QUEUE: { schema: atMost(LONGEST_NAME).default(TASK_QUEUE), example: TASK_QUEUE },
  TEMPORAL_CLI_PATH: { schema: folder.optional(), example: '/usr/local/bin/temporal' },
  KIMI_TEMPORAL_PORT: { schema: port.default(7233), example: '7233' },
  KIMI_UI_PORT: { schema: port.default(8233), example: '8233' },

  KIMI_PAYLOAD_KEYS: {
    schema: payloadKeys.default(new Map<string, KeyObject>()),
    example: '2026-11:$(openssl rand -base64 32)',
    secret: true,
  },
  KIMI_PAYLOAD_DIR: { schema: folder.optional(), example: '~/.local/share/kimi-dispatch/payloads' },
  KIMI_PAYLOAD_S3_BUCKET: { schema: bucketName.optional(), example: 'my-payloads' },
  KIMI_CODEC_TOKEN: { schema: pathToken.optional(), example: RANDOM_SECRET, secret: true },
  KIMI_UI_ORIGIN: { schema: origin.optional(), example: 'https://temporal.example.com' },

  KIMI_HOME: { schema: folder.default(USER_PATHS.data), example: '~/.local/share/kimi-dispatch' },
  KIMI_CACHE: { schema: folder.default(USER_PATHS.cache), example: '~/.cache/kimi-dispatch' },
  KIMI_WORKER_HOST: { schema: z.string().default('127.0.0.1'), example: '127.0.0.1' },
  KIMI_WORKER_PORT: { schema: port.default(9011), example: '9011' },
  KIMI_WORKFLOW_THREAD: { schema: oneOf('own', 'sdk').default('own'), example: 'sdk' },
  KIMI_SIMULATOR_PORT: { schema: port.default(9021), example: '9021' },

  KIMI_METRICS_PORT: { schema: metricsPort.optional(), example: '9464' },
  KIMI_METRICS_HOST: { schema: ipAddress.default('127.0.0.1'), example: '127.0.0.1' },
  OTEL_EXPORTER_OTLP_ENDPOINT: { schema: httpUrl.optional(), example: 'http://127.0.0.1:4318' },
  KIMI_LOG_LEVEL: { schema: oneOf('trace', 'debug', 'info', 'warn', 'error').default('info'), example: 'info' },
} as const satisfies Record<string, Variable>;

type Table = typeof VARIABLES;

export type VariableName = keyof Table;

/** The value of each variable. */
export type Variables = { [Name in VariableName]: z.output<Table[Name]['schema']> };

export type SecretName = { [Name in VariableName]: Table[Name] extends { secret: true } ? Name : never }[VariableName];

export const VARIABLE_ENTRIES = Object.entries<Variable>(VARIABLES);

export const SECRETS = VARIABLE_ENTRIES.filter(([, { secret }]) => secret).map(([name]) => name as SecretName);
