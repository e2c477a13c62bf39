/** Simulated users and agents: they start tasks, cancel some, and acknowledge notifications. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readConfig } from '../../src/config/index.ts';
import type { Task } from '../../src/shared/task.ts';
import { keepFile } from '../../src/tasks/files.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { startTask } from '../../src/tasks/start.ts';
import { EXIT } from '../../src/service/exit.ts';
import { DIST } from '../../src/service/files.ts';
import { ResultStore } from '../../src/results/store.ts';
import { notificationId } from '../../src/shared/task-id.ts';
import { type Command, type Observed, type Start } from './check.ts';
import type { PlannedTask } from './plan.ts';
import type { Scene } from './stage.ts';

/** How long a start waits for Kimi, as `dispatch` does, in milliseconds. */
const WAIT_MS = 900;

/** Pause of a user before a retry, in milliseconds. */
const RETRY_MS = 1_000;

/** How often an agent with `ack: 'agent'` reads its inbox without being woken, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/**
 * Starts a task, with retries: each attempt has its own task name, so that attempts can be distinguished.
 *
 * @param onStart called with the outcome of each attempt
 */
export async function start(scene: Scene, planned: PlannedTask, onStart: (start: Start) => void): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const task_name = attempt === 1 ? planned.name : `${planned.name}-${attempt}`;
    const request = {
      task_name,
      model: 'moonshot-v1-128k',
      lang: 'en' as const,
      limiter: scene.limiter,
      ...planned.request,
    };
    const at = scene.clock();
    scene.trying.set(planned.name, `start, since ${at} ms`);
    try {
      const files = await filesFor(scene, planned);
      const { status, task_id } = await startTask(scene.client, scene.taskQueue, { ...request, ...files }, WAIT_MS);
      onStart({ task_name, kind: planned.kind, said: status, task_id, took_ms: scene.clock() - at });
      if (status !== 'unknown') {
        scene.trying.delete(planned.name);
        return task_id;
      }
      scene.trying.set(planned.name, `start: ${status}`);
    } catch (error) {
      const why = (error as Error).message;
      onStart({ task_name, kind: planned.kind, said: 'failed', why, took_ms: scene.clock() - at });
      scene.trying.set(planned.name, `start: ${why}`);
    }
    await pause(RETRY_MS);
  }
}

/** Stores the file of a task, as the command line does. */
async function filesFor({ env }: Scene, { file }: PlannedTask): Promise<Pick<Task, 'files'>> {
  if (file === undefined) return {};
  const { contents } = openPayloads(readConfig(env));
  const place = { contents, relay: false, apiUrl: undefined };
  return { files: [await keepFile(place, { name: 'task.txt', content: Buffer.from(file) })] };
}

/** Exit codes of failures that are retried: something is broken, or not ready yet. */
const RETRIED: number[] = [EXIT.unexpected, EXIT.config, EXIT.engine, EXIT.unfinished];

/** Runs `kimi-dispatch cancel` or `ack` with retries. */
export async function runUntilDone(scene: Scene, what: Command['what'], task_id: string): Promise<Command> {
  const at = scene.clock();
  const failures: Command['failures'] = [];
  const trying = `${what} ${task_id}`;
  scene.trying.set(trying, `since ${at} ms`);
  for (;;) {
    const { code, said } = await runCli(scene, [what, task_id]);
    if (!RETRIED.includes(code)) {
      scene.trying.delete(trying);
      return { what, task_id, at, ended_at: scene.clock(), code, failures };
    }
    failures.push({ code, said });
    scene.trying.set(trying, `exit status ${code}, ${failures.length} times: ${said}`);
    await pause(RETRY_MS);
  }
}

/**
 * An agent with `ack: 'agent'`: when it is woken, and at intervals, it shows the notifications of its inbox and acknowledges
 * them.
 */
export class Agent {
  readonly shown: Observed['shown'] = [];
  readonly acknowledging: Promise<Command>[] = [];
  private readonly results: ResultStore;
  private readonly heartbeat: NodeJS.Timeout;

  /** @param isMine whether a task belongs to this agent */
  constructor(
    private readonly scene: Scene,
    private readonly isMine: (task_id: string) => boolean,
  ) {
    this.results = new ResultStore(scene.results);
    this.heartbeat = setInterval(() => void this.look(), HEARTBEAT_MS);
  }

  async look(): Promise<void> {
    // A disk that is broken now is read at the next heartbeat.
    const notifications = await this.results.unacknowledged().catch(() => []);
    for (const result of notifications) {
      const key = notificationId(result);
      if (!this.isMine(result.task_id) || this.shown.some((known) => known.key === key)) continue;
      this.shown.push({ at: this.scene.clock(), key });
      this.acknowledging.push(runUntilDone(this.scene, 'ack', key));
    }
  }

  stop(): void {
    clearInterval(this.heartbeat);
  }
}

async function runCli(scene: Scene, args: string[]): Promise<{ code: number; said: string }> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [join(DIST, 'kimi-dispatch.js'), ...args], { env: scene.env }, (error, out, err) => {
      const code = typeof error?.code === 'number' ? error.code : error ? EXIT.unexpected : EXIT.ok;
      resolve({ code, said: (out + err).trim() });
    });
  });
}
