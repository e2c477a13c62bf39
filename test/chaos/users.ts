/** Those who use the product: they start tasks, take some back, and acknowledge what they were shown. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startTask } from '../../src/cli/start.ts';
import { EXIT } from '../../src/service/exit.ts';
import { DIST } from '../../src/service/files.ts';
import { ResultStore } from '../../src/results/store.ts';
import { notificationId } from '../../src/shared/task-id.ts';
import { type Command, type Observed, type Start } from './check.ts';
import type { PlannedTask } from './plan.ts';
import type { Scene } from './stage.ts';

/** How long a start waits for Kimi, as `dispatch` does, in milliseconds. */
const WAIT_MS = 900;

/** How long a user waits before something that did not work is tried again, in milliseconds. */
const TRY_AGAIN_MS = 1_000;

/** How often an agent that acknowledges for itself looks for news by itself, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/**
 * Starts a task, as often as it takes: each time under a name of its own, so that nothing is mistaken for another start.
 *
 * @param onStart is told what came of each start.
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
      const { status, task_id } = await startTask(scene.client, scene.taskQueue, request, WAIT_MS);
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
    await pause(TRY_AGAIN_MS);
  }
}

/** Exit statuses of a command that is worth trying again: something is broken, or not yet there. */
const TRIED_AGAIN: number[] = [EXIT.unexpected, EXIT.config, EXIT.engine, EXIT.unfinished];

/** Runs `kimi-dispatch cancel` or `ack`, as often as it takes. */
export async function tell(scene: Scene, what: Command['what'], task_id: string): Promise<Command> {
  const at = scene.clock();
  const failures: Command['failures'] = [];
  const trying = `${what} ${task_id}`;
  scene.trying.set(trying, `since ${at} ms`);
  for (;;) {
    const { code, said } = await runCli(scene, [what, task_id]);
    if (!TRIED_AGAIN.includes(code)) {
      scene.trying.delete(trying);
      return { what, task_id, at, ended_at: scene.clock(), code, failures };
    }
    failures.push({ code, said });
    scene.trying.set(trying, `exit status ${code}, ${failures.length} times: ${said}`);
    await pause(TRY_AGAIN_MS);
  }
}

/**
 * An agent that says for itself what its user has been shown: when it is woken, and from time to time by itself, it shows
 * what is in the inbox and acknowledges it.
 */
export class Agent {
  readonly shown: Observed['shown'] = [];
  readonly acknowledging: Promise<Command>[] = [];
  private readonly results: ResultStore;
  private readonly heartbeat: NodeJS.Timeout;

  /** @param isMine says which tasks it looks after. */
  constructor(
    private readonly scene: Scene,
    private readonly isMine: (task_id: string) => boolean,
  ) {
    this.results = new ResultStore(scene.results);
    this.heartbeat = setInterval(() => void this.look(), HEARTBEAT_MS);
  }

  async look(): Promise<void> {
    // A disk that cannot be read now can be at the next heartbeat.
    const news = await this.results.unacknowledged().catch(() => []);
    for (const result of news) {
      const key = notificationId(result);
      if (!this.isMine(result.task_id) || this.shown.some((known) => known.key === key)) continue;
      this.shown.push({ at: this.scene.clock(), key });
      this.acknowledging.push(tell(this.scene, 'ack', key));
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
