/** Simulated users and agents: they start tasks, cancel some, and acknowledge notifications. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readConfig } from '../../src/config/index.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import type { TaskFile } from '../../src/shared/task.ts';
import { taskContext, type TaskContext } from '../../src/tasks/context.ts';
import { continued } from '../../src/tasks/conversation.ts';
import { keepFile } from '../../src/tasks/files.ts';
import { checkTask, inputOf } from '../../src/tasks/request.ts';
import { startTask } from '../../src/tasks/start.ts';
import { EXIT } from '../../src/service/exit.ts';
import { DIST } from '../../src/service/files.ts';
import { ResultStore } from '../../src/results/store.ts';
import { notificationId } from '../../src/shared/task-id.ts';
import { type Command, type Observed, type Start } from './check.ts';
import type { PlannedFile, PlannedTask } from './plan.ts';
import type { Scene } from './stage.ts';
import { pdf } from '../support/documents.ts';

/** How long a start waits for Kimi, as `dispatch` does, in milliseconds. */
export const WAIT_MS = 900;

/** Pause of a user before a retry, in milliseconds. */
export const RETRY_MS = 1_000;

/** How often an agent with `ack: 'agent'` reads its inbox without being woken, in milliseconds. */
const HEARTBEAT_MS = 15_000;

/**
 * Starts a task, with retries: each attempt has its own task name, which its prompt begins with, so that attempts can be distinguished.
 *
 * @param onStart called with the outcome of each attempt
 * @param earlier id of the task whose conversation it continues
 */
export async function start(
  scene: Scene,
  planned: PlannedTask,
  onStart: (start: Start) => void,
  earlier?: string,
): Promise<string> {
  const { kind, name } = planned;
  for (let attempt = 1; ; attempt += 1) {
    const task_name = attempt === 1 ? name : `${name}-${attempt}`;
    const { prompt: asked, request, ...settings } = planned.request;
    const prompt = asked.replaceAll(name, task_name);
    const documents = planned.files?.flatMap(({ text, upload }) => (upload === undefined ? [] : text)) ?? [];
    const started = {
      task_name,
      kind,
      prompt,
      documents,
      ...(request && { request }),
      ...(earlier && { continues: earlier }),
    };
    const at = scene.clock();
    scene.trying.set(name, `start, since ${at} ms`);
    try {
      const context = contextOf(scene);
      const files = await filesFor(context, planned);
      const task = {
        name: task_name,
        model: modelFor(context),
        prompt,
        files,
        lang: 'en' as const,
        ...(request && { request }),
      };
      const checked = checkTask(context, await continued(context, { ...task, ...(earlier && { continue: earlier }) }));
      const input = { ...inputOf(context, checked), ...settings, limiter: scene.limiter };
      const { status, task_id } = await startTask(scene.client, scene.taskQueue, input, WAIT_MS);
      onStart({ ...started, said: status, task_id, took_ms: scene.clock() - at });
      if (status !== 'unknown') {
        scene.trying.delete(name);
        return task_id;
      }
      scene.trying.set(name, `start: ${status}`);
    } catch (error) {
      const why = (error as Error).message;
      onStart({ ...started, said: 'failed', why, took_ms: scene.clock() - at });
      scene.trying.set(name, `start: ${why}`);
    }
    await pause(RETRY_MS);
  }
}

/** What the command line works with. */
export function contextOf({ env, client, isRelayed }: Scene): TaskContext {
  return { ...taskContext(readConfig(env), undefined, true, async (work) => await work(client)), relay: isRelayed };
}

export function modelFor({ relay }: TaskContext): string {
  return relay ? 'kimi-k2.6' : 'moonshot-v1-128k';
}

/** More than the buffers of a connection hold, so that a kill meets an upload between two of its bytes. */
const PADDING = Buffer.alloc(8_000_000, ' ');

/** Stores the files of a task, as the command line does. */
async function filesFor(context: TaskContext, { files = [] }: PlannedTask): Promise<TaskFile[]> {
  return await Promise.all(
    files.map(async (file, n) => {
      const extension = file.upload === undefined ? 'txt' : 'pdf';
      return await keepFile(context, { name: `${n + 1}.${extension}`, content: contentOf(file) });
    }),
  );
}

function contentOf({ text, upload }: PlannedFile): Buffer {
  if (upload === undefined) return Buffer.from(text);
  return Buffer.concat([Buffer.from(`%[[upload: ${upload}]]\n`), pdf([text]), PADDING]);
}

/** @returns whether a task has an answer in the end. */
export async function hasAnswer({ results, trying }: Scene, task_id: string): Promise<boolean> {
  const store = new ResultStore(results);
  trying.set(task_id, 'waits for the answer that is to be continued');
  for (;;) {
    // A disk that is broken now is read again.
    const result: ResultFile | undefined = await store.readIfSound(task_id).catch(() => undefined);
    const isAnswered = result?.output !== undefined;
    if (isAnswered || result?.status === 'failed' || result?.status === 'cancelled') {
      trying.delete(task_id);
      return isAnswered;
    }
    await pause(RETRY_MS);
  }
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
    execFile(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), ...args], { env: scene.env }, (error, out, err) => {
      const code = typeof error?.code === 'number' ? error.code : error ? EXIT.unexpected : EXIT.ok;
      resolve({ code, said: (out + err).trim() });
    });
  });
}
