import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionInfo,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { readDetails } from '../shared/failure-details.ts';
import { isoSeconds } from '../shared/format.ts';
import { messageKey, ROUTE_MEMO, routeIn, type Route } from '../shared/chat.ts';
import { ACCEPTED_UPDATE, SEARCH_ATTRIBUTES, STATUS_QUERY, TASK_WORKFLOW } from '../shared/names.ts';
import type { RowOf } from '../shared/map.ts';
import type { Acceptance, Task, TaskError, TaskFile, TaskSummary, TaskView } from '../shared/task.ts';
import { newTaskId, taskIdOf, timeOfKey } from './task-id.ts';
import { grpcErrorIn, rejectionIn, unlessUnknown } from '../temporal/client.ts';
import { textFor } from '../text/index.ts';
import { traced } from '../service/tracing.ts';
import { staticDetails } from '../workflows/details.ts';
import type { TaskContext } from './context.ts';
import { Problem } from './problem.ts';
import type { Accepted } from './tasks.ts';
import { BATCH_MEMO, CONTINUES_MEMO, newestTasks } from '../temporal/task-list.ts';
import { acceptanceWithin, clientOfWorker } from './worker-here.ts';

/** The outcome of a start. `unknown`: the engine did not confirm that it has the task. */
export type Started = Accepted | { status: 'unknown'; task_id: string };

/** How long to wait for the engine's confirmation of a task, after the wait for Kimi. Milliseconds. */
const CONFIRM_MS = 3_000;

/** Least time that a busy engine has to confirm a start whose request is open, counted from the start. Milliseconds. */
const BUSY_MS = 10_000;

/** Timeout of one such request. Milliseconds. */
const ANSWER_MS = 1_000;

/**
 * Delay before another worker continues the workflow task of a killed worker (10 s by default); also the limit for one workflow
 * task of a busy worker.
 */
const WORKFLOW_TASK_TIMEOUT = '5s';

/**
 * Starts a task and waits, for at most `waitMs`, until Kimi has accepted it.
 *
 * The task id is random, and drawn again if it is taken: a start never joins another task. A message that a chat's gateway
 * redelivers after a crash, or a repeated key, always has the same id, so that it is one task and is paid for once.
 */
export async function startTask(
  client: Client,
  taskQueue: string,
  request: Omit<Task, 'task_id'>,
  waitMs: number,
  key?: string,
): Promise<Started> {
  const origin = originOf(request, key);
  for (let clashes = 0; ; clashes += 1) {
    const task: Task = { task_id: origin ? idFrom(origin, clashes) : newTaskId(), ...request };
    try {
      return await traced(task.task_id, 'start', async () => await startOnce(client, taskQueue, task, waitMs, origin));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const known = origin && (await taskWithId(client, task.task_id, origin, request));
      if (known) return known;
    }
  }
}

/** @returns the task that the same message or key started before. */
export async function startedBefore(
  client: Client,
  { key, ...asked }: Pick<Task, 'route' | 'owner'> & Asked & { key?: string },
): Promise<Extract<Started, { status: 'known' }> | undefined> {
  const origin = originOf(asked, key);
  return origin && (await taskWithId(client, idFrom(origin, 0), origin, asked));
}

/** What a task may be started by once only. */
export interface Origin {
  word: string;
  /** When it was made, in milliseconds since 1970. */
  at: number;
  /** Stored in the memo if the route does not hold the origin. */
  isKey: boolean;
}

/** A message counts more than a key: a gateway that redelivers it makes another key. Tokens do not share keys. */
export function originOf({ route, owner }: Pick<Task, 'route' | 'owner'>, key: string | undefined): Origin | undefined {
  const message = messageKey(route);
  if (message !== undefined && route?.message) return { word: message, at: route.message.at, isKey: false };
  if (key === undefined) return undefined;
  return { word: owner === undefined ? key : `${owner} ${key}`, at: timeOfKey(key), isKey: true };
}

/** @returns the same id for the same origin; another one for each clash with the task of another origin. */
export function idFrom({ word, at }: Origin, clashes: number): string {
  return taskIdOf(clashes === 0 ? word : `${word} ${clashes}`, new Date(at));
}

