import { setTimeout as pause } from 'node:timers/promises';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure, TypedSearchAttributes } from '@temporalio/common';
import { readDetails } from '../shared/failure-details.ts';
import { messageKey, ROUTE_MEMO, routeIn, type Route } from '../shared/chat.ts';
import type { QueuePosition } from '../shared/limits.ts';
import { ACCEPTED_UPDATE, SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../shared/names.ts';
import type { Acceptance, Task, TaskError, TaskSummary } from '../shared/task.ts';
import { newTaskId, taskIdOf } from './task-name.ts';
import { grpcErrorIn } from '../temporal/client.ts';
import { textFor } from '../text/index.ts';
import { traced } from '../service/tracing.ts';
import { staticDetails } from '../workflows/details.ts';
import { EXIT } from '../service/exit.ts';
import type { Context } from './context.ts';
import { CliError } from './exit.ts';
import { newestTasks } from '../temporal/task-list.ts';

/** The outcome of a start. `pending`: the engine has the task, and Kimi has not accepted it yet. */
export type Started =
  | { status: 'accepted'; task_id: string; api_id: string }
  | { status: 'queued'; task_id: string; queued: QueuePosition }
  | { status: 'pending'; task_id: string }
  | { status: 'refused'; task_id: string; error: TaskError }
  /** The same message started it before. */
  | { status: 'known'; task_id: string; task_name: string }
  /** The engine did not confirm that it has the task. */
  | { status: 'unknown'; task_id: string };

/** How long to wait for the engine's confirmation of a task, after the wait for Kimi. Milliseconds. */
const CONFIRM_MS = 3_000;

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
 * redelivers after a crash always has the same id, so that it is one task and is paid for once.
 */
export async function startTask(
  client: Client,
  taskQueue: string,
  request: Omit<Task, 'task_id'>,
  waitMs: number,
): Promise<Started> {
  const { route } = request;
  for (let own = idOfMessage(route); ; own = undefined) {
    const task: Task = { task_id: own ?? newTaskId(), ...request };
    const { task_id } = task;
    try {
      return await traced(task_id, 'start', async () => await startOnce(client, taskQueue, task, waitMs));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const known = own && (await taskOfMessage(client, route));
      if (known) return known;
    }
  }
}

/** @returns the task that the same message started before. */
export async function taskOfMessage(
  client: Client,
  route: Route | undefined,
): Promise<Extract<Started, { status: 'known' }> | undefined> {
  const task_id = idOfMessage(route);
  if (task_id === undefined) return undefined;
  try {
    const task = await client.workflow.getHandle(task_id).describe();
    if (messageKey(routeIn(task)) !== messageKey(route)) return undefined;
    const task_name = task.typedSearchAttributes.get(SEARCH_ATTRIBUTES.taskName) ?? '';
    return { status: 'known', task_id, task_name };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

function idOfMessage(route: Route | undefined): string | undefined {
  const key = messageKey(route);
  return key && route?.message && taskIdOf(key, new Date(route.message.at));
}

async function startOnce(client: Client, taskQueue: string, task: Task, waitMs: number): Promise<Started> {
  const { task_id } = task;
  const text = textFor(task.lang);
  const startWorkflowOperation = new WithStartWorkflowOperation<(task: Task) => Promise<TaskSummary>>(TASK_WORKFLOW, {
    workflowId: task_id,
    taskQueue,
    args: [task],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
    workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
    workflowTaskTimeout: WORKFLOW_TASK_TIMEOUT,
    typedSearchAttributes: new TypedSearchAttributes([
      { key: SEARCH_ATTRIBUTES.status, value: 'dispatching' },
      { key: SEARCH_ATTRIBUTES.taskName, value: task.task_name },
      { key: SEARCH_ATTRIBUTES.model, value: task.model },
    ]),
    ...(task.route && { memo: { [ROUTE_MEMO]: task.route } }),
    staticSummary: text.summary(task),
    staticDetails: staticDetails(task, text),
  });
  const leaving = new AbortController();
  const accepted = client.connection
    .withAbortSignal(
      leaving.signal,
      async () =>
        await client.workflow.executeUpdateWithStart<(task: Task) => Promise<TaskSummary>, Acceptance, []>(
          ACCEPTED_UPDATE,
          { startWorkflowOperation },
        ),
    )
    .then(
      (acceptance): Started =>
        'api_id' in acceptance ? { status: 'accepted', ...acceptance } : { status: 'queued', ...acceptance },
      async (error: unknown): Promise<Started> => {
        const refused = refusal(error);
        if (refused) return { status: 'refused', task_id, error: refused };
        const isOthers = error instanceof WorkflowExecutionAlreadyStartedError;
        // An engine that disconnected may have the task: reporting a failure would invite a second, paid one.
        if (!isOthers && !leaving.signal.aborted && (await isKnown(client, task_id)))
          return { status: 'pending', task_id };
        throw error;
      },
    );
  try {
    const first = await Promise.race([accepted, pause(waitMs, undefined, { ref: false })]);
    if (first) return first;
    const giveUpAt = performance.now() + CONFIRM_MS;
    do {
      if (await isKnown(client, task_id)) return { status: 'pending', task_id };
      await pause(50);
    } while (performance.now() < giveUpAt);
    return { status: 'unknown', task_id };
  } finally {
    // An open call would be retried on a connection that is closed by then.
    leaving.abort();
    accepted.catch(() => {});
  }
}

/** The failure of the task, which the update rethrows; other errors are not about the task. */
function refusal(error: unknown): TaskError | undefined {
  if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) return undefined;
  const { type, message, details } = error.cause;
  return { type: type ?? 'error', message, ...readDetails(details) };
}

/** @returns whether the engine confirms a task. `false` if it does not answer. */
async function isKnown(client: Client, task_id: string): Promise<boolean> {
  try {
    const handle = client.workflow.getHandle(task_id);
    await client.connection.withDeadline(Date.now() + ANSWER_MS, async () => await handle.describe());
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || grpcErrorIn(error)) return false;
    throw error;
  }
}

const HOUR_MS = 3_600_000;

/**
 * Limits the tasks of a chat in any hour (`KIMI_MAX_TASKS_PER_CHAT_HOUR`). The engine counts, so the limit holds across
 * restarts; two simultaneous starts may exceed it by one.
 *
 * @throws {CliError} with the time of the next possible start, if the limit is reached
 */
export async function checkChatLimit(client: Client, { config, taskQueue, say }: Context, route: Route): Promise<void> {
  const most = config.KIMI_MAX_TASKS_PER_CHAT_HOUR;
  if (most === 0) return;
  const started = await newestTasks(client, taskQueue, { since: HOUR_MS, route }, most);
  const first = started[most - 1];
  if (!first) return;
  const minutes = Math.max(Math.ceil((Date.parse(first.created_at) + HOUR_MS - Date.now()) / 60_000), 1);
  throw new CliError(EXIT.limited, say.chatLimit(most, minutes));
}
