/** Wires the worker: it runs tasks. */
import type { RequestListener } from 'node:http';
import type { Logger } from 'pino';
import { createActivities } from './index.ts';
import { callbackBaseUrl, pluginReply, relayUrl, usesRelay, wakeUrl, type Config } from '../config/index.ts';
import { Gateway } from '../notify/gateway.ts';
import { KimiClient } from '../kimi/client.ts';
import { TASK_WORKFLOW, isSharedLimiter } from '../shared/names.ts';
import { answerLink } from '../webhook/answer-link.ts';
import { deadLettersFolder } from '../webhook/dead-letters.ts';
import { ServiceError } from '../service/exit.ts';
import { keepLimiterConfigured, limiterOf, watchLimiter } from '../limiter/client.ts';
import { codeOf } from '../shared/system-error.ts';
import { taskMetrics } from '../shared/metrics.ts';
import { createCodecServer } from '../temporal/payloads/codec-server.ts';
import { openPayloads, type Payloads } from '../temporal/payloads/converter.ts';
import { sweepDaily } from '../temporal/payloads/sweep.ts';
import { listen } from '../service/ports.ts';
import { healthServer, type Service } from '../service/run.ts';
import { forgetWorker, noteWorker } from '../tasks/worker-here.ts';
import { pruneHourly } from '../results/prune.ts';
import { ResultStore } from '../results/store.ts';
import { createWorkers, startRuntime, workflowLabels } from '../temporal/worker.ts';
import { warmUpHttp } from '../service/warm-up.ts';

async function openResults(config: Config): Promise<ResultStore> {
  const results = new ResultStore(config.KIMI_RESULTS_DIR, config.KIMI_PAYLOAD_KEYS);
  try {
    await results.prepare();
    return results;
  } catch (error) {
    throw new ServiceError('results_folder', { cause: codeOf(error) }, { cause: error });
  }
}

/** @returns the codec server, or `undefined` if no token is set. */
function openCodecServer(config: Config, { dataConverter }: Payloads): RequestListener | undefined {
  const { KIMI_CODEC_TOKEN: token, KIMI_UI_ORIGIN, KIMI_UI_PORT } = config;
  if (!token) return undefined;
  return createCodecServer({ dataConverter, token, uiOrigin: KIMI_UI_ORIGIN ?? `http://127.0.0.1:${KIMI_UI_PORT}` });
}

/** Starts the worker. @throws {ServiceError} if its configuration cannot be used. */
export async function startWorker(config: Config, log: Logger): Promise<Service> {
  if (!config.WEBHOOK_SECRET) {
    throw new ServiceError('no_webhook_secret', { program: 'worker' });
  }
  const { WEBHOOK_SECRET: secret, KIMI_DASHBOARD_URL: dashboard } = config;
  const secrets = [secret, ...config.WEBHOOK_ADDITIONAL_SECRETS];
  const results = await openResults(config);
  const payloads = openPayloads(config);
  await payloads.prepare();
  await warmUpHttp();
  const isRelayed = usesRelay(config);
  const credential = isRelayed ? 'KIMI_RELAY_TOKEN' : 'KIMI_API_KEY';
  if (config.KIMI_FALLBACK && !isRelayed) log.warn('KIMI_FALLBACK has no effect: only the relay can ask another model');
  if (!config[credential]) log.warn(`${credential} is not set: new tasks will be refused`);

  const meter = await startRuntime(config, log);
  const { KIMI_API_URL: apiUrl } = config;
  const kimi = new KimiClient({
    apiUrl,
    apiKey: config.KIMI_API_KEY,
    relay: isRelayed ? { url: `${relayUrl(config)}/v1`, token: config.KIMI_RELAY_TOKEN } : undefined,
    callbackBaseUrl: callbackBaseUrl(config),
    fallback: config.KIMI_FALLBACK,
    contents: payloads.contents,
  });
  const gateway = new Gateway({ wakeUrl: wakeUrl(config), token: config.OPENCLAW_WAKE_TOKEN });
  const limiter = limiterOf(config);
  const reply = pluginReply(config);
  const callbacks = { secrets, deadLetters: deadLettersFolder(config.KIMI_HOME) };
  const linkTo = dashboard === undefined ? undefined : (task_id: string) => answerLink(dashboard, task_id, secret);
  const balance = async () => await kimi.balance();
  const parts = { kimi, results, contents: payloads.contents, gateway, reply, linkTo, balance, callbacks, limiter };
  const activities = createActivities({ ...parts, apiUrl, config, meter, log });
  const workers = await createWorkers(config, [
    { taskQueue: config.KIMI_TASK_QUEUE, activities },
    // Every agent's worker serves the limiter that they share.
    ...(isSharedLimiter(limiter.id) ? [{ taskQueue: limiter.id, activities }] : []),
  ]);
  const { first } = workers;
  taskMetrics(meter).atZero(workflowLabels(first, TASK_WORKFLOW));
  if (first.client) {
    noteWorker(config.KIMI_TASK_QUEUE, first.client);
    await keepLimiterConfigured(first.client, limiter, log);
    if (config.KIMI_METRICS_PORT !== undefined) void watchLimiter(first.client, limiter.id, meter, log);
  }
  if (config.KIMI_RESULTS_KEEP !== undefined) pruneHourly(results, config.KIMI_RESULTS_KEEP, log);

  const { KIMI_WORKER_HOST: host, KIMI_WORKER_PORT } = config;
  const health = healthServer(() => workers.isRunning(), host, openCodecServer(config, payloads));
  const port = await listen(health, { host, port: KIMI_WORKER_PORT }, 'KIMI_WORKER_PORT');
  sweepDaily(payloads, log);
  return {
    port,
    stop: () => {
      forgetWorker(config.KIMI_TASK_QUEUE);
      workers.shutdown();
    },
    stopped: workers.run().then(() => void health.close()),
  };
}
