/** The embedded stack: Temporal dev server, webhook, relay, worker and, in a simulation, the simulated Kimi. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { limitsOf, servesDashboard, simulatedConfig, usesRelay, wakeUrl, type Config } from '../config/index.ts';
import { withoutSecrets } from '../config/secrets.ts';
import { isLimited, limiterIdOf } from '../limiter/client.ts';
import { ServiceError } from '../service/exit.ts';
import { DIST } from '../service/files.ts';
import { publicAddress } from '../service/http.ts';
import { checkPorts } from '../service/ports.ts';
import { isoSeconds } from '../shared/format.ts';
import { NAMESPACE } from '../shared/names.ts';
import { engineOptions, withoutEngine } from '../temporal/client.ts';
import { buildIn } from './build.ts';
import { DRAIN_MS, type ChildOptions } from './child.ts';
import { EmbeddedEngine } from './engine.ts';
import { relayToken, rememberPayloadKeys, webhookSecret } from './kept-secrets.ts';
import { metricsUrls, portsOf } from './ports.ts';
import { identify } from './process-id.ts';
import { rotateLogs } from './rotate-logs.ts';
import { Services, type ServiceUrls } from './services.ts';
import { claimHome, remainsOf, runningStack, type ClaimedHome, type StackState } from './state.ts';

/** How often the sizes of the logs are checked, in milliseconds. */
const ROTATION_MS = 2_000;

/** The step of a start that takes time. */
export type StartStep = 'remains' | 'sdk' | 'wheel' | 'temporal' | 'services';

export interface StackOptions {
  config: Config;
  /** Sends tasks to the simulated Kimi and wakes the simulated gateway. */
  simulate: boolean;
  /** Uses any free port where none is configured, so that a temporary stack does not take the ports of another. */
  anyPort: boolean;
  onStep: (step: StartStep) => void;
  onRestart: ChildOptions['onRestart'];
}

export interface Stack {
  state: StackState;
  /** Resolves when the home was removed or another stack uses it: the stack must be stopped then. */
  lost: Promise<void>;
  /** Stops every process, the engine last. Nothing durable is lost. */
  stop(): Promise<void>;
}

/**
 * Starts the embedded stack.
 *
 * @returns the new stack, or the state of the one that runs from this home already.
 */
