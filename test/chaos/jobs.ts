/** Simulated users of maps, schedules and budgets: each repeats what it does under one key until it is confirmed. */
import { setTimeout as pause } from 'node:timers/promises';
import { ResultStore } from '../../src/results/store.ts';
import { LocalTasks } from '../../src/tasks/local.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import { newestTasks } from '../../src/temporal/task-list.ts';
import type { Start } from './check.ts';
import type { PlannedTask } from './plan.ts';
import type { Scene } from './stage.ts';
import { contextOf, modelFor, RETRY_MS, WAIT_MS } from './users.ts';

const MINUTE_MS = 60_000;

type OnStart = (start: Start) => void;

/**
 * Starts it; one that exceeds its budget is then allowed.
 *
 * @returns the task id; `undefined` of a schedule, which starts tasks itself
 */
export async function startJob(scene: Scene, planned: PlannedTask, onStart: OnStart): Promise<string | undefined> {
  const { name, kind, rows, isScheduled, allow_after } = planned;
  const { prompt, timeout_ms, priority, request, budget } = planned.request;
  const context = contextOf(scene);
  const tasks = new LocalTasks(context);
  const options = { timeout_ms, ...(priority && { priority }), ...(request && { request }) };
  const task = { name, prompt, model: modelFor(context), lang: 'en' as const, ...options, ...(budget && { budget }) };
  const started = { task_name: name, kind, prompt, documents: [], ...(request && { request }) };
  const at = scene.clock();
  const key = newKey();
  if (isScheduled) {
    const due_by = await keepSchedule(scene, tasks, { name, key, task });
    onStart({ ...started, said: 'accepted', took_ms: scene.clock() - at, due_by });
    return undefined;
  }
  const { task_id } = await untilConfirmed(scene, `start ${name}`, async () => {
    if (!rows) return await tasks.start(task, key, WAIT_MS);
    const kept = await tasks.keepRows({ name: 'rows.txt', content: Buffer.from(rows.join('\n')) });
    return await tasks.startMap({ ...task, rows: kept }, key);
  });
  onStart({ ...started, said: 'accepted', task_id, took_ms: scene.clock() - at, ...(rows && { rows }) });
  if (allow_after !== undefined) {
    await pause(allow_after);
    await allow(scene, task_id);
  }
  return task_id;
}

/** Adds a schedule that is due every minute, and removes it once it has started a task. @returns when it was due first, at the latest */
async function keepSchedule(
  scene: Scene,
  tasks: LocalTasks,
  { name, key, task }: { name: string; key: string; task: Parameters<LocalTasks['start']>[0] },
): Promise<string> {
  const { schedules } = tasks;
  const { client, taskQueue } = scene;
  const schedule = { when: '* * * * *', timezone: 'UTC', missed: 'all' as const, task };
  await untilConfirmed(scene, `add ${name}`, async () => await schedules.add(schedule, key));
  const due_by = new Date(Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS).toISOString();
  await untilConfirmed(scene, `wait for ${name}`, async () => {
    const found = await newestTasks(client, taskQueue, { schedule: name }, 1);
    if (found.length === 0) throw new Error('it was not due yet');
  });
  await untilConfirmed(scene, `remove ${name}`, async () => {
    await schedules.remove(name).catch((error: unknown) => {
      // By an attempt before this one.
      if ((error as { code?: unknown }).code !== 'unknown_schedule') throw error;
    });
  });
  return due_by;
}

/** Lets a task be sent that exceeds its budget. It may not have noticed yet. */
async function allow(scene: Scene, task_id: string): Promise<void> {
  const results = new ResultStore(scene.results);
  const tasks = new LocalTasks(contextOf(scene));
  await untilConfirmed(scene, `allow ${task_id}`, async () => {
    // An attempt before this one allowed it.
    if (await results.read(task_id)) return;
    await tasks.allow(task_id);
  });
}

/** Repeats what fails while something is broken. */
async function untilConfirmed<T>(scene: Scene, what: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      const done = await work();
      scene.trying.delete(what);
      return done;
    } catch (error) {
      scene.trying.set(what, (error as Error).message);
      await pause(RETRY_MS);
    }
  }
}
