/** Wires the relay: it sends callbacks for an API that does not. */
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { callbackBaseUrl, type Config } from '../config/index.ts';
import type { Account } from '../kimi/account.ts';
import { callsBack } from '../kimi/models.ts';
import { relayQueue, streamsQueue } from '../shared/names.ts';
import { ServiceError } from '../service/exit.ts';
import { limiterIdOf } from '../limiter/client.ts';
import { openPayloads } from '../temporal/payloads/converter.ts';
import { listen } from '../service/ports.ts';
import { healthServer, type Service } from '../service/run.ts';
import { createRelayApp } from './app.ts';
import { BatchSteps, type BatchStepsDependencies } from './batch-steps.ts';
import { Batches } from './batches.ts';
import { stateOf } from './client.ts';
import { Documents, type DocumentsDependencies } from './documents.ts';
import { KimiBatches } from './kimi-batches.ts';
import { KimiFiles } from './kimi-files.ts';
import { KimiFormulas } from './kimi-formulas.ts';
import { MapBatches, type MapBatchesDependencies } from './map-batches.ts';
import { receivedStore, type ReceivedStore } from './recordings.ts';
import { createRelayActivities } from './activities.ts';
import { TaskReports } from './reports.ts';
import { StreamingClient } from './stream.ts';
import { Tools } from './tools.ts';
import { createWorkers, startRuntime } from '../temporal/worker.ts';
import { lazyClient } from '../temporal/client.ts';
import { warmUpHttp } from '../service/warm-up.ts';

/** Minimum interval between heartbeats, in milliseconds: short, so that the first words are shown immediately. */
const PROGRESS_MS = 300;

/** Starts the relay. @throws {ServiceError} if its configuration cannot be used. */
export async function startRelay(config: Config, log: Logger): Promise<Service> {
  const { WEBHOOK_SECRET: secret, KIMI_RELAY_TOKEN: token, KIMI_API_URL: apiUrl, KIMI_API_KEY: apiKey } = config;
  const { KIMI_RELAY_HOST: host, KIMI_RELAY_PORT } = config;
  if (!secret) throw new ServiceError('no_webhook_secret', { program: 'relay' });
  if (!token) throw new ServiceError('no_relay_token', {});
  if (!apiKey) log.warn('KIMI_API_KEY is not set: new tasks will be refused');
  const payloads = openPayloads(config);
  await payloads.prepare();
  await warmUpHttp();
  const received = receivedStore(config);
  await received.prepare();

  const meter = await startRuntime(config, log);
  const taskQueue = relayQueue(config.KIMI_TASK_QUEUE);
  const webhook = callbackBaseUrl(config);
  const account = { apiUrl, apiKey };
  const onInterrupt = config.KIMI_ON_INTERRUPT;
  const { contents } = payloads;
  const documents = openDocuments({ contents, received, account, log });
  const activities = createRelayActivities({
    kimi: new StreamingClient({ ...account, stallMs: config.KIMI_STALL_TIMEOUT_MS }),
    received,
    documents,
    ...openBatches({ documents, contents, received, onInterrupt, log }, account),
    tools: new Tools({ formulas: new KimiFormulas(account), received, log }),
    taskQueue,
    callbackBaseUrl: webhook,
    secret,
    apiUrl,
    limiter: limiterIdOf(config),
    onInterrupt,
    onRepeat: config.KIMI_ON_REPEAT,
    log,
    meter,
  });
  const workers = await createWorkers(config, [
    { taskQueue, activities, workflows: false },
    {
      taskQueue: streamsQueue(taskQueue),
      activities,
      workflows: false,
      maxConcurrentActivityTaskExecutions: config.KIMI_RELAY_STREAMS,
      maxHeartbeatThrottleInterval: PROGRESS_MS,
    },
  ]);

  const client = lazyClient(payloads.dataConverter);
  void forgetDelivered(received, client, log);
  const app = createRelayApp({ client, taskQueue, token, callbackBaseUrl: webhook, apiUrl, apiKey, log });
  const server = healthServer(() => workers.isRunning(), host, app);
  const port = await listen(server, { host, port: KIMI_RELAY_PORT }, 'KIMI_RELAY_PORT');
  return {
    port,
    stop: () => workers.shutdown(),
    stopped: workers
      .run()
      .finally(() => server.close())
      .then(async () => await client.connection.close()),
  };
}

/** Removes what a relay that was killed did not. */
async function forgetDelivered(received: ReceivedStore, client: Client, log: Logger): Promise<void> {
  const isUnderWay = async (task_id: string): Promise<boolean> => (await stateOf(client, task_id)) === 'RUNNING';
  await received
    .forgetDelivered(isUnderWay)
    .catch((err: unknown) => log.warn({ err }, 'what was delivered is still remembered'));
}

function openBatches(
  {
    received,
    onInterrupt,
    ...others
  }: Pick<BatchStepsDependencies, 'onInterrupt'> &
    Pick<MapBatchesDependencies, 'contents' | 'log'> & { documents: Documents; received: ReceivedStore },
  account: Account,
): { batches: Batches; mapBatches: MapBatches } {
  const { log } = others;
  const files = new KimiFiles(account);
  const steps = new BatchSteps({ batches: new KimiBatches(account), files, received, onInterrupt, log });
  return {
    batches: new Batches({ ...others, steps, received, reports: new TaskReports(log) }),
    mapBatches: new MapBatches({ ...others, steps, apiUrl: account.apiUrl }),
  };
}

const HOUR_MS = 3_600_000;

/** Also removes, hourly, what lost relays left behind at Moonshot. */
function openDocuments(dependencies: Omit<DocumentsDependencies, 'files'>): Documents {
  const { apiUrl, apiKey } = dependencies.account;
  const documents = new Documents({ ...dependencies, files: new KimiFiles(dependencies.account) });
  if (apiKey && !callsBack(apiUrl)) {
    void documents.sweep();
    setInterval(() => void documents.sweep(), HOUR_MS).unref();
  }
  return documents;
}