export async function startStack(given: StackOptions): Promise<Stack | StackState> {
  const options = given.simulate ? { ...given, config: simulatedConfig(given.config) } : given;
  const home = options.config.KIMI_HOME;
  const running = await runningStack(home);
  if (running) return running;
  await untilNothingIsLeft(home, () => options.onStep('remains'));
  const claimed = await claimHome(home);
  if (!claimed) {
    const other = await runningStack(home);
    if (other) return other;
    throw new ServiceError('another_start', { home });
  }
  const stack = new Processes(options, claimed);
  const stop = async (): Promise<void> => await stack.stop();
  try {
    return { state: await stack.start(), lost: claimed.lost, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The processes of a killed stack hold ports and the database until they have ended. */
async function untilNothingIsLeft(home: string, onWait: () => void): Promise<void> {
  const giveUpAt = performance.now() + DRAIN_MS;
  for (let waiting = false; ; waiting = true) {
    const left = await remainsOf(home);
    if (left.length === 0) return;
    if (!waiting) onWait();
    if (performance.now() > giveUpAt) {
      throw new ServiceError('remains', { pids: left.map(({ pid }) => pid) });
    }
    await pause(50);
  }
}

/** The processes of one stack in a claimed home. */
class Processes {
  private engine: EmbeddedEngine | undefined;
  private services: Services | undefined;
  private state: StackState | undefined;
  private readonly logs: string;
  private readonly rotation: NodeJS.Timeout;

  constructor(
    private readonly options: StackOptions,
    private readonly home: ClaimedHome,
  ) {
    this.logs = join(options.config.KIMI_HOME, 'logs');
    mkdirSync(this.logs, { recursive: true, mode: 0o700 });
    this.rotation = setInterval(() => rotateLogs(this.logs), ROTATION_MS).unref();
  }

  async start(): Promise<StackState> {
    const { config, simulate, onStep } = this.options;
    const build = buildIn(DIST) ?? '';
    await rememberPayloadKeys(config);
    const isElsewhere = engineOptions().connectionOptions.address !== undefined;
    // Before the engine is fetched and started, which takes much longer.
    await checkPorts(portsOf(this.options, !isElsewhere));
    const secrets = {
      webhook: await webhookSecret(config),
      relay: usesRelay(config, simulate) ? await relayToken(config) : undefined,
    };
    const env = isElsewhere ? withoutSecrets(process.env) : await this.startEngine();
    onStep('services');
    this.services = new Services(this.options, env, secrets, () => this.updateIds());
    const urls = await this.services.start(this.engine && (config.KIMI_UI_ORIGIN ?? this.engine.uiUrl));
    this.state = this.describe(env, urls, build);
    await this.home.writeState(this.state);
    return this.state;
  }

  async stop(): Promise<void> {
    clearInterval(this.rotation);
    await this.services?.stop();
    await this.engine?.stop();
    await this.home.release();
  }

  /** @returns the environment of the services, which names the embedded server in place of any other. */
  private async startEngine(): Promise<NodeJS.ProcessEnv> {
    const env = withoutEngine(withoutSecrets(process.env));
    this.engine = new EmbeddedEngine(this.options, env, () => this.updateIds());
    await this.engine.start();
    return { ...env, TEMPORAL_ADDRESS: this.engine.address, TEMPORAL_NAMESPACE: NAMESPACE };
  }

  private ids(): StackState['children'] {
    return [this.engine?.id, ...(this.services?.ids ?? [])].filter((id) => id !== undefined);
  }

  /** A process was started again: it has another id. */
  private updateIds(): void {
    if (this.state) void this.home.writeState({ ...this.state, children: this.ids() }).catch(() => {});
  }

  private describe(env: NodeJS.ProcessEnv, urls: ServiceUrls, build: string): StackState {
    const { config, simulate } = this.options;
    const { connectionOptions, namespace } = engineOptions(env);
    const { relay, simulator } = urls;
    // Behind the relay the simulated Kimi is Moonshot's API, with its models.
    const isRelayedSimulator = simulator !== undefined && relay !== undefined;
    return {
      ...(identify(process.pid) ?? { pid: process.pid, start: '' }),
      children: this.ids(),
      started_at: isoSeconds(Date.now()),
      build,
      dist: DIST,
      simulated: simulate,
      has_key: simulate || config.KIMI_API_KEY !== undefined,
      temporal_address: connectionOptions.address ?? 'localhost:7233',
      namespace,
      task_queue: config.KIMI_TASK_QUEUE,
      embedded: this.engine !== undefined,
      ...(this.engine && { ui_url: this.engine.uiUrl }),
      callback_base_url: publicAddress(urls.callbackBase),
      webhook_url: urls.webhook,
      dashboard: servesDashboard(config),
      worker_health_url: urls.worker,
      metrics_urls: metricsUrls(['webhook', 'worker', ...(relay === undefined ? [] : ['relay' as const])], config),
      ...(relay !== undefined && { relay_url: relay }),
      ...(simulator !== undefined && { simulator_url: simulator }),
      ...(!isRelayedSimulator && {
        api_url: simulator === undefined ? publicAddress(config.KIMI_API_URL) : `${simulator}/v1`,
      }),
      wake_url: publicAddress(wakeUrl({ ...config, OPENCLAW_WAKE_URL: urls.gateway })),
      payload_keys: [...config.KIMI_PAYLOAD_KEYS.keys()],
      ...(isLimited(limitsOf(config)) && { limiter: limiterIdOf(config) }),
      results_dir: config.KIMI_RESULTS_DIR,
      logs_dir: this.logs,
    };
  }
}
