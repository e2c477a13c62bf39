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
import { messageKey, ROUTE_MEMO, routeIn, type Route } from '../shared/chat.ts';
import type { Place } from '../shared/limits.ts';
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

/** What became of a start: Kimi took the task, it waits for its turn, Kimi refused it, or has not said yet (the engine keeps it and goes on). */
export type Started =
  | { status: 'accepted'; task_id: string; api_id: string }
  | { status: 'queued'; task_id: string; queued: Place }
  | { status: 'pending'; task_id: string }
  | { status: 'refused'; task_id: string; error: TaskError }
  /** The same message has started it before. */
  | { status: 'known'; task_id: string; task_name: string }
  /** The engine did not even confirm that it has the task. */
  | { status: 'unknown'; task_id: string };

/** How long a slow engine may take to confirm that it has a task, once the wait for Kimi is over. Milliseconds. */
const CONFIRM_MS = 3_000;

/** How long it may take to say so, before it is asked again. Milliseconds. */
const ANSWER_MS = 1_000;

/**
 * How long a task waits for a worker that was killed while it worked on it (10 s by default): also how long a busy worker may
 * take for one step.
 */
const WORKFLOW_TASK_TIMEOUT = '5s';

/**
 * Gives a task to the engine and waits, for at most `waitMs`, until Kimi has taken it.
 *
 * The task id is drawn here; where another task has it, a new one is drawn: a start never joins another task. A message that
 * a chat's gateway hands over twice, since it was killed in between, has one id, so that it is one task and is paid for once.
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

/** @returns the task that this very message has started already. */
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
        // An engine that broke off may have taken it all the same: who is told of a failure would pay for another.
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
    // A call left open would be tried again on a connection that is closed by then.
    leaving.abort();
    accepted.catch(() => {});
  }
}

/** The update fails with what the task failed with; anything else is not about the task. */
function refusal(error: unknown): TaskError | undefined {
  if (!(error instanceof WorkflowUpdateFailedError) || !(error.cause instanceof ApplicationFailure)) return undefined;
  return { type: error.cause.type ?? 'error', message: error.cause.message };
}

/** @returns whether the engine says that it has a task. One that is away does not; it may be back a moment later. */
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
 * Lets a chat start so many tasks in any hour (`KIMI_MAX_TASKS_PER_CHAT_HOUR`). The engine counts, so a restart forgets none;
 * two that start at the very same moment may both get the last place.
 *
 * @throws {CliError} where the chat has had its share, saying when it may start another.
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
