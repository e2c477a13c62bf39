/** Wires the webhook: it receives Kimi's callbacks. */
import type { Client } from '@temporalio/client';
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import { startApi } from '../api/start.ts';
import { hostCheck, isLoopback } from '../service/http.ts';
import { callbackBaseUrl, journalFolder, servesDashboard, type Config } from '../config/index.ts';
import { Ingest } from './ingest.ts';
import { createDashboard } from './dashboard.ts';
import { deadLettersFolder } from './dead-letters.ts';
import { ServiceError } from '../service/exit.ts';
import { Journal } from './journal.ts';
import { createMetricsServer } from './metrics.ts';
import { openPayloads } from '../temporal/payloads/converter.ts';
import { listen } from '../service/ports.ts';
import type { Service } from '../service/run.ts';
import { LiveReport } from '../report/live.ts';
import { Reader } from '../report/reader.ts';
import { tasksOfService } from '../tasks/of-service.ts';
import type { Tasks } from '../tasks/tasks.ts';
import { lazyClient } from '../temporal/client.ts';
import { createWebhook } from './app.ts';
import { createWebhookServer } from './server.ts';

/** How long open requests may take to end after SIGTERM, in milliseconds. */
const DRAIN_MS = 5_000;

interface DashboardParts {
  client: Client;
  tasks: () => Promise<Tasks>;
  /** Whether `up` started this service. */
  isOfStack: boolean;
  /** Secrets that links to answers may be signed with. */
  secrets: readonly string[];
  log: Logger;
}

/**
 * @returns the dashboard, or `undefined` if it is off
 * @throws {ServiceError} if it would be open to other machines, or its links would lead nowhere
 */
function openDashboard(config: Config, parts: DashboardParts): RequestHandler | undefined {
  const { client, tasks, isOfStack, secrets, log } = parts;
  const { KIMI_DASHBOARD_TOKEN: token, KIMI_DASHBOARD_URL: url } = config;
  const isOn = servesDashboard(config);
  if (url !== undefined && (token === undefined || !isOn)) throw new ServiceError('dashboard_url', {});
  if (!isOn) return undefined;
  if (token === undefined && !isLoopback(config.WEBHOOK_HOST)) {
    throw new ServiceError('dashboard_open', { host: config.WEBHOOK_HOST });
  }
  const ui = config.KIMI_UI_ORIGIN;
  const webUi = ui === undefined ? undefined : `${ui}/namespaces/${client.options.namespace}/workflows`;
  const { KIMI_RESULTS_DIR: folder, KIMI_LANG: lang, KIMI_TASK_QUEUE: taskQueue, KIMI_PAYLOAD_KEYS: keys } = config;
  const common = { client, taskQueue, folder, lang, log };
  // Without a token any user of this machine can read the page, as the engine's: what is encrypted there stays so here.
  const showsAnswers = token !== undefined || keys.size === 0;
  const report = new LiveReport({ ...common, links: { webUi, ...(showsAnswers && { tasks: 'tasks' }) } });
  // Limits and relay of the tasks of other services are unknown here, so that nothing is started there.
  const may = { cancel: token !== undefined, continue: token !== undefined && isOfStack };
  const reader = showsAnswers ? new Reader({ client, folder, lang, log, keys, webUi, tasks, may }) : undefined;
  return createDashboard({ report, reader, token, ...(url !== undefined && { linkSecrets: secrets }) });
}

/** Starts the webhook. @throws {ServiceError} if its configuration cannot be used. */
export async function startWebhook(config: Config, log: Logger): Promise<Service> {
  if (!config.WEBHOOK_SECRET) {
    throw new ServiceError('no_webhook_secret', { program: 'webhook' });
  }
  // It starts without the engine: the journal stores callbacks until the engine is there.
  const payloads = openPayloads(config);
  await payloads.prepare().catch((error: Error) => {
    log.warn(`${error.message}; large callbacks wait in the journal until then`);
  });
  const client = lazyClient(payloads.dataConverter);
  // `up` started it: the socket is in its home.
  const isOfStack = process.send !== undefined;
  const tasks = tasksOfService(config, client, isOfStack);
  const secrets = [config.WEBHOOK_SECRET, ...config.WEBHOOK_ADDITIONAL_SECRETS];
  const dashboard = openDashboard(config, { client, tasks, isOfStack, secrets, log });
  const journal = new Journal(journalFolder(config), config.KIMI_JOURNAL_MAX_BYTES, log);
  const ingest = new Ingest({
    client,
    journal,
    deadLetters: deadLettersFolder(config.KIMI_HOME),
    secret: config.WEBHOOK_SECRET,
    log,
  });
  const webhook = createWebhook({ ingest, secrets, dashboard, log });
  const app = hostCheck(config.WEBHOOK_HOST, webhook, {
    origins: [callbackBaseUrl(config)],
    // Callbacks may use any host name and proxy, since they are signed. The dashboard has its own check.
    except: ({ url = '' }) => url.startsWith('/kimi/webhook/') || url === '/' || url.startsWith('/tasks/'),
  });
  const server = createWebhookServer(app, webhook.classes);
  const port = await listen(server, { host: config.WEBHOOK_HOST, port: config.WEBHOOK_PORT }, 'WEBHOOK_PORT');
  const { KIMI_METRICS_HOST: metricsHost, KIMI_METRICS_PORT: metricsPort } = config;
  if (metricsPort !== undefined) {
    const metrics = createMetricsServer(journal, metricsHost);
    await listen(metrics, { host: metricsHost, port: metricsPort }, 'KIMI_METRICS_PORT');
    metrics.unref();
  }
  const api = await startApi({ config, tasks, hasSocket: isOfStack, log });
  return {
    port,
    ...(api.port !== undefined && { apiPort: api.port }),
    stop: () => {
      server.close();
      setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
    },
    stopped: new Promise((resolve) => server.once('close', resolve))
      .then(async () => await Promise.all([ingest.stop(), api.stop()]))
      .then(() => client.connection.close()),
  };
}
