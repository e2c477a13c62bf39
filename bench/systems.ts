/** The compared systems: each a set of processes that accept a task and its callback over HTTP. */
import { execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, watch } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Pool } from 'undici';
import { DIST } from '../src/service/files.ts';
import { freePort } from '../test/support/engine.ts';
import { apiId, MODEL, SECRET, signedCallback } from './callback.ts';
import { atTheEnd } from './clean-ups.ts';
import { startPostgres, startRedis, startRestate, startTemporal, type Engine } from './engines.ts';
import { bundleFloor } from './floor.ts';
import { Moments } from './moments.ts';
import { end, memoryOf, startNode } from './processes.ts';

/** The package of the peers; only this bench installs it. */
const PEERS = fileURLToPath(new URL('peers/', import.meta.url));

/**
 * After this time a task counts as lost, in milliseconds: longer than the recovery of any durable system after a kill -9.
 */
const LOST_MS = { durable: 60_000, forgetful: 5_000 };

/** Connections, as in the contract's flood test. */
const CONNECTIONS = 100;

/** How a process of a system is started. */
interface Part {
  args: string[];
  env: NodeJS.ProcessEnv;
  /** Whether it is killed with kill -9; a process that only starts tasks is not. */
  isKilled: boolean;
}

interface Plan {
  name: string;
  /** What a 200 response to a callback guarantees. */
  promise: string;
  engine?: Engine;
  /** @param own environment of every part: addresses of Kimi, gateway and webhook, and the results folder */
  parts(own: NodeJS.ProcessEnv): Part[];
  /** Path at `tasksPort` that starts a task. */
  tasksPort?: number;
}

/** A running system. */
export class System {
  readonly moments: Moments;
  /** Wakes by task. */
  readonly wakes = new Map<string, number>();
  /** Tasks that Kimi answers immediately. */
  answersAtOnce = false;

  private parts: Part[] = [];
  private children: ChildProcess[] = [];
  private readonly pool: Pool;
  private readonly tasks: Pool;

  private constructor(
    private readonly plan: Plan,
    readonly results: string,
    private readonly port: number,
  ) {
    this.moments = new Moments(LOST_MS[plan.engine ? 'durable' : 'forgetful']);
    this.pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS, pipelining: 1 });
    this.tasks = plan.tasksPort ? new Pool(`http://127.0.0.1:${plan.tasksPort}`) : this.pool;
  }

  get name(): string {
    return this.plan.name;
  }

  get promise(): string {
    return this.plan.promise;
  }

  get version(): string | undefined {
    return this.plan.engine?.version;
  }

  /** Root processes: CPU and memory include their descendants. */
  get pids(): number[] {
    const own = this.children.map(({ pid }) => pid as number);
    return this.plan.engine ? [...own, this.plan.engine.pid] : own;
  }

  /** @returns resident memory of each part, and of its engine; MB. */
  memory(): Record<string, number> {
    const own = this.parts.map(({ args }, i): [string, number] => {
      return [basename(args.at(-1) ?? ''), memoryOf([this.children[i]?.pid as number])];
    });
    const { engine } = this.plan;
    return Object.fromEntries([...own, ...(engine ? [['engine', memoryOf([engine.pid])] as const] : [])]);
  }

  static async start(plan: Plan, folder: string): Promise<System> {
    const results = join(folder, 'results');
    await mkdir(results, { recursive: true });
    const system = new System(plan, results, await freePort());
    await system.open(folder);
    return system;
  }

  private async open(folder: string): Promise<void> {
    const watcher = watch(this.results, (_event, name) => this.moments.note(`file ${name}`));
    atTheEnd(() => watcher.close());
    const url = await serveKimiAndGateway((path, task_id) => this.hear(path, task_id));
    this.parts = this.plan.parts({
      PATH: process.env['PATH'],
      NODE_NO_WARNINGS: '1',
      RESTATE_LOGGING: 'ERROR',
      HOME: folder,
      KIMI_RESULTS_DIR: this.results,
      KIMI_MODEL: MODEL,
      KIMI_API_URL: `${url}/v1`,
      KIMI_API_KEY: 'sk-bench',
      OPENCLAW_WAKE_URL: `${url}/hooks/wake`,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_PORT: String(this.port),
      ENGINE_URL: this.plan.engine?.url,
    });
    this.children = await Promise.all(this.parts.map(async ({ args, env }) => await startNode(args, env)));
  }

  /** Starts a task. @returns its id once the task is durable. */
  async dispatch(): Promise<string> {
    const own = `kimi-${Math.floor(Date.now() / 1_000)}-${(count += 1)}`;
    const path = this.plan.tasksPort ? '/tasks' : `/tasks/${own}`;
    const { statusCode, body } = await this.tasks.request({ method: 'POST', path });
    const said = await body.text();
    if (statusCode !== 200) throw new Error(`${this.name} did not take a task: ${statusCode} ${said}`);
    return (JSON.parse(said) as { task_id: string }).task_id;
  }

  /** Sends Kimi's callback. @returns whether it was accepted. */
  async callBack(task_id: string): Promise<boolean> {
    const { statusCode, body } = await this.pool.request({ method: 'POST', ...signedCallback(task_id) });
    await body.dump();
    return statusCode >= 200 && statusCode < 300;
  }

  /** @returns when the result was on the disk. */
  async saved(task_id: string): Promise<number> {
    return await this.moments.of(`file ${task_id}.json`);
  }

  /** @returns when the wake reached the gateway. */
  async woken(task_id: string): Promise<number> {
    return await this.moments.of(`wake of ${task_id}`);
  }

  /** @returns whether the result exists and is complete. */
  hasResult(task_id: string): boolean {
    const path = join(this.results, `${task_id}.json`);
    return existsSync(path) && statSync(path).size > 0;
  }

  /** Kills and restarts the processes that hold tasks. @returns the time of the kill. */
  async killAndRestart(): Promise<number> {
    const killed = this.parts.map(({ isKilled }, i) => ({ isKilled, child: this.children[i] as ChildProcess }));
    await Promise.all(killed.map(async ({ isKilled, child }) => isKilled && (await end(child, 'SIGKILL'))));
    const restarted = performance.now();
    this.children = await Promise.all(
      this.parts.map(async ({ args, env, isKilled }, i) =>
        isKilled ? await startNode(args, env) : (this.children[i] as ChildProcess),
      ),
    );
    return restarted;
  }

  private hear(path: string, task_id: string): void {
    if (path === '/hooks/wake') {
      this.wakes.set(task_id, (this.wakes.get(task_id) ?? 0) + 1);
      this.moments.note(`wake of ${task_id}`);
      return;
    }
    this.moments.note(`dispatch of ${task_id}`);
    // Delayed: no provider answers before it has accepted a task.
    if (this.answersAtOnce) setImmediate(() => void this.callBack(task_id));
  }
}

