import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { retirementOf } from '../kimi/models.ts';
import { limiterView } from '../limiter/client.ts';
import type { BudgetPause } from '../shared/budget.ts';
import type { Route } from '../shared/chat.ts';
import type { QueuePosition } from '../shared/limits.ts';
import { countsOf, type StoredRows } from '../shared/map.ts';
import { withoutQuestion, type Question, type ResultFile } from '../shared/result.ts';
import { LocalSchedules } from '../schedules/local.ts';
import type { ServiceSchedules } from '../schedules/schedules.ts';
import { deliveriesOf } from '../notify/deliveries.ts';
import { notificationId, type TaskReference } from '../shared/task-id.ts';
import { newestTasks, pageOfTasks, type EngineTask, type Place } from '../temporal/task-list.ts';
import { acknowledge } from './acknowledge.ts';
import { allow } from './allow.ts';
import { cancel } from './cancel.ts';
import type { TaskContext } from './context.ts';
import { continued } from './conversation.ts';
import {
  checkChat,
  hasEnded,
  lookUp,
  lookUpWithResult,
  ownerInEngine,
  progressOf,
  savedResult,
  viewOf,
} from './look-up.ts';
import { Problem } from './problem.ts';
import { isOutcome, type TaskFile, type TaskView } from '../shared/task.ts';
import { keepFile } from './files.ts';
import { usageOfLimits, type Usage } from './limits.ts';
import { withReceiver, withReceiverOf } from './receiver.ts';
import { removable, removeTask, type Kept } from './remove.ts';
import { checkTask, inputOf, type CheckedTask } from './request.ts';
import { storeFile, storeRows, type Rows } from './rows.ts';
import { endedRows } from './ended-rows.ts';
import { startMap } from './start-map.ts';
import { checkChatLimit, startedBefore, startTask } from './start.ts';
import type {
  Acknowledgement,
  Allowance,
  Attachment,
  CallerFilter,
  Cancellation,
  EndedRow,
  EventDelivery,
  LiveTask,
  NewMap,
  NewTask,
  ServiceTasks,
  Standing,
  StartedMap,
  StartedTask,
  TaskList,
} from './tasks.ts';
import { UploadFolder, type Uploads } from './uploads.ts';
import { viewOfResult } from './view.ts';

/** Most tasks of a chat that are searched for its newest result. */
const RECENT = 20;

/** The operations, done in this process by the engine and the results folder. */
export class LocalTasks implements ServiceTasks {
  readonly schedules: ServiceSchedules;
  readonly uploads: Uploads;

  constructor(private readonly context: TaskContext) {
    this.uploads = new UploadFolder(join(context.results.folder, '.uploads'), context.contents);
    this.schedules = new LocalSchedules(context, async (...args) => await this.start(...args));
  }

  async start(task: NewTask, key: string, waitMs: number): Promise<StartedTask> {
    const known = await this.redelivered(task, key);
    if (known) return known;
    const wanted = await withReceiverOf(this.context, task);
    const checked = checkTask(this.context, await continued(this.context, wanted));
    return await this.context.withClient(
      async (client) => await startChecked(client, this.context, checked, waitMs, key),
    );
  }

  /** A redelivered message that continues the newest task of its chat now means the task that it started itself. */
  private async redelivered({ route, ...task }: NewTask, key: string): Promise<StartedTask | undefined> {
    const { continue: continues } = task;
    if (!route || continues === undefined) return undefined;
    const { context } = this;
    const { results, stack } = context;
    const known = await context.withClient(
      async (client) => await startedBefore(client, { ...task, continues, route, key }),
    );
    return (
      known && {
        ...known,
        result_file: results.resultPath(known.task_id),
        ...(stack?.simulated && { simulated: true }),
      }
    );
  }

  async keep(file: Attachment): Promise<TaskFile> {
    return await keepFile(this.context, file);
  }

  async keepRows(file: Attachment): Promise<StoredRows> {
    return await storeFile(this.context.contents, file);
  }

  async storeRows(file: Pick<StoredRows, 'name' | 'sha256'>, rows: Rows): Promise<StoredRows> {
    return await storeRows(this.context.contents, file, rows);
  }

  rowsOf(task_id: string): AsyncIterable<EndedRow> {
    return endedRows(this.context, task_id);
  }

  async startMap(map: NewMap, key: string): Promise<StartedMap> {
    const { context } = this;
    const wanted = await withReceiverOf(context, map);
    return await context.withClient(async (client) => await startMap(client, context, wanted, key));
  }

  async list(filter: CallerFilter, limit: number, cursor?: string): Promise<TaskList> {
    const { context } = this;
    return await context.withClient(async (client) => await liveTasks(client, context, filter, limit, cursor));
  }

