/** The worker process: runs tasks. `node dist/worker.js` */
import type { Logger } from 'pino';
import { createActivities } from './activities/index.ts';
import { callbackBaseUrl, pluginReply, relayUrl, usesRelay, wakeUrl } from './config/index.ts';
import { Gateway } from './notify/gateway.ts';
import { KimiClient } from './kimi/client.ts';
import { TASK_WORKFLOW, isSharedLimiter } from './shared/names.ts';
import { deadLettersFolder } from './webhook/dead-letters.ts';
import { ServiceError } from './service/exit.ts';
import { configureLimiter, limiterOf, watchLimiter } from './limiter/client.ts';
import { taskMetrics } from './shared/metrics.ts';
import { createCodecServer } from './temporal/payloads/codec-server.ts';
import { openPayloads } from './temporal/payloads/converter.ts';
import { sweepDaily } from './temporal/payloads/sweep.ts';
import { listen } from './service/ports.ts';
import { healthServer, runService } from './service/run.ts';
import { ResultStore } from './results/store.ts';
import { createWorkers, startRuntime, workflowLabels } from './temporal/worker.ts';
import { warmUpHttp } from './service/warm-up.ts';

/** How often old results are looked for, in milliseconds. */
const PRUNE_MS = 3_600_000;

/** How often it is looked whether the clock was set back, in milliseconds. */
const CLOCK_MS = 30_000;

/** For as long as the clock is behind where it once was, the engine may hold timers back: what must not wait is done from time to time. */
function whileClockIsBehind(work: () => Promise<void>, log: Logger): void {
  let latest = Date.now();
  setInterval(() => {
    if (Date.now() >= latest) latest = Date.now();
    else
      void work().catch((error: unknown) => log.warn({ err: error }, 'the limiter was not reached; it is tried again'));
  }, CLOCK_MS).unref();
}

/** Removes results that are old and acknowledged, now and from time to time. */
function pruneRegularly(results: ResultStore, keepMs: number, log: Logger): void {
  const prune = async (): Promise<void> => {
    try {
      const removed = await results.prune(keepMs);
      if (removed > 0) log.info({ removed }, 'old results removed');
    } catch (error) {
      log.warn({ err: error }, 'old results could not be removed; it is tried again in an hour');
    }
  };
  void prune();
  setInterval(() => void prune(), PRUNE_MS).unref();
}

await runService('worker', async (config, log) => {
  if (!config.WEBHOOK_SECRET) {
    throw new ServiceError(
      'WEBHOOK_SECRET is not set, so no answer that the webhook passes on could be trusted; give the worker the same one as the webhook',
    );
  }
  const secrets = [config.WEBHOOK_SECRET, ...config.WEBHOOK_ADDITIONAL_SECRETS];
  const results = new ResultStore(config.KIMI_RESULTS_DIR);
  try {
    await results.prepare();
  } catch (error) {
    const reason = (error as Error).message;
    throw new ServiceError(`cannot write to the results folder: ${reason}; choose another with KIMI_RESULTS_DIR`);
  }
  const payloads = openPayloads(config);
  await payloads.prepare();
  await warmUpHttp();
  const isRelayed = usesRelay(config);
  const credential = isRelayed ? 'KIMI_RELAY_TOKEN' : 'KIMI_API_KEY';
  if (!config[credential]) log.warn(`${credential} is not set: new tasks will be refused`);

  const meter = await startRuntime(config, log);
  const kimi = new KimiClient({
    apiUrl: config.KIMI_API_URL,
    apiKey: config.KIMI_API_KEY,
    relay: isRelayed ? { url: `${relayUrl(config)}/v1`, token: config.KIMI_RELAY_TOKEN } : undefined,
    callbackBaseUrl: callbackBaseUrl(config),
  });
  const gateway = new Gateway({ wakeUrl: wakeUrl(config), token: config.OPENCLAW_WAKE_TOKEN });
  const limiter = limiterOf(config);
  const reply = pluginReply(config);
  const callbacks = { secrets, deadLetters: deadLettersFolder(config.KIMI_HOME) };
  const activities = createActivities({ kimi, results, gateway, reply, callbacks, limiter, meter, log });
  const workers = await createWorkers(config, [
    { taskQueue: config.KIMI_TASK_QUEUE, activities },
    // Served by every agent's worker: a limiter that they share stands still only where all of them are away.
    ...(isSharedLimiter(limiter.id) ? [{ taskQueue: limiter.id, activities }] : []),
  ]);
  const [worker] = workers;

  if (worker) taskMetrics(meter).atZero(workflowLabels(worker, TASK_WORKFLOW));
  if (worker?.client) {
    const { client } = worker;
    await configureLimiter(client, limiter);
    whileClockIsBehind(async () => await configureLimiter(client, limiter), log);
    if (config.KIMI_METRICS_PORT !== undefined) void watchLimiter(worker.client, limiter.id, meter, log);
  }

  if (config.KIMI_RESULTS_KEEP !== undefined) pruneRegularly(results, config.KIMI_RESULTS_KEEP, log);

  const codec =
    config.KIMI_CODEC_TOKEN &&
    createCodecServer({
      dataConverter: payloads.dataConverter,
      token: config.KIMI_CODEC_TOKEN,
      uiOrigin: config.KIMI_UI_ORIGIN ?? `http://127.0.0.1:${config.KIMI_UI_PORT}`,
    });
  const health = healthServer(
    () => workers.every((one) => one.getState() === 'RUNNING'),
    config.KIMI_WORKER_HOST,
    codec || undefined,
  );
  const port = await listen(
    health,
    { host: config.KIMI_WORKER_HOST, port: config.KIMI_WORKER_PORT },
    'KIMI_WORKER_PORT',
  );
  sweepDaily(payloads, log);
  return {
    port,
    stop: () => {
      for (const one of workers) one.shutdown();
    },
    stopped: Promise.all(workers.map(async (one) => await one.run())).then(() => void health.close()),
  };
});
