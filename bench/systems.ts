/** A compared system (plans.ts) that runs: its processes, and the bench as Kimi, as the gateway and as the reader of its results. */
import { existsSync, statSync, watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Pool } from 'undici';
import { freePort } from '../test/support/engine.ts';
import { ANSWER, apiId, MODEL, SECRET, signedCallback } from './callback.ts';
import { atTheEnd } from './clean-ups.ts';
import { Moments } from './moments.ts';
import type { Plan, Program } from './plans.ts';

/**
 * After this time a task counts as lost, in milliseconds: longer than the recovery of any durable system after a kill -9.
 */
const LOST_MS = { durable: 120_000, forgetful: 5_000 };

/** Connections that send callbacks at the same time. */
const CONNECTIONS = 100;

export class System {
  readonly moments: Moments;
  /** Wakes by task. */
  readonly wakes = new Map<string, number>();
  /** Whether Kimi answers each task immediately. */
  answersAtOnce = false;

  /** The stream that Kimi has opened last and not ended. */
  private stream: ServerResponse | undefined;
  private readonly pool: Pool;
  private readonly tasks: Pool;
  private program: Program | undefined;

  private constructor(
    private readonly plan: Plan,
    readonly results: string,
    private readonly port: number,
    private readonly closing: (() => unknown)[],
  ) {
    this.moments = new Moments(LOST_MS[plan.isDurable ? 'durable' : 'forgetful']);
    this.pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS, pipelining: 1 });
    this.tasks = plan.tasksPort ? new Pool(`http://127.0.0.1:${plan.tasksPort}`) : this.pool;
  }

  get name(): string {
    return this.plan.name;
  }

  /** Whether Kimi streams its answers to the system, and no callback comes from outside. */
  get isRelayed(): boolean {
    return this.plan.isRelayed === true;
  }

  /** The command line of a build of ours. */
  get cli(): { script: string; env: NodeJS.ProcessEnv } | undefined {
    return this.program?.cli;
  }

  /** Milliseconds from the start of its processes until it takes tasks. */
  readyMs = NaN;

  /** Every process, with the one that starts tasks in place of the command line. */
  get pids(): number[] {
    return this.program?.pids() ?? [];
  }

  /** The same without that one. */
  get ownPids(): number[] {
    return this.pids.filter((pid) => pid !== this.program?.dispatcher);
  }

  /** Starts a system in an empty folder. */
  static async start(plan: Plan, folder: string): Promise<System> {
    const results = join(folder, 'results');
    await mkdir(results, { recursive: true });
    const closing: (() => unknown)[] = [];
    const system = new System(plan, results, await freePort(), closing);
    atTheEnd(async () => await system.stop());
    await system.open(folder);
    return system;
  }

  private async open(folder: string): Promise<void> {
    const watcher = watch(this.results, (_event, name) => this.moments.note(`file ${name}`));
    this.closing.push(() => watcher.close());
    const url = await this.serveKimiAndGateway();
    this.program = await this.plan.start({
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
    });
    this.readyMs = this.program.readyMs;
  }

  async stop(): Promise<void> {
    await this.program?.stop();
    await Promise.all([this.pool, this.tasks].map(async (pool) => await pool.destroy()));
    for (const close of this.closing.splice(0)) close();
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

  /** @returns when Kimi has the task; behind a relay only one task may be open. */
  async dispatched(task_id: string): Promise<number> {
    if (!this.isRelayed) return await this.moments.of(`dispatch of ${task_id}`);
    while (this.stream === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    return performance.now();
  }

  /** Sends Kimi's callback, or the end of its stream. @returns whether it was accepted. */
  async callBack(task_id: string): Promise<boolean> {
    if (this.isRelayed) {
      endStream(this.stream as ServerResponse);
      this.stream = undefined;
      return true;
    }
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

  /** Kills the processes that hold tasks with kill -9, and starts them again. @returns the time of the kill. */
  async killAndRestart(): Promise<number> {
    const killed = performance.now();
    await this.program?.killAndRestart();
    return killed;
  }

  /** Serves as Kimi and the gateway. @returns the address. */
  private async serveKimiAndGateway(): Promise<string> {
    const server = createServer((incoming, response) => {
      incoming.resume().on('end', () => this.answer(incoming.url ?? '', incoming.headers['idempotency-key'], response));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    this.closing.push(() => server.close().closeAllConnections());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  private answer(path: string, key: unknown, response: ServerResponse): void {
    const task_id = String(key);
    if (this.isRelayed && path.endsWith('/chat/completions')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(event({ delta: { content: ANSWER }, finish_reason: null }));
      if (this.answersAtOnce) endStream(response);
      else this.stream = response;
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: apiId(task_id) }));
    if (path === '/hooks/wake') {
      this.wakes.set(task_id, (this.wakes.get(task_id) ?? 0) + 1);
      this.moments.note(`wake of ${task_id}`);
    } else if (path.endsWith('/chat/completions')) {
      this.moments.note(`dispatch of ${task_id}`);
      // Delayed: no provider answers before it has accepted a task.
      if (this.answersAtOnce) setImmediate(() => void this.callBack(task_id).catch(() => {}));
    }
  }
}

let count = 0;

function event(choice: object): string {
  return `data: ${JSON.stringify({ id: 'cmpl-bench', model: MODEL, choices: [{ index: 0, ...choice }] })}\n\n`;
}

function endStream(response: ServerResponse): void {
  const usage = { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 };
  response.end(`${event({ delta: {}, finish_reason: 'stop', usage })}data: [DONE]\n\n`);
}