  async find(task_id: string, chat?: Route): Promise<Standing> {
    await checkChat(this.context, task_id, chat);
    return await standingOf(this.context, task_id);
  }

  async result(task_id?: string, chat?: Route): Promise<ResultFile> {
    const { context } = this;
    if (task_id !== undefined) {
      await checkChat(context, task_id, chat);
      return withoutQuestion(await savedResult(context, task_id));
    }
    const newest = await newestResult(context, chat);
    if (!newest) throw new Problem('no_results', {});
    return withoutQuestion(newest);
  }

  async question(task_id: string, chat?: Route): Promise<Question> {
    const { context } = this;
    await checkChat(context, task_id, chat);
    const question = context.results.questionOf(await savedResult(context, task_id));
    if (!question) throw new Problem('no_question', { task_id });
    return question;
  }

  async unacknowledged(): Promise<ResultFile[]> {
    return (await this.context.results.unacknowledged()).map((result) => withoutQuestion(result));
  }

  async acknowledge(reference: TaskReference, chat?: Route): Promise<Acknowledgement> {
    await checkChat(this.context, reference.task_id, chat);
    return await acknowledge(this.context, reference);
  }

  async cancel(task_id: string, chat?: Route): Promise<Cancellation> {
    await checkChat(this.context, task_id, chat);
    return await this.context.withClient(async (client) => await cancel(client, this.context, task_id));
  }

  async remove(task_id: string, chat?: Route): Promise<Kept | undefined> {
    const { context } = this;
    const { results } = context;
    await checkChat(context, task_id, chat);
    return await context.withClient(async (client) => {
      const found = await removable(client, results, task_id);
      if ('kept' in found) return found;
      await removeTask(client, results, found);
      return undefined;
    });
  }

  async limits(): Promise<Usage> {
    return await this.context.withClient(async (client) => await usageOfLimits(client, this.context));
  }

  async ownerOf(task_id: string): Promise<string | undefined> {
    const { context } = this;
    const saved = await context.results.readIfSound(task_id);
    return saved ? saved.owner : await context.withClient(async (client) => await ownerInEngine(client, task_id));
  }

  async allow(task_id: string, chat?: Route): Promise<Allowance> {
    await checkChat(this.context, task_id, chat);
    return await this.context.withClient(async (client) => {
      if (!chat && !(await lookUp(client, task_id))) throw new Problem('unknown_task', { task_id });
      return await allow(client, task_id);
    });
  }
}

/**
 * Starts a task that was checked.
 *
 * @throws {Problem} if there is no key, the limit of the chat is reached, or the engine did not confirm
 */
export async function startChecked(
  client: Client,
  context: TaskContext,
  task: CheckedTask,
  waitMs: number,
  key: string,
): Promise<StartedTask> {
  const { stack, taskQueue, results } = context;
  // A stack elsewhere has its own key; its worker reports a missing one.
  if (stack && !stack.has_key) throw new Problem('no_api_key', {});
  const input = inputOf(context, await withReceiver(context, task));
  const before = task.route && (await startedBefore(client, { ...input, key }));
  if (task.route && !before) await checkChatLimit(client, context, task.route);
  const started = before ?? (await startTask(client, taskQueue, input, waitMs, key));
  const { task_id } = started;
  if (started.status === 'unknown') throw new Problem('engine_silent', { task_id });
  const retired = stack?.simulated && retirementOf(task.model);
  return {
    ...started,
    task_name: started.status === 'known' ? started.task_name : task.name,
    result_file: results.resultPath(task_id),
    ...(stack?.simulated && { simulated: true }),
    ...(retired && { retired }),
  };
}

async function liveTasks(
  client: Client,
  { taskQueue, limiter, relay, results, simulated }: TaskContext,
  filter: CallerFilter,
  limit: number,
  cursor: string | undefined,
): Promise<TaskList> {
  const removed = await results.removed.ids();
  const found: EngineTask[] = [];
  let place = cursor === undefined ? undefined : placeOf(cursor);
  do {
    const page = await pageOfTasks(client, taskQueue, filter, limit - found.length, place);
    found.push(...page.tasks.filter(({ task_id }) => !removed.has(task_id)));
    place = page.next;
  } while (place && found.length < limit);
  const isWaiting = found.some(({ state }) => state === 'queued' || state === 'paused');
  const view = isWaiting && limiter ? await limiterView(client, limiter) : undefined;
  const places = new Map(view?.queue.map((waiting) => [waiting.task_id, waiting]));
  const pauses = new Map(view?.budget?.paused.map((waiting) => [waiting.task_id, waiting]));
  const tasks = await Promise.all(
    found.map(async ({ isMap, ...task }): Promise<LiveTask> => {
      const { progress, retrying } =
        relay && !isMap && task.state === 'dispatched' ? await progressOf(client, task.task_id) : {};
      const queue = places.get(task.task_id);
      const paused = task.state === 'paused' ? await pauseOf(client, task.task_id, pauses) : undefined;
      // Only the result knows when its answer came.
      const saved = isOutcome(task.state) ? await results.readIfSound(task.task_id) : undefined;
      const map = saved?.map ? countsOf(saved.map) : isMap && (await viewOf(client, task.task_id))?.map;
      return {
        ...task,
        status: task.state,
        ...(map && { map }),
        ...(saved?.late && { late: true }),
        ...(simulated && { simulated: true }),
        ...(queue && { queue }),
        ...(paused && { paused }),
        ...(progress && { progress }),
        ...(retrying && { retrying }),
      };
    }),
  );
  return { tasks, ...(place && { next: `${place.started}.${place.task_id}` }) };
}

