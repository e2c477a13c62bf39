/** A worker that kills itself with SIGKILL before or after one activity: `fault-worker.ts <when> <activity>`. */
import { relayUrl, usesRelay } from '../../src/config/index.ts';
import { createActivities, type Activities } from '../../src/activities/index.ts';
import { deadLettersFolder } from '../../src/webhook/dead-letters.ts';
import { Gateway } from '../../src/notify/gateway.ts';
import { KimiClient } from '../../src/kimi/client.ts';
import { limiterOf } from '../../src/limiter/client.ts';
import { runService } from '../../src/service/run.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { ResultStore } from '../../src/results/store.ts';
import type { PendingFile } from '../../src/shared/result.ts';
import type { Task } from '../../src/shared/task.ts';
import { createWorker, startRuntime } from '../../src/temporal/worker.ts';

const [when, step] = process.argv.slice(2);

/** Kills the process before or after the chosen step. */
function dying<Args extends unknown[], T>(name: string, run: (...args: Args) => Promise<T>) {
  return async (...args: Args): Promise<T> => {
    if (name === step && when === 'before') process.kill(process.pid, 'SIGKILL');
    const value = await run(...args);
    if (name === step && when === 'after') process.kill(process.pid, 'SIGKILL');
    return value;
  };
}

/** Writing the pending file is a part of the dispatch activity. */
class DyingResults extends ResultStore {
  override recordPending = dying('recordPending', async (pending: PendingFile) => {
    await super.recordPending(pending);
  });
}

/** The request to Kimi is a part of it too. */
class DyingClient extends KimiClient {
  override dispatch = dying('request', async (task: Task, signal: AbortSignal) => await super.dispatch(task, signal));
}

await runService('fault-worker', async (config, log) => {
  await startRuntime(config, log);
  const activities = createActivities({
    kimi: new DyingClient({
      apiUrl: config.KIMI_API_URL,
      apiKey: config.KIMI_API_KEY,
      relay: usesRelay(config) ? { url: `${relayUrl(config)}/v1`, token: config.KIMI_RELAY_TOKEN } : undefined,
      callbackBaseUrl: String(config.KIMI_CALLBACK_BASE_URL),
      contents: openPayloads(config).contents,
    }),
    apiUrl: config.KIMI_API_URL,
    contents: openPayloads(config).contents,
    gateway: new Gateway({ wakeUrl: config.OPENCLAW_WAKE_URL, token: undefined }),
    results: new DyingResults(config.KIMI_RESULTS_DIR),
    callbacks: { secrets: [String(config.WEBHOOK_SECRET)], deadLetters: deadLettersFolder(config.KIMI_HOME) },
    limiter: limiterOf(config),
    config,
  });
  const fatal = Object.entries(activities).map(([name, run]: [string, (...args: never[]) => Promise<unknown>]) => [
    name,
    dying(name, run),
  ]);
  const worker = await createWorker(config, {
    taskQueue: config.KIMI_TASK_QUEUE,
    activities: Object.fromEntries(fatal) as Activities,
  });
  return { port: 0, stop: () => worker.shutdown(), stopped: worker.run() };
});
