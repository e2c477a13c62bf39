/** The settings of the embedded Temporal dev server. */
import { randomBytes } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { LOOPBACK } from '../service/ports.ts';
import { NAMESPACE, SEARCH_ATTRIBUTES } from '../shared/names.ts';
import { channelArgs } from '../temporal/client.ts';
import { portArgs, type EnginePorts } from './embedded-engine.ts';

/** How long the engine keeps a closed task for `list` and the Web UI: 30 days, in seconds. Results stay in their folder. */
const RETENTION_S = 30 * 24 * 3600;

/**
 * Environment of the engine; the user's counts more. One processor: SQLite has one writer, and the services need the other core.
 * With two the Go scheduler's threads wake and search each other, at a sixth of the engine's CPU time (docs/benchmarks.md).
 */
export const ENGINE_ENV = { GOMAXPROCS: '1' };

/** @returns the arguments of the Temporal dev server. */
export function engineArgs({ database, ...ports }: EnginePorts & { database: string }): string[] {
  return [...engineSettings(database), ...portArgs(ports)];
}

/** @returns its arguments without those of its ports. docs/decisions has the measurements behind the settings. */
export function engineSettings(database: string): string[] {
  const flags: [string, string][] = [
    ['--ip', LOOPBACK],
    ['--ui-ip', LOOPBACK],
    // The HTTP API needs no login and cannot be switched off. It answers requests for this random host name only.
    ['--dynamic-config-value', `frontend.httpAllowedHosts=["${randomBytes(16).toString('hex')}.invalid"]`],
    ['--log-level', 'warn'],
    ['--db-filename', database],
    // Its log is synced by those who act on it (temporal/group-commit.ts): FULL would sync each transaction by itself.
    ['--sqlite-pragma', 'journal_mode=WAL'],
    ['--sqlite-pragma', 'synchronous=NORMAL'],
    // It is the only process that opens the database.
    ['--sqlite-pragma', 'locking_mode=EXCLUSIVE'],
    // A workflow task waits for about 30 ms at the default of 20 polls a second.
    ['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
    // One partition of each task queue: four poll and forward tasks to each other.
    ['--dynamic-config-value', 'matching.numTaskqueueReadPartitions=1'],
    ['--dynamic-config-value', 'matching.numTaskqueueWritePartitions=1'],
    // The dev server reads the search attributes from the database for every request; ours are registered before the first.
    ['--dynamic-config-value', 'system.forceSearchAttributesCacheRefreshOnRead=false'],
    // Workers of the server for what does not occur here: histories without a workflow, unused task queues, workflows with children.
    ['--dynamic-config-value', 'worker.historyScannerEnabled=false'],
    ['--dynamic-config-value', 'worker.taskQueueScannerEnabled=false'],
    ['--dynamic-config-value', 'worker.enableParentClosePolicyWorker=false'],
    // Timers and retries under a second take a second at the default. Those that end within this time are read from the database together.
    ['--dynamic-config-value', 'history.timerProcessorMaxTimeShift="100ms"'],
    // At the defaults 128,000 workflows, closed ones too, and 256 MB of their events stay in memory: 40 MB more for each 1000.
    ['--dynamic-config-value', 'history.hostLevelCacheMaxSize=1000'],
    ['--dynamic-config-value', 'history.eventsHostLevelCacheMaxSizeBytes=16777216'],
    // After kill -9 the engine looks again at the tasks of its queues since their last checkpoint, which is every 30 s by default.
    ...['transfer', 'timer', 'visibility'].map((queue): [string, string] => [
      '--dynamic-config-value',
      `history.${queue}ProcessorUpdateAckInterval="1s"`,
    ]),
    // Longest wait until a workflow that an older release could not run is retried by a newer one (10 min by default).
    ['--dynamic-config-value', 'history.workflowTaskRetryMaxInterval="1m"'],
    ...Object.values(SEARCH_ATTRIBUTES).map(({ name, type }): [string, string] => [
      '--search-attribute',
      `${name}=${type.charAt(0)}${type.slice(1).toLowerCase()}`,
    ]),
  ];
  return ['server', 'start-dev', ...flags.flat()];
}

/** Sets the retention period of the namespace. @returns whether a server answered. */
export async function prepareNamespace(address: string): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, channelArgs: channelArgs(address), connectTimeout: 1_000 });
    await connection.workflowService.updateNamespace({
      namespace: NAMESPACE,
      config: { workflowExecutionRetentionTtl: { seconds: RETENTION_S as never } },
    });
    return true;
  } catch {
    return false;
  } finally {
    await connection?.close();
  }
}
