/** Two workers and two webhooks as processes of different builds, between the engine and the simulated Kimi. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import { inject, onTestFinished } from 'vitest';
import { GatewayStub } from '../../chaos/gateway.ts';
import { limiterId } from '../../../src/shared/names.ts';
import { SIGNATURE_HEADER, sign } from '../../../src/webhook/signature.ts';
import { callbackFor } from '../../support/callback.ts';
import { freePort } from '../../support/engine.ts';
import { launch } from '../../support/service.ts';
import { SECRET, temporaryFolder } from '../../support/resources.ts';
import { openWorld, type World } from '../../support/world.ts';

const run = promisify(execFile);

/** Pause of a provider before a callback is sent again, in milliseconds. */
const RETRY_MS = 200;

type Process = Awaited<ReturnType<typeof launch>>;

/** A dispatched task. */
export interface Dispatched {
  name: string;
  task_id: string;
}

/** Options of a task. */
export interface Request {
  name: string;
  /** Directives of the simulator. */
  directives: string;
  /** e.g. `2s` */
  timeout?: string;
  env?: Record<string, string>;
}

export class Fleet {
  private readonly workers: Process[] = [];
  private readonly webhooks: Process[] = [];

  private constructor(
    readonly world: World,
    readonly gateway: GatewayStub,
    private readonly ports: number[],
    private readonly env: Record<string, string>,
  ) {}

  /** @param dist the `dist` folder of the build of all four processes */
  static async start(dist: string): Promise<Fleet> {
    const world = await openWorld({ worker: false });
    const gateway = new GatewayStub(() => Date.now());
    await gateway.start();
    onTestFinished(async () => await gateway.stop());
    const first = await freePort(2);
    const fleet = new Fleet(world, gateway, [first, first + 1], {
      HOME: await temporaryFolder(),
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_LANG: 'en',
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
      KIMI_API_URL: `${world.simulatorUrl}/v1`,
      KIMI_API_KEY: 'sk-test',
      KIMI_MODEL: 'moonshot-v1-128k',
      KIMI_MAX_TASKS_PER_MINUTE: '0',
      KIMI_MAX_CONCURRENT_TASKS: '4',
      KIMI_CALLBACK_BASE_URL: `http://127.0.0.1:${first}`,
      OPENCLAW_WAKE_URL: gateway.url,
      WEBHOOK_SECRET: SECRET,
    });
    for (const index of [0, 1]) {
      await fleet.replace('worker', index, dist);
      await fleet.replace('webhook', index, dist);
    }
    return fleet;
  }

  /** Stops a process with SIGTERM, as a deploy does, and starts one of another build. */
  async replace(service: 'worker' | 'webhook', index: number, dist: string): Promise<void> {
    const those = service === 'worker' ? this.workers : this.webhooks;
    const before = those[index];
    before?.child.kill('SIGTERM');
    const code = (await before?.ended) ?? 0;
    if (code !== 0) throw new Error(`${service} ${index} ended with ${code}`);
    const env = service === 'webhook' ? { ...this.env, WEBHOOK_PORT: String(this.ports[index]) } : this.env;
    const started = await launch(service, env, dist);
    await started.says('ready');
    those[index] = started;
  }

  /** Starts a task with the command line of a build. */
  async dispatch(dist: string, { name, directives, timeout = '10m', env }: Request): Promise<Dispatched> {
    const prompt = promptOf(name, directives);
    const args = ['dispatch', '--json', '-n', name, '-p', prompt, '--timeout', timeout];
    const { stdout } = await this.cli(dist, args, env);
    return { name, task_id: (JSON.parse(stdout) as { task_id: string }).task_id };
  }

  async cli(dist: string, args: string[], env: Record<string, string> = {}): Promise<{ stdout: string }> {
    return await run(process.execPath, [join(dist, 'kimi-dispatch.cjs'), ...args], {
      env: { PATH: process.env['PATH'], ...this.env, ...env },
    });
  }

  /** Posts Kimi's callback until the webhook accepts it. */
  async answer({ name, task_id }: Dispatched, webhook: 0 | 1): Promise<void> {
    const body = JSON.stringify({ ...callbackFor(task_id), choices: [{ message: { content: answerTo(name) } }] });
    const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, SECRET) };
    for (;;) {
      const url = `http://127.0.0.1:${this.ports[webhook]}/kimi/webhook/${task_id}`;
      const response = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined);
      if (response?.ok) return;
      await pause(RETRY_MS);
    }
  }

  get limiter(): WorkflowHandle {
    return this.world.client.workflow.getHandle(limiterId(this.world.taskQueue));
  }

  /** Notifications of a task in order, by state: `done`, `timed out`, …; duplicates included. */
  notifications(name: string): string[] {
    return this.gateway.wakes.flatMap(({ text }) => {
      const [, state, of] = /^Kimi task ([a-z ]+): ([^\s（(]+)/.exec(text) ?? [];
      return state !== undefined && of === name ? [state] : [];
    });
  }
}

export function promptOf(name: string, directives: string): string {
  return `${name} [[simulate: ${directives}]]`;
}

/** The answer when the test acts as Kimi. */
export function answerTo(name: string): string {
  return `the answer to ${name}`;
}
