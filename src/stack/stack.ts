import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import writeFileAtomic from 'write-file-atomic';
import { httpAddress, publicAddress } from '../service/http.ts';
import { limitsOf, servesDashboard, usesRelay, wakeUrl, withoutEngine, type Config } from '../config/index.ts';
import { secretsIn, withoutSecrets } from '../config/secrets.ts';
import { isoSeconds } from '../shared/format.ts';
import { NAMESPACE, SEARCH_ATTRIBUTES } from '../shared/names.ts';
import { createFront, portsWithoutPages } from './front.ts';
import { isLimited, limiterIdOf } from '../limiter/client.ts';
import { DIST } from '../service/files.ts';
import { ServiceError } from '../service/exit.ts';
import { checkPorts, listen, type ListenAddress } from '../service/ports.ts';
import { channelArgs, engineOptions } from '../temporal/client.ts';
import { buildIn } from './build.ts';
import { Child, DRAIN_MS, type ChildOptions } from './child.ts';
import { DATABASE, databaseIsComplete, databaseProblem, DatabaseUnusable, prepareDatabase } from './engine-database.ts';
import { identify } from './process-id.ts';
import { rotateLogs } from './rotate-logs.ts';
import { claimHome, remainsOf, runningStack, type ClaimedHome, type StackState } from './state.ts';
import { findTemporalCli } from './temporal-cli.ts';

const HOST = '127.0.0.1';

/** Stands for a key where nothing is paid. No answer holds it by chance: where Kimi repeats a key, it is masked. */
const SIMULATED_KEY = `sk-simulated-${randomBytes(8).toString('hex')}`;

/** How long the engine keeps a closed task for `list` and the Web UI: 30 days, in seconds. Results stay in their folder. */
const RETENTION_S = 30 * 24 * 3600;

/** How often it is looked whether a log has become too large, in milliseconds. */
const ROTATION_MS = 2_000;

/** What starting a stack is busy with. */
export type StartStep = 'remains' | 'sdk' | 'wheel' | 'temporal' | 'services';

export interface StackOptions {
  config: Config;
  /** Sends tasks to the simulated Kimi and wakes the simulated gateway. */
  simulate: boolean;
  /** Takes any free port where none is configured, so that a passing stack disturbs nobody. */
  anyPort: boolean;
  onStep: (step: StartStep) => void;
  onRestart: ChildOptions['onRestart'];
}

