/** Waits until the system is idle, and reads the state of the engine and of the results folder. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { WorkflowNotFoundError } from '@temporalio/client';
import { limiterView } from '../../src/limiter/client.ts';
import type { BudgetView } from '../../src/shared/budget.ts';
import { LIMITER_WORKFLOW, SEARCH_ATTRIBUTES, STATUS_QUERY } from '../../src/shared/names.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { TASK_ID } from '../../src/shared/task-id.ts';
import type { TaskView } from '../../src/shared/task.ts';
import { tasksOn } from '../../src/temporal/task-list.ts';
import { isDone, type EngineTask, type Observed } from './check.ts';
import type { PlannedTask } from './plan.ts';
import type { Scene } from './stage.ts';

/** How long a worker may take to answer a query, in milliseconds. */
const QUERY_MS = 5_000;

/** How often the system is checked for being idle, in milliseconds. */
const LOOK_MS = 1_000;

/** How often `latest.json` is read during the run, in milliseconds. */
const WATCH_MS = 100;

/**
 * Waits until every task is closed, or waits for a late answer after its notification was acknowledged.
 *
 * @returns whether that happened within the time
 */
export async function settled(scene: Scene, within_ms: number): Promise<boolean> {
  const giveUpAt = scene.clock() + within_ms;
  while (scene.clock() < giveUpAt) {
    if (kimiIsDone(scene) && (await journalsAreEmpty(scene)) && (await tasksAreDone(scene).catch(() => false)))
      return true;
    await pause(LOOK_MS);
  }
  return false;
}

/** Whether Kimi has sent the last callback of every accepted request. */
function kimiIsDone({ events }: Scene): boolean {
  const taken = events.filter((event) => event.what === 'taken' && !event.repeated);
  return taken.length === events.filter(({ what }) => what === 'finished').length;
}

/** Whether the journal of every webhook is empty. */
async function journalsAreEmpty({ webhookUrls }: Scene): Promise<boolean> {
  const waiting = await Promise.all(
    webhookUrls.map(async (url) => {
      const { journal } = (await (await fetch(`${url}/readyz`)).json()) as { journal?: { entries: number } };
      return journal?.entries;
    }),
  ).catch(() => [undefined]);
  return waiting.every((entries) => entries === 0);
}

/** Also the rows of maps, and schedules that start a task. */
async function tasksAreDone(scene: Scene): Promise<boolean> {
  for await (const { workflowId } of scene.client.workflow.list({
    query: `TaskQueue = "${scene.taskQueue}" AND WorkflowType != "${LIMITER_WORKFLOW}" AND ExecutionStatus = "Running"`,
  })) {
    const view = await viewOf(scene, workflowId);
    if (!isDone(view)) return false;
  }
  return true;
}

/** @returns every task of the queue that the engine knows */
export async function tasksOf(scene: Scene, planned: PlannedTask[]): Promise<EngineTask[]> {
  const tasks: EngineTask[] = [];
  for await (const { workflowId: task_id, typedSearchAttributes } of scene.client.workflow.list({
    query: tasksOn(scene.taskQueue),
  })) {
    const task_name = typedSearchAttributes.get(SEARCH_ATTRIBUTES.taskName) ?? '';
    const { status, raw } = await scene.client.workflow.getHandle(task_id).describe();
    const plan = planned.find(({ name }) => name === task_name.slice(0, name.length));
    tasks.push({
      task: { task_id, task_name, timeout_ms: 0, grace_ms: 0, ...plan?.request },
      status: status.name,
      view: status.name === 'RUNNING' ? await viewOf(scene, task_id) : undefined,
      pending: (raw.pendingActivities ?? []).map(
        ({ activityType, attempt, lastFailure }) =>
          `${activityType?.name} (attempt ${attempt}: ${lastFailure?.message ?? 'under way'})`,
      ),
    });
  }
  return tasks;
}

async function viewOf({ client }: Scene, task_id: string): Promise<TaskView | undefined> {
  try {
    return await client.connection.withDeadline(
      Date.now() + QUERY_MS,
      async () => await client.workflow.getHandle(task_id).query<TaskView>(STATUS_QUERY),
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw error;
    return undefined;
  }
}

/** @returns the limiter's account of the day */
export async function budgetOf({ client, limiter }: Scene): Promise<BudgetView | undefined> {
  return (await limiterView(client, limiter))?.budget;
}

/** @returns the content of the results folder, and the task ids of dead letters */
export async function filesOf({
  results: folder,
  deadLetters,
}: Scene): Promise<Pick<Observed, 'files' | 'rows' | 'inbox' | 'deadLetters'>> {
  const files: Observed['files'] = [];
  const rows: Observed['rows'] = [];
  for (const name of await readdir(folder)) {
    const [, pending, task_id = ''] = /^(?<pending>pending-)?(?<id>kimi-.*)\.json$/.exec(name) ?? [];
    if (!TASK_ID.test(task_id)) continue;
    const result = await readJson(join(folder, name));
    if (!pending && result?.row) rows.push(result);
    else files.push({ task_id, isPending: pending !== undefined, ...(!pending && result && { result }) });
  }
  const letters = await Promise.all(deadLetters.map(async (each) => await readdir(each).catch(() => [])));
  return {
    files,
    rows,
    inbox: await readdir(join(folder, '.unacknowledged')).catch(() => []),
    deadLetters: letters.flat().map((name) => name.split('-', 3).join('-')),
  };
}

/** Polls `latest.json`. */
export class LatestWatch {
  readonly seen: Observed['latest'] = [];
  private readonly timer: NodeJS.Timeout;
  /** Reads are serialized: on a busy machine a read that began earlier could end later. */
  private looking: Promise<void> = Promise.resolve();

  constructor(private readonly folder: string) {
    this.timer = setInterval(() => void this.look(), WATCH_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.look();
  }

  private async look(): Promise<void> {
    this.looking = this.looking.then(async () => await this.lookOnce());
    await this.looking;
  }

  private async lookOnce(): Promise<void> {
    const path = join(this.folder, 'latest.json');
    const found = await readJson(path).catch((error: NodeJS.ErrnoException) => error);
    // Not there yet.
    if (found instanceof Error) return;
    const last = this.seen.at(-1);
    if (found && last?.task_id === found.task_id && last.completed_at === found.completed_at) return;
    this.seen.push(found && { task_id: found.task_id, completed_at: found.completed_at });
  }
}

/** @returns `undefined` if the file is not valid JSON */
async function readJson(path: string): Promise<ResultFile | undefined> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text) as ResultFile;
  } catch {
    return undefined;
  }
}