/** Key of the origin in a workflow's memo, if it is a key: the key, and a digest of the prompt, its files, what functions returned, and the conversation before it. */
const KEY_MEMO = 'key';

interface KeyMemo {
  key: string;
  prompt: string;
}

/** What a key is for: the same one with anything else is refused. */
export type Asked = Pick<Task, 'prompt' | 'continues' | 'conversation' | 'request'> & {
  files?: Pick<TaskFile, 'sha256'>[];
};

function digestOf({ prompt, files = [], continues, conversation, request }: Asked): string {
  const before = continues ?? (conversation && JSON.stringify(conversation));
  const returned = request?.function_results && JSON.stringify(request.function_results);
  const others = [before, returned].filter((part) => part !== undefined);
  return createHash('sha256')
    .update([prompt, ...files.map(({ sha256 }) => sha256), ...others].join('\0'))
    .digest('hex');
}

/** @throws {Problem} `key_reused` */
export async function taskWithId(
  client: Client,
  task_id: string,
  origin: Origin,
  asked: Asked,
): Promise<Extract<Started, { status: 'known' }> | undefined> {
  const task = await unlessUnknown(client.workflow.getHandle(task_id).describe());
  if (!task) return undefined;
  const memo = task.memo?.[KEY_MEMO] as KeyMemo | undefined;
  const word = origin.isKey ? memo?.key : messageKey(routeIn(task));
  if (word !== origin.word) return undefined;
  if (memo && memo.prompt !== digestOf(asked)) throw new Problem('key_reused', { task_id });
  const task_name = task.typedSearchAttributes.get(SEARCH_ATTRIBUTES.taskName) ?? '';
  return { status: 'known', task_id, task_name };
}

async function startOnce(
  client: Client,
  taskQueue: string,
  task: Task,
  waitMs: number,
  origin: Origin | undefined,
): Promise<Started> {
  const { task_id } = task;
  const leaving = new AbortController();
  // Without an origin the id was drawn: no other start has it.
  const start = origin && randomUUID();
  const memo = {
    ...memoOf(task.route, origin, task),
    ...(start !== undefined && { [START_MEMO]: start }),
    ...(task.request?.batch && { [BATCH_MEMO]: true }),
  };
  const { begun, acceptance: awaited } = begin(client, taskQueue, task, memo, { leaving: leaving.signal, waitMs });
  const accepted = awaited.then(
    (acceptance): Started => {
      if (!acceptance) return { status: 'pending', task_id };
      if ('error' in acceptance) return { status: 'refused', ...acceptance };
      if ('paused' in acceptance) return { status: 'paused', ...acceptance };
      return 'api_id' in acceptance ? { status: 'accepted', ...acceptance } : { status: 'queued', ...acceptance };
    },
    async (error: unknown): Promise<Started> => {
      const refused = refusal(error);
      if (refused) return { status: 'refused', task_id, error: refused };
      const isOthers = error instanceof WorkflowExecutionAlreadyStartedError;
      // An engine that disconnected may have the task: reporting a failure would invite a second, paid one.
      if (!isOthers && !leaving.signal.aborted && (await isStarted(client, task_id, start)))
        return { status: 'pending', task_id };
      throw error;
    },
  );
  try {
    const first = await Promise.race([accepted, pause(waitMs, undefined, { ref: false })]);
    if (first) return first;
    if (begun) {
      const late = pause(
        Math.max(CONFIRM_MS, BUSY_MS - waitMs),
        { status: 'unknown' as const, task_id },
        { ref: false },
      );
      // A start that failed may have begun the task all the same.
      return await Promise.race([
        begun.then(
          () => ({ status: 'pending' as const, task_id }),
          async () => await accepted,
        ),
        late,
      ]);
    }
    return { status: (await isConfirmed(client, task_id, start)) ? 'pending' : 'unknown', task_id };
  } finally {
    // An open call would be retried on a connection that is closed by then.
    leaving.abort();
    accepted.catch(() => {});
  }
}