/** The limiter has the figures of now; of a task's own budget, and of a map, only they have them. */
async function pauseOf(
  client: Client,
  task_id: string,
  pauses: ReadonlyMap<string, BudgetPause>,
): Promise<BudgetPause | undefined> {
  return pauses.get(task_id) ?? (await viewOf(client, task_id))?.paused;
}

/** Cursors of {@link LocalTasks.list}. */
export const CURSOR = /^(?<started>\d{1,14})\.(?<task_id>kimi-\d{1,12}-\d{1,9})$/;

function placeOf(cursor: string): Place {
  const { started = '0', task_id = '' } = CURSOR.exec(cursor)?.groups ?? {};
  return { started: Number(started), task_id };
}

/** @throws {Problem} `unknown_task` */
async function standingOf(context: TaskContext, task_id: string): Promise<Standing> {
  const { results, stack } = context;
  const { found, saved } = await lookUpWithResult(context, task_id);
  const known = found?.live ? found.view : saved ? viewOfResult(saved) : found?.view;
  if (!known) {
    // Reports a damaged file.
    await results.read(task_id);
    throw new Problem('unknown_task', { task_id });
  }
  const path = results.resultPath(task_id);
  const isGone = !saved && found && !found.ended && hasEnded(known);
  const asked = saved && results.noteOf(saved);
  return {
    ...known,
    // A closed workflow does not see a later acknowledgement.
    acknowledged: known.acknowledged || (saved?.acknowledged ?? false),
    status: known.state,
    map: saved?.map ? countsOf(saved.map) : known.map,
    question: known.question ?? asked?.question,
    files: known.files ?? asked?.files,
    ...(await currentWait(context, known)),
    retrying: found?.retrying,
    progress: found?.progress,
    cost: saved?.cost ?? saved?.map?.cost[0],
    events: found && (await eventsOf(context, known, saved)),
    result_file: saved && path,
    web_ui: found && stack?.ui_url && `${stack.ui_url}/namespaces/${stack.namespace}/workflows/${task_id}`,
    live: found?.live,
    ended: found?.ended,
    late: saved?.late,
    missing_file: isGone ? path : undefined,
  };
}

/** @returns how far the events of an ended task are; `undefined` if it has none. */
async function eventsOf(
  context: TaskContext,
  { task_id, row, completed_at }: TaskView,
  saved: ResultFile | undefined,
): Promise<EventDelivery[] | undefined> {
  if (completed_at === undefined || row) return undefined;
  const ids = new Set([task_id, ...(saved ? [notificationId(saved)] : [])]);
  const events = await context.withClient(async (client) => await deliveriesOf(client, [...ids]));
  return events.length > 0 ? events : undefined;
}

/** Asks the limiter: the task only knows its last report. */
async function currentWait(
  context: TaskContext,
  { task_id, state, queue, paused }: TaskView,
): Promise<{ queue: QueuePosition | undefined; paused: BudgetPause | undefined }> {
  const { limiter } = context;
  if (state !== 'queued' && state !== 'paused') return { queue: undefined, paused: undefined };
  const view =
    limiter === undefined ? undefined : await context.withClient(async (client) => await limiterView(client, limiter));
  const isIt = (waiting: { task_id: string }): boolean => waiting.task_id === task_id;
  return {
    queue: state === 'queued' ? (view?.queue.find(isIt) ?? queue) : undefined,
    paused: state === 'paused' ? (view?.budget?.paused.find(isIt) ?? paused) : undefined,
  };
}

/** The results folder knows the newest result; only the engine knows the newest of a chat. */
async function newestResult(context: TaskContext, chat: Route | undefined): Promise<ResultFile | undefined> {
  const { results, taskQueue } = context;
  if (!chat) return await results.latest();
  const tasks = await context.withClient(
    async (client) => await newestTasks(client, taskQueue, { route: chat }, RECENT),
  );
  for (const { task_id } of tasks) {
    const saved = await results.read(task_id);
    if (saved) return saved;
  }
  return undefined;
}
