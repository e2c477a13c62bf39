/** The supervisor of a stack: starts its processes, restarts those that end, and stops them in order. Small, since it always runs. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isoSeconds } from '../shared/format.ts';
import { DIST } from '../service/files.ts';
import { LOOPBACK } from '../service/ports.ts';
import { ServiceChild, type ChildOptions } from './child.ts';
import { EmbeddedEngine } from './embedded-engine.ts';
import { damageOf } from './engine-database.ts';
import type { ClaimedHome } from './home.ts';
import type { ChildName, Plan } from './plan.ts';
import { identify, type ProcessId } from './process-id.ts';
import { rotateLogs } from './rotate-logs.ts';
import type { ServicesStart } from './services.ts';
import type { StackState } from './state.ts';

/** How often the sizes of the logs are checked, in milliseconds. */
const ROTATION_MS = 2_000;

/**
 * The services' heap. Half of the young heap that Node lets a process grow to while it loads, in MB. And one thread that collects it: several leave gaps, 100 MB
 * after some hundred tasks (docs/decisions/0020-one-process.md).
 */
const HEAP = ['--max-semi-space-size=8', '--no-parallel-scavenge'];

/**
 * For glibc: an allocation of so many bytes is a mapping of its own, which the system gets back. By default it would rise with what is freed, and the large buffers
 * of the start leave gaps: 16 MB less memory.
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: String(256 * 1024) };

/** From the second time that the services hang, workflows run in a thread of the SDK, until the stack is started again. */
const HANGS = 2;

export class Supervisor {
  private readonly engine: EmbeddedEngine | undefined;
  private readonly simulator: ServiceChild | undefined;
  private readonly services: ServiceChild;
  private state: StackState | undefined;
  private readonly rotation: NodeJS.Timeout;
  private dependencies: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly plan: Plan,
    private readonly home: ClaimedHome,
  ) {
    const { engine, simulator, services } = plan;
    mkdirSync(this.logs, { recursive: true, mode: 0o700 });
    this.rotation = setInterval(() => rotateLogs(this.logs), ROTATION_MS).unref();
    this.engine = engine && new EmbeddedEngine(plan.home, engine, this.events);
    this.simulator =
      simulator &&
      new ServiceChild({
        ...this.options('simulator', simulator),
        // The services have its address.
        envAgain: () => ({ KIMI_SIMULATOR_PORT: String(this.simulator?.report?.port) }),
      });
    this.services = new ServiceChild(
      this.options('services', services.env),
      async () => await this.settings(),
      () => console.error(plan.say.hung),
    );
  }

  /** Starts all processes at once; the services wait for what they need. @throws the reason why one could not start. */
  async start(): Promise<StackState> {
    this.dependencies = Promise.all([this.engine?.start(), this.simulator?.start()]);
    await Promise.all([this.dependencies, this.services.start()]);
    this.engine?.markComplete();
    this.state = this.describe();
    await this.home.writeState(this.state);
    return this.state;
  }

  /** Stops every process, the engine last. Nothing durable is lost. */
  async stop(): Promise<void> {
    clearInterval(this.rotation);
    await Promise.all([this.services.stop(), this.simulator?.stop()]);
    await this.engine?.stop();
  }

  private get logs(): string {
    return join(this.plan.home, 'logs');
  }

  private get events(): Pick<ChildOptions, 'onStart' | 'onRestart'> {
    return { onStart: () => this.updateIds(), onRestart: (name, missing) => this.sayRestarted(name, missing) };
  }

  private options(name: 'services' | 'simulator', env: NodeJS.ProcessEnv): ChildOptions {
    const args = ['--enable-source-maps', ...HEAP, join(DIST, `${name}.js`)];
    return {
      name,
      command: process.execPath,
      args,
      env: { ...ALLOCATOR, ...env },
      logFile: join(this.logs, `${name}.log`),
      ...this.events,
    };
  }

  /** What the services are sent. After a restart they use the same ports as before. */
  private async settings(): Promise<ServicesStart> {
    await this.dependencies;
    const { sent, isSimulatedGateway } = this.plan.services;
    const { engine, simulatorUrl } = this;
    return {
      engine: engine?.address,
      env: {
        ...(engine && { TEMPORAL_ADDRESS: engine.address, KIMI_UI_ORIGIN: engine.uiUrl }),
        ...(simulatorUrl !== undefined && { KIMI_API_URL: `${simulatorUrl}/v1` }),
        ...(isSimulatedGateway && { OPENCLAW_WAKE_URL: `${simulatorUrl}/hooks/wake` }),
        ...sent,
        ...this.services.report?.services?.ports,
        // A workflow that hung may hang again. In a thread of its own, the SDK ends it after some seconds.
        ...(this.services.hangs >= HANGS && { KIMI_WORKFLOW_THREAD: 'sdk' }),
      },
    };
  }

  private get simulatorUrl(): string | undefined {
    return this.simulator && `http://${LOOPBACK}:${this.simulator.report?.port}`;
  }

  private sayRestarted(name: ChildName, missing: string | undefined): void {
    const { say, home } = this.plan;
    console.error(missing === undefined ? say.restarted[name] : say.missing[name].replace('{}', missing));
    const damage = name === 'temporal' ? damageOf(home) : undefined;
    if (damage !== undefined) console.error(say.damage[damage]);
  }

  private ids(): ProcessId[] {
    return [this.engine, this.services, this.simulator].map((child) => child?.id).filter((id) => id !== undefined);
  }

  /** A process was started again: it has another id. */
  private updateIds(): void {
    if (this.state) void this.home.writeState({ ...this.state, children: this.ids() }).catch(() => {});
  }

  private describe(): StackState {
    const { engine, services, simulatorUrl } = this;
    const { report } = services;
    if (!report?.services) throw new Error('the services did not describe themselves');
    return {
      ...(identify(process.pid) ?? { pid: process.pid, start: '' }),
      children: this.ids(),
      started_at: isoSeconds(Date.now()),
      ...this.plan.state,
      ...(engine && { ui_url: engine.uiUrl }),
      ...(simulatorUrl !== undefined && { simulator_url: simulatorUrl }),
      ...report.services.state,
      // Behind the relay the simulated Kimi is Moonshot's API, with its models.
      ...(simulatorUrl !== undefined && report.services.state.relay_url !== undefined && { api_url: undefined }),
    };
  }
}
