/** The embedded Temporal dev server, and the front of its Web UI. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { join, resolve } from 'node:path';
import { Connection } from '@temporalio/client';
import { checkPorts, listen } from '../service/ports.ts';
import { NAMESPACE, SEARCH_ATTRIBUTES } from '../shared/names.ts';
import { channelArgs } from '../temporal/client.ts';
import { Child } from './child.ts';
import { DATABASE, databaseIsComplete, databaseProblem, DatabaseUnusable, prepareDatabase } from './engine-database.ts';
import { createFront, portsWithoutPages } from './ui-proxy.ts';
import { HOST, portOf } from './ports.ts';
import type { ProcessId } from './process-id.ts';
import type { StackOptions } from './stack.ts';
import { findTemporalCli } from './temporal-cli.ts';

/** How long the engine keeps a closed task for `list` and the Web UI: 30 days, in seconds. Results stay in their folder. */
const RETENTION_S = 30 * 24 * 3600;

/** How often the server is started if other processes take its ports meanwhile. */
const ATTEMPTS = 3;

export class EmbeddedEngine {
  /** `host:port`, once it has started. */
  address = '';
  uiUrl = '';
  private child: Child | undefined;
  private front: Server | undefined;

  /** @param onStart called whenever its process was started: it has another `id` */
  constructor(
    private readonly options: StackOptions,
    private readonly env: NodeJS.ProcessEnv,
    private readonly onStart: () => void,
  ) {}

  get id(): ProcessId | undefined {
    return this.child?.id;
  }

  /** Starts the server on its on-disk database. */
  async start(): Promise<void> {
    const { onStep } = this.options;
    const { KIMI_HOME: home, TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = this.options.config;
    const command = resolve(await findTemporalCli({ path, cache, onStep }));
    onStep('temporal');
    prepareDatabase(home);
    const logFile = join(home, 'logs', 'temporal.log');
    for (let attempt = 1; ; attempt++) {
      const logged = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
      try {
        await this.launch(command, logFile);
        databaseIsComplete(home);
        return;
      } catch (error) {
        const output = existsSync(logFile) ? readFileSync(logFile).subarray(logged).toString() : '';
        // The server chooses some ports itself; another stack may take one first.
        if (attempt < ATTEMPTS && /address already in use/.test(output)) continue;
        const problem = databaseProblem(home, output);
        throw problem ? new DatabaseUnusable(home, problem) : error;
      }
    }
  }

  private async launch(command: string, logFile: string): Promise<void> {
    const { options, env, onStart } = this;
    const wanted = { host: HOST, port: portOf('KIMI_TEMPORAL_PORT', options), variable: 'KIMI_TEMPORAL_PORT' };
    const [port = 0] = await checkPorts([wanted]);
    const [uiPort, metricsPort] = (await portsWithoutPages(2)) as [number, number];
    const publicPort = await this.openFront(uiPort);
    this.address = `${HOST}:${port}`;
    this.uiUrl = `http://${HOST}:${publicPort}`;
    this.child = new Child({
      name: 'temporal',
      command,
      // The file name only: in a path, SQLite reads #, ? and %41 as parts of a URI.
      args: engineArgs({ port, uiPort, metricsPort, database: DATABASE }),
      cwd: options.config.KIMI_HOME,
      env,
      logFile,
      kind: 'program',
      isReady: async () => await namespaceIsThere(this.address),
      onStart,
      onRestart: options.onRestart,
    });
    await this.child.start();
  }

  /** @returns the port of the Web UI's front. */
  private async openFront(uiPort: number): Promise<number> {
    const { KIMI_UI_ORIGIN } = this.options.config;
    this.front?.close();
    this.front = createFront(uiPort, HOST, KIMI_UI_ORIGIN === undefined ? [] : [KIMI_UI_ORIGIN]);
    return await listen(this.front, { host: HOST, port: portOf('KIMI_UI_PORT', this.options) }, 'KIMI_UI_PORT');
  }

  async stop(): Promise<void> {
    await this.child?.stop();
    this.front?.close();
    this.front?.closeAllConnections();
  }
}

interface ServerOptions {
  port: number;
  /** Web UI and metrics answer any web page, so they listen on ports that pages cannot reach. */
  uiPort: number;
  metricsPort: number;
  database: string;
}

/** @returns the arguments of the Temporal dev server. docs/decisions has the measurements behind the settings. */
export function engineArgs({ port, uiPort, metricsPort, database }: ServerOptions): string[] {
  const flags: [string, string][] = [
    ['--ip', HOST],
    ['--port', String(port)],
    ['--ui-ip', HOST],
    ['--ui-port', String(uiPort)],
    ['--metrics-port', String(metricsPort)],
    // The HTTP API needs no login and cannot be switched off. It answers requests for this random host name only.
    ['--dynamic-config-value', `frontend.httpAllowedHosts=["${randomBytes(16).toString('hex')}.invalid"]`],
    ['--log-level', 'warn'],
    ['--db-filename', database],
    // FULL survives a power cut: an accepted task is on the disk.
    ['--sqlite-pragma', 'journal_mode=WAL'],
    ['--sqlite-pragma', 'synchronous=FULL'],
    // A workflow task waits for about 30 ms at the default of 20 polls a second.
    ['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
    // Timers and retries under a second take a second at the default.
    ['--dynamic-config-value', 'history.timerProcessorMaxTimeShift="10ms"'],
    // At the defaults 128,000 workflows, closed ones too, and 256 MB of their events stay in memory: 40 MB more for each 1000.
    ['--dynamic-config-value', 'history.hostLevelCacheMaxSize=1000'],
    ['--dynamic-config-value', 'history.eventsHostLevelCacheMaxSizeBytes=16777216'],
    // Longest wait until a workflow that an older release could not run is retried by a newer one (10 min by default).
    ['--dynamic-config-value', 'history.workflowTaskRetryMaxInterval="1m"'],
    ...Object.values(SEARCH_ATTRIBUTES).map(({ name, type }): [string, string] => [
      '--search-attribute',
      `${name}=${type.charAt(0)}${type.slice(1).toLowerCase()}`,
    ]),
  ];
  return ['server', 'start-dev', ...flags.flat()];
}

/** @returns whether a server answers; its namespace then has our retention period. */
export async function namespaceIsThere(address: string): Promise<boolean> {
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
