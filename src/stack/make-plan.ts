/** Plans a stack: reads its configuration, checks its ports and makes its secrets. */
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { socketPath } from '../api/socket.ts';
import { limitsOf, servesDashboard, usesRelay, type Config } from '../config/index.ts';
import { secretsIn, withoutSecrets } from '../config/secrets.ts';
import { settingsDigest } from '../config/settings.ts';
import { isLimited, limiterIdOf } from '../limiter/client.ts';
import { DIST } from '../service/files.ts';
import { checkPorts } from '../service/ports.ts';
import { engineOptions, withoutEngine } from '../temporal/client.ts';
import { buildIn } from './build.ts';
import { ENGINE_ENV, engineSettings } from './engine-settings.ts';
import { DATABASE } from './engine-database.ts';
import { notifySecrets, relayToken, rememberPayloadKeys, webhookSecret } from './kept-secrets.ts';
import type { EnginePlan, Plan } from './plan.ts';
import { portOf, portsOf, type PortVariable } from './ports.ts';
import type { StackOptions } from './stack.ts';
import { beforeServer, serverOf } from './server-version.ts';
import { findTemporalCli, serverVersion } from './temporal-cli.ts';

/** The key of a simulation. Random, since an answer's text that equals the key is masked. */
const SIMULATED_KEY = `sk-simulated-${randomBytes(8).toString('hex')}`;

/** @throws the reason why the stack could not start. */
export async function makePlan(options: StackOptions): Promise<Plan> {
  const { config, simulate, supervisor, say } = options;
  await rememberPayloadKeys(config);
  const isElsewhere = engineOptions().connectionOptions.address !== undefined;
  // Before the engine is fetched and started, which takes much longer.
  await checkPorts(portsOf(options, !isElsewhere));
  const secret = await webhookSecret(config);
  const env = { ...withoutSecrets(process.env), ...namesOf(config) };
  // The embedded engine stands in place of any other.
  const own = isElsewhere ? env : withoutEngine(env);
  return {
    home: config.KIMI_HOME,
    outlives: supervisor === 'parent' || supervisor.logFile !== undefined,
    engine: isElsewhere ? undefined : await planEngine(options, own),
    simulator: simulate
      ? { ...own, WEBHOOK_SECRET: secret, KIMI_SIMULATOR_PORT: String(portOf('KIMI_SIMULATOR_PORT', options)) }
      : undefined,
    services: {
      env: own,
      sent: { ...(await secretsOf(options, secret)), ...settingsOf(options) },
      isSimulatedGateway: simulate && !config.isSet('OPENCLAW_WAKE_URL'),
    },
    state: {
      build: buildIn(DIST) ?? '',
      dist: DIST,
      api_socket: socketPath(config.KIMI_HOME),
      settings: settingsDigest(process.env),
      simulated: simulate,
      has_key: simulate || config.KIMI_API_KEY !== undefined,
      task_queue: config.KIMI_TASK_QUEUE,
      embedded: !isElsewhere,
      dashboard: servesDashboard(config),
      payload_keys: [...config.KIMI_PAYLOAD_KEYS.keys()],
      ...(isLimited(limitsOf(config)) && { limiter: limiterIdOf(config) }),
      results_dir: config.KIMI_RESULTS_DIR,
      logs_dir: join(config.KIMI_HOME, 'logs'),
    },
    say,
  };
}

/** A simulation renames them. */
function namesOf({ KIMI_TASK_QUEUE, KIMI_LIMITER }: Config): NodeJS.ProcessEnv {
  return { KIMI_TASK_QUEUE, ...(KIMI_LIMITER !== undefined && { KIMI_LIMITER }) };
}

async function planEngine(options: StackOptions, env: NodeJS.ProcessEnv): Promise<EnginePlan> {
  const { KIMI_HOME: home, TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache, KIMI_UI_ORIGIN } = options.config;
  const { onStep } = options;
  const found = await findTemporalCli({ path, pinned: serverOf(home)?.path, cache, onStep });
  const server = { path: resolve(found), version: serverVersion(found) };
  await beforeServer(home, server, () => onStep('upgrade'));
  return {
    server,
    // The file name only: in a path, SQLite reads #, ? and %41 as parts of a URI.
    args: engineSettings(DATABASE),
    env: { ...ENGINE_ENV, ...env },
    port: portOf('KIMI_TEMPORAL_PORT', options),
    uiPort: portOf('KIMI_UI_PORT', options),
    origins: KIMI_UI_ORIGIN === undefined ? [] : [KIMI_UI_ORIGIN],
  };
}

/** The secrets of the services. A simulation never has the real key. */
async function secretsOf({ config, simulate }: StackOptions, webhook: string): Promise<NodeJS.ProcessEnv> {
  return {
    ...secretsIn(
      process.env,
      'WEBHOOK_ADDITIONAL_SECRETS',
      'KIMI_DASHBOARD_TOKEN',
      'KIMI_PAYLOAD_KEYS',
      'KIMI_CODEC_TOKEN',
      'OPENCLAW_WAKE_TOKEN',
      'KIMI_NOTIFY_URL',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_SESSION_TOKEN',
      'OTEL_EXPORTER_OTLP_HEADERS',
    ),
    WEBHOOK_SECRET: webhook,
    KIMI_NOTIFY_SECRET: (await notifySecrets(config)).join(' '),
    KIMI_API_KEY: simulate ? SIMULATED_KEY : config.KIMI_API_KEY,
    ...(usesRelay(config, simulate) && { KIMI_RELAY_TOKEN: await relayToken(config) }),
  };
}

/** Settings that this stack chose. */
function settingsOf(options: StackOptions): NodeJS.ProcessEnv {
  const { config, simulate } = options;
  const ports: PortVariable[] = ['WEBHOOK_PORT', 'KIMI_WORKER_PORT', 'KIMI_RELAY_PORT'];
  return {
    TEMPORAL_NAMESPACE: engineOptions().namespace,
    KIMI_CALLBACKS: usesRelay(config, simulate) ? 'relay' : 'native',
    ...Object.fromEntries(ports.map((variable) => [variable, String(portOf(variable, options))])),
  };
}