/** Asks the engine until it confirms a start, at most for {@link CONFIRM_MS}. */
async function isConfirmed(client: Client, task_id: string, start: string | undefined): Promise<boolean> {
  const giveUpAt = performance.now() + CONFIRM_MS;
  do {
    if (await isStarted(client, task_id, start)) return true;
    await pause(50);
  } while (performance.now() < giveUpAt);
  return false;
}

/** How long the request of a task that this process runs may take before its workflow is asked, in milliseconds: with a limiter it may be queued. */
const HERE_MS = { limited: 250, unlimited: 5_000 };

/** So many tasks at a time are started eagerly, which means that the engine returns their first step to this process: it can run them without a queue. */
const EAGER_MOST = 32;

/** How many tasks that this process started have requests that have not ended: started eagerly, and in the engine's queue. */
const underWay = { eager: 0, queued: 0 };

/** A start that was sent to the engine. */
interface Beginning {
  /** Resolves once the engine has the task; absent if it is asked in the same request for the acceptance. */
  begun?: Promise<unknown>;
  /** Resolves once Kimi has accepted the task, or the limiter has queued it; to `undefined` if no one waits for that. */
  acceptance: Promise<Acceptance | Refused | undefined>;
}

/** Starts the workflow of a task. @param leaving aborts the request */
function begin(
  client: Client,
  taskQueue: string,
  task: Task,
  memo: Record<string, unknown>,
  { leaving, waitMs }: { leaving: AbortSignal; waitMs: number },
): Beginning {
  const options = { ...optionsOf(taskQueue, task, memo), args: [task] as [Task] };
  const here = clientOfWorker(taskQueue);
  if (!here && waitMs > 0) {
    const startWorkflowOperation = new WithStartWorkflowOperation<TaskWorkflow>(TASK_WORKFLOW, {
      ...options,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
    });
    const start = async () =>
      await client.workflow.executeUpdateWithStart<TaskWorkflow, Acceptance, []>(ACCEPTED_UPDATE, {
        startWorkflowOperation,
      });
    return { acceptance: client.connection.withAbortSignal(leaving, start) };
  }
  // A task that is started eagerly overtakes those in the engine's queue.
  const eagerly = here !== undefined && underWay.queued === 0 && underWay.eager < EAGER_MOST;
  const limitMs = task.limiter === undefined ? HERE_MS.unlimited : HERE_MS.limited;
  const acceptedHere = here && counted(eagerly ? 'eager' : 'queued', acceptanceWithin(task.task_id, limitMs));
  const { connection, workflow } = here ?? client;
  const start = async () =>
    await workflow.start<TaskWorkflow>(TASK_WORKFLOW, { ...options, ...(eagerly && { requestEagerStart: true }) });
  const begun = connection.withAbortSignal(leaving, start);
  const acceptance = begun.then(async () => {
    if (waitMs === 0) return undefined;
    return (
      (await acceptedHere) ?? (await client.connection.withAbortSignal(leaving, async () => await ask(client, task)))
    );
  });
  return { begun, acceptance };
}

async function counted<T>(way: keyof typeof underWay, outcome: Promise<T>): Promise<T> {
  underWay[way] += 1;
  return await outcome.finally(() => (underWay[way] -= 1));
}

interface Refused {
  task_id: string;
  error: TaskError;
}

/** Asks the workflow of a task, which may have ended. */
async function ask(client: Client, { task_id, lang }: Task): Promise<Acceptance | Refused> {
  const handle = client.workflow.getHandle(task_id);
  try {
    return await handle.executeUpdate<Acceptance, []>(ACCEPTED_UPDATE);
  } catch (failure) {
    if (!(failure instanceof WorkflowNotFoundError)) throw failure;
    const { api_id, error, state } = await handle.query<TaskView>(STATUS_QUERY);
    if (api_id !== undefined) return { task_id, api_id };
    return { task_id, error: error ?? { type: state, message: textFor(lang).error.cancelled } };
  }
}

type TaskWorkflow = (task: Task) => Promise<TaskSummary>;