/** The embedded stack: Temporal dev server, worker, webhook and, where asked for, the simulated Kimi. */
export interface Stack {
  state: StackState;
  /** Resolves when the home was removed, or another stack uses it: then it must be stopped. */
  lost: Promise<void>;
  /** Stops everything that was started, the engine last. Nothing durable is lost. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded stack.
 *
 * @returns the new stack, or the state of the one that runs from this home already.
 */
export async function startStack(options: StackOptions): Promise<Stack | StackState> {
  const { config } = options;
  const home = config.KIMI_HOME;
  const running = await runningStack(home);
  if (running) return running;
  await untilNothingIsLeft(home, () => options.onStep('remains'));
  const claimed = await claimHome(home);
  if (!claimed) {
    const other = await runningStack(home);
    if (other) return other;
    throw new ServiceError(`another kimi-dispatch is starting or stopping in ${home}; try again in a moment`);
  }

  const children: Children = { services: [], keepIds: () => {} };
  const logs = join(home, 'logs');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  const rotation = setInterval(() => rotateLogs(logs), ROTATION_MS).unref();
  const stop = async (): Promise<void> => {
    clearInterval(rotation);
    await Promise.all(children.services.map((child) => child.stop()));
    await children.engine?.stop();
    children.webUi?.close();
    children.webUi?.closeAllConnections();
    await claimed.giveBack();
  };
  try {
    return { state: await startChildren(options, children, claimed), lost: claimed.lost, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Children {
  engine?: Child;
  /** What stands in front of the engine's Web UI. */
  webUi?: Server;
  services: Child[];
  /** Called whenever one of them was started: once the stack has a state, it says who they are. */
  keepIds: () => void;
}

/** Where a stack was killed, its processes hold ports and the database until they have ended. */
async function untilNothingIsLeft(home: string, onWait: () => void): Promise<void> {
  const giveUpAt = performance.now() + DRAIN_MS;
  for (let waiting = false; ; waiting = true) {
    const left = await remainsOf(home);
    if (left.length === 0) return;
    if (!waiting) onWait();
    if (performance.now() > giveUpAt) {
      const pids = left.map(({ pid }) => pid).join(', ');
      throw new ServiceError(`processes of a stack that was killed do not end: ${pids}; end them and try again`);
    }
    await pause(50);
  }
}

async function startChildren(options: StackOptions, children: Children, claimed: ClaimedHome): Promise<StackState> {
  const { config, simulate } = options;
  const logs = join(config.KIMI_HOME, 'logs');
  const build = buildIn(DIST) ?? '';
  await rememberPayloadKeys(config);
  const isElsewhere = engineOptions().connectionOptions.address !== undefined;
  // Before the engine is fetched and started, which takes much longer.
  await checkPorts(portsOf(options, !isElsewhere));
  // Each secret goes to the process that needs it, and to no other.
  const env = isElsewhere ? withoutSecrets(process.env) : withoutEngine(withoutSecrets(process.env));
  const signing = { WEBHOOK_SECRET: await webhookSecret(config) };
  const verifying = { ...signing, ...secretsIn(process.env, 'WEBHOOK_ADDITIONAL_SECRETS') };
  const payloads = secretsIn(process.env, 'KIMI_PAYLOAD_KEYS', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN');
  const engine = isElsewhere ? undefined : await startEngine(options, children, logs, env);
  if (engine) Object.assign(env, { TEMPORAL_ADDRESS: engine.address, TEMPORAL_NAMESPACE: NAMESPACE });

  options.onStep('services');
  const service = async (
    name: MeasuredService | 'simulator',
    portVariable: PortVariable,
    extra: NodeJS.ProcessEnv,
  ): Promise<Child> => {
    const port = name === 'simulator' ? undefined : metricsPort(name, config);
    const child = new Child({
      name,
      command: process.execPath,
      args: ['--enable-source-maps', join(DIST, `${name}.js`)],
      env: {
        ...env,
        [portVariable]: String(portOf(portVariable, options)),
        ...(port !== undefined && { KIMI_METRICS_PORT: String(port) }),
        ...secretsIn(process.env, 'OTEL_EXPORTER_OTLP_HEADERS'),
        ...extra,
      },
      logFile: join(logs, `${name}.log`),
      kind: 'service',
      onStart: () => children.keepIds(),
      onRestart: options.onRestart,
      portVariable,
    });
    // Known before it is ready: should another one fail meanwhile, this one is stopped too.
    children.services.push(child);
    await child.start();
    return child;
  };

  const webUi = engine && { KIMI_UI_ORIGIN: config.KIMI_UI_ORIGIN ?? engine.uiUrl };
  // The worker and the relay need the addresses of the others; they start while nothing can call them yet.
  const [webhook, simulator] = await Promise.all([
    service('webhook', 'WEBHOOK_PORT', {
      ...verifying,
      ...secretsIn(process.env, 'KIMI_DASHBOARD_TOKEN'),
      ...payloads,
      ...webUi,
    }),
    simulate ? service('simulator', 'KIMI_SIMULATOR_PORT', signing) : undefined,
  ]);
  const simulatorUrl = simulator && `http://${HOST}:${simulator.port}`;
  const gatewayUrl =
    simulatorUrl && !config.isSet('OPENCLAW_WAKE_URL') ? `${simulatorUrl}/hooks/wake` : config.OPENCLAW_WAKE_URL;
  const kimi = {
    KIMI_CALLBACK_BASE_URL: config.KIMI_CALLBACK_BASE_URL ?? `http://localhost:${webhook.port}`,
    ...(simulatorUrl && { KIMI_API_URL: `${simulatorUrl}/v1` }),
  };
  // The real key stays out of a simulation, and the simulation is never sent to the real Kimi.
  const key = { KIMI_API_KEY: simulate ? SIMULATED_KEY : config.KIMI_API_KEY };
  const isRelayed = usesRelay(config, simulate);
  const token = isRelayed ? { KIMI_RELAY_TOKEN: await relayToken(config) } : {};
  const relay = isRelayed
    ? await service('relay', 'KIMI_RELAY_PORT', { ...payloads, ...signing, ...kimi, ...key, ...token })
    : undefined;
  const relayUrl = relay && httpAddress(config.KIMI_RELAY_HOST, relay.port);
  const worker = await service('worker', 'KIMI_WORKER_PORT', {
    ...verifying,
    ...payloads,
    ...kimi,
    ...(relayUrl
      ? { ...token, KIMI_CALLBACKS: 'relay', KIMI_RELAY_URL: relayUrl }
      : { ...key, KIMI_CALLBACKS: 'native' }),
    ...secretsIn(process.env, 'OPENCLAW_WAKE_TOKEN', 'KIMI_CODEC_TOKEN'),
    ...webUi,
    OPENCLAW_WAKE_URL: gatewayUrl,
  });

  const { connectionOptions, namespace } = engineOptions(env);
  const idsOf = (): StackState['children'] =>
    [children.engine, ...children.services].map((child) => child?.id).filter((id) => id !== undefined);
  const state: StackState = {
    ...(identify(process.pid) ?? { pid: process.pid, start: '' }),
    children: idsOf(),
    started_at: isoSeconds(Date.now()),
    build,
    dist: DIST,
    simulated: simulate,
    has_key: simulate || config.KIMI_API_KEY !== undefined,
    temporal_address: connectionOptions.address ?? 'localhost:7233',
    namespace,
    task_queue: config.KIMI_TASK_QUEUE,
    embedded: engine !== undefined,
    ...(engine && { ui_url: engine.uiUrl }),
    callback_base_url: publicAddress(kimi.KIMI_CALLBACK_BASE_URL),
    webhook_url: httpAddress(config.WEBHOOK_HOST, webhook.port),
    dashboard: servesDashboard(config),
    worker_health_url: httpAddress(config.KIMI_WORKER_HOST, worker.port),
    metrics_urls: metricsUrls(['webhook', 'worker', ...(relayUrl ? ['relay' as const] : [])], config),
    ...(relayUrl && { relay_url: relayUrl }),
    ...(simulatorUrl && { simulator_url: simulatorUrl }),
    // Behind the relay the simulated Kimi is Moonshot's API, with its models.
    ...(!(simulatorUrl && relayUrl) && {
      api_url: simulatorUrl ? `${simulatorUrl}/v1` : publicAddress(config.KIMI_API_URL),
    }),
    wake_url: publicAddress(wakeUrl({ ...config, OPENCLAW_WAKE_URL: gatewayUrl })),
    payload_keys: [...config.KIMI_PAYLOAD_KEYS.keys()],
    ...(isLimited(limitsOf(config)) && { limiter: limiterIdOf(config) }),
    results_dir: config.KIMI_RESULTS_DIR,
    logs_dir: logs,
  };
  await claimed.writeState(state);
  children.keepIds = () => void claimed.writeState({ ...state, children: idsOf() }).catch(() => {});
  return state;
}

/** Starts the Temporal dev server on its on-disk database. */
async function startEngine(
  options: StackOptions,
  children: Children,
  logs: string,
  env: NodeJS.ProcessEnv,
): Promise<{ address: string; uiUrl: string }> {
  const { config } = options;
  const home = config.KIMI_HOME;
  const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = config;
  const command = resolve(await findTemporalCli({ path, cache, onStep: options.onStep }));
  options.onStep('temporal');
  prepareDatabase(home);
  const logFile = join(logs, 'temporal.log');
  for (let attempt = 1; ; attempt++) {
    const logged = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
    try {
      const addresses = await launchEngine(command, logFile, options, children, env);
      databaseIsComplete(home);
      return addresses;
    } catch (error) {
      const said = existsSync(logFile) ? readFileSync(logFile).subarray(logged).toString() : '';
      // It looks for free ports by itself too; another stack may be quicker.
      if (attempt < ENGINE_ATTEMPTS && /address already in use/.test(said)) continue;
      const problem = databaseProblem(home, said);
      throw problem ? new DatabaseUnusable(home, problem) : error;
    }
  }
}

/** How often an engine is started whose ports others take meanwhile. */
const ENGINE_ATTEMPTS = 3;

async function launchEngine(
  command: string,
  logFile: string,
  options: StackOptions,
  children: Children,
  env: NodeJS.ProcessEnv,
): Promise<{ address: string; uiUrl: string }> {
  const { config } = options;
  const wanted = { host: HOST, port: portOf('KIMI_TEMPORAL_PORT', options), variable: 'KIMI_TEMPORAL_PORT' };
  const [port = 0] = await checkPorts([wanted]);
  const [uiPort, metricsPort] = (await portsWithoutPages(2)) as [number, number];
  const address = `${HOST}:${port}`;
  children.webUi?.close();
  const origins = config.KIMI_UI_ORIGIN === undefined ? [] : [config.KIMI_UI_ORIGIN];
  children.webUi = createFront(uiPort, HOST, origins);
  const publicPort = await listen(
    children.webUi,
    { host: HOST, port: portOf('KIMI_UI_PORT', options) },
    'KIMI_UI_PORT',
  );
  children.engine = new Child({
    name: 'temporal',
    command,
    // By its name alone: in a path, SQLite reads #, ? and %41 as parts of a URI.
    args: engineArgs({ port, uiPort, metricsPort, database: DATABASE }),
    cwd: config.KIMI_HOME,
    env,
    logFile,
    kind: 'program',
    isReady: async () => await namespaceIsThere(address),
    onStart: () => children.keepIds(),
    onRestart: options.onRestart,
  });
  await children.engine.start();
  return { address, uiUrl: `http://${HOST}:${publicPort}` };
}

/** Where an engine listens, and keeps what it knows. */
interface EnginePlace {
  port: number;
  /** Web UI and metrics answer any web page: these are ports that pages cannot reach. */
  uiPort: number;
  metricsPort: number;
  database: string;
}

/** @returns how the Temporal dev server is started. The settings' measurements are in docs/decisions. */
export function engineArgs({ port, uiPort, metricsPort, database }: EnginePlace): string[] {
  const flags: [string, string][] = [
    ['--ip', HOST],
    ['--port', String(port)],
    ['--ui-ip', HOST],
    ['--ui-port', String(uiPort)],
    ['--metrics-port', String(metricsPort)],
    // The HTTP API, which needs no login, cannot be switched off. It answers for this host alone, and nobody knows its name.
    ['--dynamic-config-value', `frontend.httpAllowedHosts=["${randomBytes(16).toString('hex')}.invalid"]`],
    ['--log-level', 'warn'],
    ['--db-filename', database],
    // FULL survives a power cut: what was accepted is on the disk.
    ['--sqlite-pragma', 'journal_mode=WAL'],
    ['--sqlite-pragma', 'synchronous=FULL'],
    // A workflow task waits for about 30 ms at the default of 20 polls a second.
    ['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=1000'],
    // Timers and retries under a second take a second at the default.
    ['--dynamic-config-value', 'history.timerProcessorMaxTimeShift="10ms"'],
    // At the defaults 128,000 workflows, closed ones too, and 256 MB of their events stay in memory: 40 MB more for each 1000.
    ['--dynamic-config-value', 'history.hostLevelCacheMaxSize=1000'],
    ['--dynamic-config-value', 'history.eventsHostLevelCacheMaxSizeBytes=16777216'],
    // What an older release could not go on with goes on so long after a newer one is back, at the most (10 min by default).
    ['--dynamic-config-value', 'history.workflowTaskRetryMaxInterval="1m"'],
    ...Object.values(SEARCH_ATTRIBUTES).map(({ name, type }): [string, string] => [
      '--search-attribute',
      `${name}=${type.charAt(0)}${type.slice(1).toLowerCase()}`,
    ]),
  ];
  return ['server', 'start-dev', ...flags.flat()];
}

/** @returns whether an engine answers; closed tasks are then kept as long as we want them. */
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

type PortVariable =
  | 'WEBHOOK_PORT'
  | 'KIMI_WORKER_PORT'
  | 'KIMI_RELAY_PORT'
  | 'KIMI_SIMULATOR_PORT'
  | 'KIMI_TEMPORAL_PORT'
  | 'KIMI_UI_PORT';

function portOf(variable: PortVariable, { config, anyPort }: StackOptions): number {
  // Nobody has to find the simulated Kimi by its port.
  return (anyPort || variable === 'KIMI_SIMULATOR_PORT') && !config.isSet(variable) ? 0 : config[variable];
}

/** @returns every address that the stack will listen on and that its user can choose. */
function portsOf(options: StackOptions, hasEngine: boolean): ListenAddress[] {
  const { config, simulate } = options;
  const isRelayed = usesRelay(config, simulate);
  const of = (variable: PortVariable, host = HOST): ListenAddress => ({
    host,
    port: portOf(variable, options),
    variable,
  });
  const measured: MeasuredService[] = ['webhook', 'worker', ...(isRelayed ? ['relay' as const] : [])];
  return [
    ...(hasEngine ? [of('KIMI_TEMPORAL_PORT'), of('KIMI_UI_PORT')] : []),
    of('WEBHOOK_PORT', config.WEBHOOK_HOST),
    of('KIMI_WORKER_PORT', config.KIMI_WORKER_HOST),
    ...(isRelayed ? [of('KIMI_RELAY_PORT', config.KIMI_RELAY_HOST)] : []),
    ...(simulate ? [of('KIMI_SIMULATOR_PORT')] : []),
    ...measured.flatMap((name) => {
      const port = metricsPort(name, config);
      return port === undefined ? [] : [{ host: config.KIMI_METRICS_HOST, port, variable: 'KIMI_METRICS_PORT' }];
    }),
  ];
}

/** How far each service's metrics are from `KIMI_METRICS_PORT`; nothing is measured in the others. */
const METRICS_OFFSET = { webhook: 0, worker: 1, relay: 2 };

type MeasuredService = keyof typeof METRICS_OFFSET;

/** Metrics are off where there is no port. */
function metricsPort(name: MeasuredService, { KIMI_METRICS_PORT: first }: Config): number | undefined {
  return first === undefined ? undefined : first + METRICS_OFFSET[name];
}

function metricsUrls(names: MeasuredService[], config: Config): Record<string, string> {
  const { KIMI_METRICS_HOST: host } = config;
  const ports = names.map((name) => [name, metricsPort(name, config)] as const);
  return Object.fromEntries(
    ports.flatMap(([name, port]) => (port === undefined ? [] : [[name, `${httpAddress(host, port)}/metrics`]])),
  );
}

/** Where the secret lies that `up` made. */
export function secretFile(home: string): string {
  return join(home, 'webhook-secret');
}

/** The secret callbacks are signed with: the configured one, or one made once and kept for this user alone. */
async function webhookSecret(config: Config): Promise<string> {
  return config.WEBHOOK_SECRET ?? (await keptSecret(secretFile(config.KIMI_HOME)));
}

/** What the worker shows the relay: the configured one, or one made once and kept for this user alone. */
async function relayToken(config: Config): Promise<string> {
  return config.KIMI_RELAY_TOKEN ?? (await keptSecret(join(config.KIMI_HOME, 'relay-token')));
}

async function keptSecret(file: string): Promise<string> {
  try {
    const kept = (await readFile(file, 'utf8')).trim();
    if (/^[\x21-\x7E]{16,}$/.test(kept)) return kept;
    if (kept !== '') {
      throw new ServiceError(
        `${file} is damaged: it does not hold the secret that was written to it; restore it, or remove it and a new one is made`,
      );
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const made = randomBytes(32).toString('hex');
  await writeFileAtomic(file, `${made}\n`, { mode: 0o600 });
  return made;
}

/**
 * Keeps the ids, not the keys, of what the engine's payloads are encrypted with. Without one of them, workflows that are
 * open would stand still, and nothing but the worker's log would say why.
 */
async function rememberPayloadKeys({ KIMI_HOME, KIMI_PAYLOAD_KEYS }: Config): Promise<void> {
  const file = join(KIMI_HOME, 'payload-key-ids');
  const used = existsSync(file) ? (await readFile(file, 'utf8')).split('\n').filter((id) => id !== '') : [];
  const missing = used.find((id) => !KIMI_PAYLOAD_KEYS.has(id));
  if (missing !== undefined) {
    throw new ServiceError(
      `what the engine keeps is encrypted with the key "${missing}", which KIMI_PAYLOAD_KEYS does not hold; add it there, behind the one for what is new, or remove its line from ${file} once nothing of it is kept`,
    );
  }
  const ids = new Set([...used, ...KIMI_PAYLOAD_KEYS.keys()]);
  if (ids.size > used.length) await writeFileAtomic(file, [...ids, ''].join('\n'), { mode: 0o600 });
}
