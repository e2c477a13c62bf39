/** The services of a stack: webhook, simulated Kimi, relay and worker, each a process with only the secrets it needs. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { usesRelay } from '../config/index.ts';
import { secretsIn } from '../config/secrets.ts';
import { DIST } from '../service/files.ts';
import { httpAddress } from '../service/http.ts';
import { Child } from './child.ts';
import { HOST, metricsPort, portOf, type MeasuredService, type PortVariable } from './ports.ts';
import type { ProcessId } from './process-id.ts';
import type { StackOptions } from './stack.ts';

/** The key of a simulation. Random, since an answer's text that equals the key is masked. */
const SIMULATED_KEY = `sk-simulated-${randomBytes(8).toString('hex')}`;

export interface StackSecrets {
  webhook: string;
  /** Absent without a relay. */
  relay: string | undefined;
}

/** Where the services of a stack are. */
export interface ServiceUrls {
  webhook: string;
  worker: string;
  relay: string | undefined;
  simulator: string | undefined;
  callbackBase: string;
  /** The gateway's wake URL. */
  gateway: string;
}

export class Services {
  private readonly children: Child[] = [];

  /**
   * @param env environment of every service, without secrets
   * @param onStart called whenever a process was started: it has another id
   */
  constructor(
    private readonly options: StackOptions,
    private readonly env: NodeJS.ProcessEnv,
    private readonly secrets: StackSecrets,
    private readonly onStart: () => void,
  ) {}

  get ids(): ProcessId[] {
    return this.children.map(({ id }) => id).filter((id) => id !== undefined);
  }

  /**
   * Starts the worker and the relay last: they need the URLs of the others, and no client calls them before.
   *
   * @param uiOrigin origin of the Web UI, if the stack knows it
   */
  async start(uiOrigin: string | undefined): Promise<ServiceUrls> {
    const { config, simulate } = this.options;
    const webUi = uiOrigin === undefined ? {} : { KIMI_UI_ORIGIN: uiOrigin };
    const [webhook, simulator] = await Promise.all([this.startWebhook(webUi), this.startSimulator()]);
    const isSimulatedGateway = simulator !== undefined && !config.isSet('OPENCLAW_WAKE_URL');
    const gateway = isSimulatedGateway ? `${simulator}/hooks/wake` : config.OPENCLAW_WAKE_URL;
    const callbackBase = config.KIMI_CALLBACK_BASE_URL ?? `http://localhost:${webhook.port}`;
    const kimi = {
      KIMI_CALLBACK_BASE_URL: callbackBase,
      ...(simulator !== undefined && { KIMI_API_URL: `${simulator}/v1` }),
    };
    // A simulation never has the real key.
    const key = { KIMI_API_KEY: simulate ? SIMULATED_KEY : config.KIMI_API_KEY };
    const relay = usesRelay(config, simulate) ? await this.startRelay({ ...kimi, ...key }) : undefined;
    const sending = relay === undefined ? { ...key, KIMI_CALLBACKS: 'native' } : this.throughRelay(relay);
    const worker = await this.startWorker({ ...kimi, ...sending, ...webUi, OPENCLAW_WAKE_URL: gateway });
    return {
      webhook: httpAddress(config.WEBHOOK_HOST, webhook.port),
      worker: httpAddress(config.KIMI_WORKER_HOST, worker.port),
      relay,
      simulator,
      callbackBase,
      gateway,
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map((child) => child.stop()));
  }

  private async startWebhook(webUi: NodeJS.ProcessEnv): Promise<Child> {
    return await this.launch('webhook', 'WEBHOOK_PORT', {
      ...this.verifying(),
      ...secretsIn(process.env, 'KIMI_DASHBOARD_TOKEN'),
      ...this.payloads(),
      ...webUi,
    });
  }

  private async startSimulator(): Promise<string | undefined> {
    if (!this.options.simulate) return undefined;
    const { port } = await this.launch('simulator', 'KIMI_SIMULATOR_PORT', this.signing());
    return `http://${HOST}:${port}`;
  }

  private async startRelay(kimi: NodeJS.ProcessEnv): Promise<string> {
    const { port } = await this.launch('relay', 'KIMI_RELAY_PORT', {
      ...this.payloads(),
      ...this.signing(),
      ...kimi,
      KIMI_RELAY_TOKEN: this.secrets.relay,
    });
    return httpAddress(this.options.config.KIMI_RELAY_HOST, port);
  }

  private throughRelay(url: string): NodeJS.ProcessEnv {
    return { KIMI_RELAY_TOKEN: this.secrets.relay, KIMI_CALLBACKS: 'relay', KIMI_RELAY_URL: url };
  }

  private async startWorker(env: NodeJS.ProcessEnv): Promise<Child> {
    return await this.launch('worker', 'KIMI_WORKER_PORT', {
      ...this.verifying(),
      ...this.payloads(),
      ...secretsIn(process.env, 'OPENCLAW_WAKE_TOKEN', 'KIMI_CODEC_TOKEN'),
      ...env,
    });
  }

  private signing(): NodeJS.ProcessEnv {
    return { WEBHOOK_SECRET: this.secrets.webhook };
  }

  private verifying(): NodeJS.ProcessEnv {
    return { ...this.signing(), ...secretsIn(process.env, 'WEBHOOK_ADDITIONAL_SECRETS') };
  }

  private payloads(): NodeJS.ProcessEnv {
    return secretsIn(process.env, 'KIMI_PAYLOAD_KEYS', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN');
  }

  private async launch(
    name: MeasuredService | 'simulator',
    portVariable: PortVariable,
    env: NodeJS.ProcessEnv,
  ): Promise<Child> {
    const { config, onRestart } = this.options;
    const metrics = name === 'simulator' ? undefined : metricsPort(name, config);
    const child = new Child({
      name,
      command: process.execPath,
      args: ['--enable-source-maps', join(DIST, `${name}.js`)],
      env: {
        ...this.env,
        KIMI_TASK_QUEUE: config.KIMI_TASK_QUEUE,
        ...(config.KIMI_LIMITER !== undefined && { KIMI_LIMITER: config.KIMI_LIMITER }),
        [portVariable]: String(portOf(portVariable, this.options)),
        ...(metrics !== undefined && { KIMI_METRICS_PORT: String(metrics) }),
        ...secretsIn(process.env, 'OTEL_EXPORTER_OTLP_HEADERS'),
        ...env,
      },
      logFile: join(config.KIMI_HOME, 'logs', `${name}.log`),
      kind: 'service',
      onStart: this.onStart,
      onRestart,
      portVariable,
    });
    // Before it is ready: if another service fails to start, this one is stopped too.
    this.children.push(child);
    await child.start();
    return child;
  }
}