/** Options of a task's workflow, without its arguments. */
export function optionsOf(taskQueue: string, task: Task, memo: Record<string, unknown>) {
  const text = textFor(task.lang);
  return {
    workflowId: task.task_id,
    taskQueue,
    workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    typedSearchAttributes: new TypedSearchAttributes([
      { key: SEARCH_ATTRIBUTES.status, value: 'dispatching' },
      { key: SEARCH_ATTRIBUTES.taskName, value: task.task_name },
      { key: SEARCH_ATTRIBUTES.model, value: task.model },
      ...(task.schedule ? [{ key: SEARCH_ATTRIBUTES.schedule, value: task.schedule.name }] : []),
      ...(task.owner === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.owner, value: task.owner }]),
    ]),
    memo,
    staticSummary: text.summary(task),
    staticDetails: staticDetails(task, text),
  } satisfies Omit<WorkflowStartOptions, 'requestEagerStart' | 'args'>;
}

export function memoOf(route: Route | undefined, origin: Origin | undefined, asked: Asked): Record<string, unknown> {
  const key: KeyMemo | undefined = origin?.isKey ? { key: origin.word, prompt: digestOf(asked) } : undefined;
  const { continues } = asked;
  return {
    ...(route && { [ROUTE_MEMO]: route }),
    ...(key && { [KEY_MEMO]: key }),
    ...(continues !== undefined && { [CONTINUES_MEMO]: continues }),
  };
}

/** Key of the map and the number in the memo of a row. */
const ROW_MEMO = 'row';

export function memoOfRow({ route, row }: Task): Record<string, unknown> {
  return { ...(route && { [ROUTE_MEMO]: route }), [ROW_MEMO]: row };
}

/** @returns the map that a workflow is a row of. */
export function rowIn({ memo }: Pick<WorkflowExecutionInfo, 'memo'>): RowOf | undefined {
  return memo?.[ROW_MEMO] as RowOf | undefined;
}

/** The failure of the task, which the update rethrows; other errors are not about the task. */
function refusal(error: unknown): TaskError | undefined {
  const rejection = rejectionIn(error);
  if (!rejection) return undefined;
  const { type, message, details } = rejection;
  return { type: type ?? 'error', message, ...readDetails(details) };
}

/** Memo key of a random id of the start: a task whose memo has another one was started by another call. */
const START_MEMO = 'start';

/**
 * @returns whether the engine confirms that this start has begun the task. `false` if it does not answer.
 * @throws {WorkflowExecutionAlreadyStartedError} if the id was taken before
 */
async function isStarted(client: Client, task_id: string, start: string | undefined): Promise<boolean> {
  try {
    const handle = client.workflow.getHandle(task_id);
    const { memo } = await client.connection.withDeadline(Date.now() + ANSWER_MS, async () => await handle.describe());
    if (start === undefined || memo?.[START_MEMO] === start) return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || grpcErrorIn(error)) return false;
    throw error;
  }
  throw new WorkflowExecutionAlreadyStartedError('the id is taken', task_id, TASK_WORKFLOW);
}

const HOUR_MS = 3_600_000;

/**
 * Limits the tasks of a chat in any hour (`KIMI_MAX_TASKS_PER_CHAT_HOUR`). The engine counts, so the limit holds across
 * restarts; two simultaneous starts may exceed it by one.
 *
 * @param tasks how many are to be started: the rows of a map
 * @throws {Problem} `chat_limit`, with the time of the next possible start
 */
export async function checkChatLimit(
  client: Client,
  { config, taskQueue }: TaskContext,
  route: Route,
  tasks = 1,
): Promise<void> {
  const most = config.KIMI_MAX_TASKS_PER_CHAT_HOUR;
  if (most === 0) return;
  const started = await newestTasks(client, taskQueue, { since: HOUR_MS, route, rows: true }, most);
  if (started.length + tasks <= most) return;
  const first = started[Math.min(most - 1, started.length - 1)] ?? { created_at: isoSeconds(Date.now()) };
  const minutes = Math.max(Math.ceil((Date.parse(first.created_at) + HOUR_MS - Date.now()) / 60_000), 1);
  throw new Problem('chat_limit', { most, minutes });
}
