/** The services of a stack, in one process: each is handed the secrets that it uses, and no other. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { startWorker } from '../activities/start.ts';
import { callbackBaseUrl, relayUrl, usesRelay, wakeUrl, type Config } from '../config/index.ts';
import { withSecrets } from '../config/secrets.ts';
import type { SecretName } from '../config/variables.ts';
import { startRelay } from '../relay/start.ts';
import { httpAddress, publicAddress } from '../service/http.ts';
import { createLog } from '../service/log.ts';
import { checkPorts } from '../service/ports.ts';
import type { Service } from '../service/run.ts';
import { engineOptions } from '../temporal/client.ts';
import { committed, useLogOf } from '../temporal/group-commit.ts';
import { startWebhook } from '../webhook/start.ts';
import { DATABASE } from './engine-database.ts';
import { prepareNamespace } from './engine-settings.ts';
import type { ServicesState } from './plan.ts';
import { metricsPort, metricsUrls } from './ports.ts';

/** What the supervisor sends. */
export interface ServicesStart {
  /** Variables, secrets included. */
  env: NodeJS.ProcessEnv;
  /** Address of the embedded engine; absent if the engine is another one. */
  engine: string | undefined;
}

/** What the services report to the supervisor. */
export interface ServicesReport {
  /** The ports that they listen on, by variable. */
  ports: Record<string, string>;
  state: ServicesState;
}

/** The secrets that each service uses. */
const SECRETS_OF = {
  webhook: ['WEBHOOK_SECRET', 'WEBHOOK_ADDITIONAL_SECRETS', 'KIMI_DASHBOARD_TOKEN', 'KIMI_PAYLOAD_KEYS'],
  relay: ['WEBHOOK_SECRET', 'KIMI_PAYLOAD_KEYS', 'KIMI_API_KEY', 'KIMI_RELAY_TOKEN'],
  /** The worker behind a relay. */
  relayedWorker: [
    'WEBHOOK_SECRET',
    'WEBHOOK_ADDITIONAL_SECRETS',
    'KIMI_PAYLOAD_KEYS',
    'KIMI_RELAY_TOKEN',
    'OPENCLAW_WAKE_TOKEN',
    'KIMI_CODEC_TOKEN',
    'KIMI_NOTIFY_URL',
    'KIMI_NOTIFY_SECRET',
  ],
  worker: [
    'WEBHOOK_SECRET',
    'WEBHOOK_ADDITIONAL_SECRETS',
    'KIMI_PAYLOAD_KEYS',
    'KIMI_API_KEY',
    'OPENCLAW_WAKE_TOKEN',
    'KIMI_CODEC_TOKEN',
    'KIMI_NOTIFY_URL',
    'KIMI_NOTIFY_SECRET',
  ],
} as const satisfies Record<string, readonly SecretName[]>;

/** @returns the configuration of one service, with its secrets alone. */
export function configOf(service: keyof typeof SECRETS_OF, config: Config): Config {
  return withSecrets(config, SECRETS_OF[service]);
}

/** Starts the webhook, then the others, which need the engine. @throws {ServiceError} if one cannot start. */
export async function startServices(given: Config, engine: string | undefined): Promise<Service> {
  const isRelayed = usesRelay(given);
  if (engine !== undefined) syncOften(join(given.KIMI_HOME, DATABASE));
  const webhook = await startLogged('webhook', startWebhook, configOf('webhook', given));
  const config = { ...given, ...(await addressesOf(given, isRelayed, webhook.port)) };
  if (engine !== undefined) while (!(await prepareNamespace(engine))) await pause(ENGINE_POLL_MS);
  const [worker, relay] = await Promise.all([
    startLogged('worker', startWorker, configOf(isRelayed ? 'relayedWorker' : 'worker', config)),
    isRelayed ? startLogged('relay', startRelay, configOf('relay', config)) : undefined,
  ]);
  const running = [webhook, worker, ...(relay ? [relay] : [])];
  return {
    port: webhook.port,
    services: report(config, metricsUrls(['webhook', 'worker'], given), [webhook, worker, relay]),
    stop: () => {
      for (const service of running) service.stop();
    },
    stopped: allStopped(running),
  };
}

/** How often the log of the embedded engine is synced at least, in milliseconds. */
const SYNC_MS = 1_000;

/** Syncs the log regularly: no caller waits for a change that is made in the Web UI, for example. */
function syncOften(database: string): void {
  useLogOf(database);
  // Callers that wait for a sync get its error. No caller waits here.
  setInterval(() => void committed().catch(() => {}), SYNC_MS).unref();
}

async function allStopped(services: Service[]): Promise<void> {
  await Promise.all(services.map(async ({ stopped }) => await stopped));
}

/** Polling interval until the engine answers, in milliseconds. */
const ENGINE_POLL_MS = 20;

/** What worker and relay need to know of each other and of the webhook. */
async function addressesOf(config: Config, isRelayed: boolean, webhookPort: number): Promise<Partial<Config>> {
  const { KIMI_RELAY_HOST: host, KIMI_RELAY_PORT } = config;
  const wanted = { host, port: KIMI_RELAY_PORT, variable: 'KIMI_RELAY_PORT' };
  const [relayPort = 0] = isRelayed ? await checkPorts([wanted]) : [];
  const KIMI_CALLBACK_BASE_URL = callbackBaseUrl({ ...config, WEBHOOK_PORT: webhookPort });
  return {
    WEBHOOK_PORT: webhookPort,
    KIMI_CALLBACK_BASE_URL,
    // Worker and relay share the runtime of Temporal's SDK, which serves the metrics of both.
    KIMI_METRICS_PORT: metricsPort('worker', config),
    ...(isRelayed && { KIMI_RELAY_PORT: relayPort, KIMI_RELAY_URL: httpAddress(host, relayPort) }),
  };
}

/** Starts a service with a log of its own, as a process would have. */
async function startLogged(
  name: string,
  start: (config: Config, log: Logger) => Promise<Service>,
  config: Config,
): Promise<Service> {
  const log = createLog(name, config.KIMI_LOG_LEVEL, join(config.KIMI_HOME, 'logs', `${name}.log`));
  const service = await start(config, log);
  log.info({ port: service.port }, 'ready');
  return { ...service, stopped: service.stopped.then(() => log.info('stopped')) };
}

function report(
  config: Config,
  metrics_urls: Record<string, string>,
  [webhook, worker, relay]: [Service, Service, Service | undefined],
): ServicesReport {
  const { connectionOptions, namespace } = engineOptions();
  const { WEBHOOK_HOST, KIMI_WORKER_HOST, KIMI_API_HOST } = config;
  return {
    ports: {
      WEBHOOK_PORT: String(webhook.port),
      KIMI_WORKER_PORT: String(worker.port),
      ...(relay && { KIMI_RELAY_PORT: String(relay.port) }),
      ...(webhook.apiPort !== undefined && { KIMI_API_PORT: String(webhook.apiPort) }),
    },
    state: {
      temporal_address: connectionOptions.address ?? 'localhost:7233',
      namespace,
      callback_base_url: publicAddress(callbackBaseUrl(config)),
      webhook_url: httpAddress(WEBHOOK_HOST, webhook.port),
      ...(webhook.apiPort !== undefined && { http_api_url: httpAddress(KIMI_API_HOST, webhook.apiPort) }),
      worker_health_url: httpAddress(KIMI_WORKER_HOST, worker.port),
      metrics_urls,
      ...(relay && { relay_url: relayUrl(config) }),
      wake_url: publicAddress(wakeUrl(config)),
      api_url: publicAddress(config.KIMI_API_URL),
    },
  };
}