let count = 0;

/** Serves as Kimi and the gateway: accepts every request and reports its task. @returns the address. */
async function serveKimiAndGateway(hear: (path: string, task_id: string) => void): Promise<string> {
  const server = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      const task_id = String(incoming.headers['idempotency-key']);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: apiId(task_id) }));
      hear(incoming.url ?? '', task_id);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  atTheEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Starts the systems named in `only`, each with its engine. */
export async function startSystems(folder: string, only: string[]): Promise<System[]> {
  const systems: System[] = [];
  for (const [key, plan] of Object.entries(PLANS)) {
    if (only.length > 0 && !only.includes(key)) continue;
    const own = join(folder, key);
    await mkdir(own, { recursive: true });
    systems.push(await System.start(await plan(own, folder), own));
  }
  return systems;
}

/** Installs the packages of the peers if missing, without install scripts. */
export async function installPeers(): Promise<void> {
  if (existsSync(join(PEERS, 'node_modules/.package-lock.json'))) return;
  console.error('installing the peers (250 MB, once)');
  await promisify(execFile)('npm', ['ci', '--ignore-scripts', '--silent'], { cwd: PEERS });
}

const peer = (name: string, env: NodeJS.ProcessEnv): Part => ({
  args: [join(PEERS, `${name}.js`)],
  env,
  isKilled: true,
});

/** Ours and the floor share one Temporal server; they never run at the same time. */
let temporal: Promise<Engine> | undefined;

const PLANS: Record<string, (own: string, folder: string) => Promise<Plan>> = {
  async ours(own, folder) {
    const engine = await (temporal ??= startTemporal(folder));
    const tasksPort = await freePort();
    return {
      name: 'Kimi Dispatch',
      promise: 'in Temporal (SQLite, synced), or in its journal (LMDB, synced)',
      engine,
      tasksPort,
      parts: (env) => {
        const ours = {
          ...env,
          TEMPORAL_ADDRESS: engine.url,
          KIMI_HOME: own,
          KIMI_CALLBACKS: 'native',
          KIMI_WORKER_PORT: '0',
          DISPATCHER_PORT: String(tasksPort),
          KIMI_MAX_TASKS_PER_MINUTE: '0',
          KIMI_MAX_CONCURRENT_TASKS: '0',
        };
        const dispatcher = fileURLToPath(new URL('dispatcher.ts', import.meta.url));
        return [
          { args: [join(DIST, 'webhook.js')], env: ours, isKilled: true },
          { args: [join(DIST, 'worker.js')], env: ours, isKilled: true },
          { args: ['--import', 'tsx', dispatcher], env: ours, isKilled: false },
        ];
      },
    };
  },
  async floor(own, folder) {
    const engine = await (temporal ??= startTemporal(folder));
    const bundle = join(own, 'floor.cjs');
    await writeFile(bundle, (await bundleFloor()).code);
    return {
      name: 'floor: Temporal alone',
      promise: 'in Temporal (SQLite, synced)',
      engine,
      parts: (env) => [peer('temporal', { ...env, FLOOR_BUNDLE: bundle })],
    };
  },
  async original() {
    return {
      name: 'the original’s design',
      promise: 'in a file, not synced; the wake in memory',
      parts: (env) => [peer('original', env)],
    };
  },
  async dbos() {
    const engine = await startPostgres();
    return {
      name: 'DBOS',
      promise: 'in PostgreSQL (synced)',
      engine,
      parts: (env) => [peer('dbos', env)],
    };
  },
  async bullmq(own) {
    const engine = await startRedis(join(own, 'redis'));
    return {
      name: 'BullMQ',
      promise: 'in Redis (appendfsync always)',
      engine,
      parts: (env) => [peer('bullmq', env)],
    };
  },
  async restate(own) {
    const { adminUrl, ...engine } = await startRestate(join(own, 'restate'), PEERS);
    const port = String(await freePort());
    return {
      name: 'Restate',
      promise: 'in the server’s log (synced)',
      engine,
      parts: (env) => [peer('restate', { ...env, RESTATE_ADMIN_URL: adminUrl, RESTATE_SERVICE_PORT: port })],
    };
  },
};
