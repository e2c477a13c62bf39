/** The embedded Temporal dev server, and the front of its Web UI. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ServiceError } from '../service/exit.ts';
import { checkPorts, listen, LOOPBACK } from '../service/ports.ts';
import { ProgramChild, type ChildOptions } from './child.ts';
import { markDatabaseComplete, databaseProblem, DatabaseUnusable, prepareDatabase } from './engine-database.ts';
import { recordServer, serverOf, undoUpgrade } from './server-version.ts';
import { createFront, portsWithoutPages } from './ui-proxy.ts';
import type { EnginePlan } from './plan.ts';
import type { ProcessId } from './process-id.ts';

/** How often the server is started if other processes take its ports meanwhile. */
const ATTEMPTS = 3;

export interface EnginePorts {
  port: number;
  /** Web UI and metrics answer any web page, so they listen on ports that pages cannot reach. */
  uiPort: number;
  metricsPort: number;
}

export function portArgs({ port, uiPort, metricsPort }: EnginePorts): string[] {
  return ['--port', String(port), '--ui-port', String(uiPort), '--metrics-port', String(metricsPort)];
}

export class EmbeddedEngine {
  /** `host:port`, once it has started. */
  address = '';
  uiUrl = '';
  private child: ProgramChild | undefined;
  private front: Server | undefined;
  private uiPort = 0;

  constructor(
    private readonly home: string,
    private readonly plan: EnginePlan,
    private readonly events: Pick<ChildOptions, 'onStart' | 'onRestart'>,
  ) {}

  get id(): ProcessId | undefined {
    return this.child?.id;
  }

  /** Starts the server on its on-disk database, and waits until its port is open. */
  async start(): Promise<void> {
    const { home } = this;
    prepareDatabase(home, this.plan.server.version);
    const logFile = join(home, 'logs', 'temporal.log');
    for (let attempt = 1; ; attempt++) {
      const logged = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
      try {
        await this.launch(logFile);
        await recordServer(home, this.plan.server);
        return;
      } catch (error) {
        const output = existsSync(logFile) ? readFileSync(logFile).subarray(logged).toString() : '';
        // The server chooses some ports itself; another stack may take one first.
        if (attempt < ATTEMPTS && /address already in use/.test(output)) continue;
        const problem = databaseProblem(home, output);
        if (!problem) throw error;
        const written = serverOf(home)?.version ?? '';
        if (!(await undoUpgrade(home))) throw new DatabaseUnusable(home, problem);
        const { path, version } = this.plan.server;
        throw new ServiceError('upgrade_failed', { file: path, found: version, written });
      }
    }
  }

  /** Marks the database as usable. Called once a client has used the engine. */
  markComplete(): void {
    markDatabaseComplete(this.home);
  }

  private async launch(logFile: string): Promise<void> {
    const { home, plan, events } = this;
    const [port = 0] = await checkPorts([{ host: LOOPBACK, port: plan.port, variable: 'KIMI_TEMPORAL_PORT' }]);
    // Again after each end: another stack that started at the same time may have taken one before the server did.
    const args = async (): Promise<string[]> => {
      const [uiPort, metricsPort] = (await portsWithoutPages(2)) as [number, number];
      this.uiPort = uiPort;
      return [...plan.args, ...portArgs({ port, uiPort, metricsPort })];
    };
    const first = await args();
    const publicPort = await this.openFront();
    this.address = `${LOOPBACK}:${port}`;
    this.uiUrl = `http://${LOOPBACK}:${publicPort}`;
    const options: ChildOptions = {
      name: 'temporal',
      command: plan.server.path,
      args: first,
      argsAgain: args,
      cwd: home,
      env: plan.env,
      logFile,
      ...events,
    };
    this.child = new ProgramChild(options, async () => await isOpen(port));
    await this.child.start();
  }

  /** @returns the port of the Web UI's front. */
  private async openFront(): Promise<number> {
    const { origins, uiPort: port } = this.plan;
    this.front?.close();
    this.front = createFront(() => this.uiPort, LOOPBACK, origins);
    return await listen(this.front, { host: LOOPBACK, port }, 'KIMI_UI_PORT');
  }

  async stop(): Promise<void> {
    await this.child?.stop();
    this.front?.close();
    this.front?.closeAllConnections();
  }
}

/** @returns whether a server listens on a port of this machine. */
async function isOpen(port: number): Promise<boolean> {
  const socket = connect({ host: LOOPBACK, port });
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}
