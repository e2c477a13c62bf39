import { QueryNotRegisteredError, WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, TimeoutFailure, type ProtoFailure } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { isOfChat } from '../shared/access.ts';
import { routeIn, type Route } from '../shared/chat.ts';
import { readDetails } from '../shared/failure-details.ts';
import { isoSeconds } from '../shared/format.ts';
import { MAP_WORKFLOW, ROW_WORKFLOW, SEARCH_ATTRIBUTES, STATUS_QUERY, TASK_WORKFLOW } from '../shared/names.ts';
import { requestUnderWay } from '../relay/client.ts';
import type { StreamProgress } from '../shared/relay.ts';
import type { ResultFile } from '../shared/result.ts';
import type { MapInput } from '../shared/map.ts';
import { viewOfAsked, type Task, type TaskState, type TaskView } from '../shared/task.ts';
import { GRPC, grpcErrorIn, unlessUnknown } from '../temporal/client.ts';
import { createdAt } from '../temporal/task-list.ts';
import { EngineUnreachable } from '../temporal/engine-unreachable.ts';
import type { TaskContext } from './context.ts';
import { Problem } from './problem.ts';
import type { Found, Retrying } from './tasks.ts';

/** Timeout of a query, in milliseconds. */
const QUERY_TIMEOUT_MS = 2_000;

/**
 * When a query without an answer is sent once more, in milliseconds: the engine was seen to answer one that had come during a workflow
 * task of an open workflow only 1.5 to 2 s later, and the next one within 10 ms.
 */
const REPEAT_MS = 400;

/** @returns the task; `undefined` if the engine does not know it */
export async function lookUp(client: Client, task_id: string): Promise<Found | undefined> {
  const handle = client.workflow.getHandle(task_id);
  try {
    const description = await handle.describe();
    if (![TASK_WORKFLOW, ROW_WORKFLOW, MAP_WORKFLOW].includes(description.type)) return undefined;
    const route = routeIn(description);
    const view = await viewOf(client, task_id);
    const { typedSearchAttributes: attributes } = description;
    // A relay may receive the answer while no worker runs.
    const mayStream = view
      ? view.relay && view.step !== 'dispatching'
      : attributes.get(SEARCH_ATTRIBUTES.status) === 'dispatched';
    return {
      ...(route && { route }),
      view: view ?? {
        task_id,
        task_name: attributes.get(SEARCH_ATTRIBUTES.taskName) ?? '',
        model: attributes.get(SEARCH_ATTRIBUTES.model) ?? '',
        state: (attributes.get(SEARCH_ATTRIBUTES.status) ?? 'dispatching') as TaskState,
        step: description.status.name === 'RUNNING' ? 'waiting' : 'closed',
        created_at: createdAt(description) ?? isoSeconds(description.startTime),
        acknowledged: false,
        ...(await askedOf(client, task_id)),
      },
      live: view !== undefined,
      ...(!['RUNNING', 'COMPLETED'].includes(description.status.name) && {
        ended: description.status.name.toLowerCase(),
      }),
      ...(await pendingIn(client, description)),
      ...(mayStream && (await progressOf(client, task_id))),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/**
 * Looks a task up in the engine, then in the results folder: the result of a task that the engine reports as ended is saved by then.
 *
 * @throws {EngineUnreachable} without a saved result; with one, `found` is `undefined` while the engine is down
 */
export async function lookUpWithResult(
  context: Pick<TaskContext, 'results' | 'withClient'>,
  task_id: string,
  ask = async () => await context.withClient(async (client) => await lookUp(client, task_id)),
): Promise<{ found: Found | undefined; saved: ResultFile | undefined }> {
  if ((await context.results.removed.ids()).has(task_id)) return { found: undefined, saved: undefined };
  let found: Found | undefined;
  let unreachable: EngineUnreachable | undefined;
  try {
    found = await ask();
  } catch (error) {
    if (!(error instanceof EngineUnreachable)) throw error;
    unreachable = error;
  }
  const saved = await context.results.readIfSound(task_id);
  if (unreachable && !saved) throw unreachable;
  return { found, saved };
}

/** @returns whether a task has an outcome; of a workflow that was ended in the engine, `ended` says so. */
export function hasEnded({ completed_at, step }: TaskView): boolean {
  return completed_at !== undefined || step === 'closed';
}

/** @returns the problem of a task whose result cannot be read: it has none yet, or the file is gone. */
export function noResult({ results }: TaskContext, task_id: string, { view, ended: how }: Found): Problem {
  if (how) return new Problem('ended', { task_id, how });
  return hasEnded(view)
    ? new Problem('result_gone', { task_id, file: results.resultPath(task_id) })
    : new Problem('unfinished', { task_id });
}

/** @throws {Problem} if the task is unknown, unfinished, or its result is gone */
export async function savedResult(context: TaskContext, task_id: string): Promise<ResultFile> {
  const { results } = context;
  const here = await results.readIfSound(task_id);
  if (here) return here;
  const { found, saved } = await lookUpWithResult(context, task_id);
  if (saved) return saved;
  if (found) throw noResult(context, task_id, found);
  // Reports a damaged file.
  await results.read(task_id);
  throw new Problem('unknown_task', { task_id });
}

/**
 * Checks that a task belongs to a chat.
 *
 * @throws {Problem} `unknown_task`, if it belongs to another chat, or if its chat is no longer known
 */
export async function checkChat(context: TaskContext, task_id: string, chat: Route | undefined): Promise<void> {
  if (chat) await checkChats(context, task_id, [chat]);
}

/** The same, for a task that may belong to any of these chats. */
export async function checkChats(context: TaskContext, task_id: string, chats: readonly Route[]): Promise<void> {
  const found = await context.withClient(async (client) => await lookUp(client, task_id));
  const { route } = found ?? {};
  if (!chats.some((chat) => isOfChat(chat, route))) throw new Problem('unknown_task', { task_id });
}

/** @returns the name of the token that started a task, if the engine knows the task. */
export async function ownerInEngine(client: Client, task_id: string): Promise<string | undefined> {
  const description = await unlessUnknown(client.workflow.getHandle(task_id).describe());
  return description?.typedSearchAttributes.get(SEARCH_ATTRIBUTES.owner);
}

type Description = Awaited<ReturnType<WorkflowHandle['describe']>>;

/** @returns the progress of the relay's request for a task; empty if it has ended or not begun. */
export async function progressOf(client: Client, task_id: string): Promise<Pick<Found, 'progress' | 'retrying'>> {
  const request = await requestUnderWay(client, task_id);
  if (!request) return {};
  const { attempt, nextAttemptScheduleTime: next } = request;
  const [beat, failure] = await Promise.all([request.getHeartbeatDetails(), request.getLastFailure()]);
  const progress = isProgress(beat) ? progressIn(beat) : undefined;
  // An answer that was interrupted and comes in again is not being retried.
  const isRetrying = failure !== undefined && progress?.phase !== 'batch' && (progress?.tokens ?? 0) === 0;
  return {
    ...(isRetrying && {
      retrying: { attempt, ...whyIn(failure), ...(next && { next_attempt_at: isoSeconds(next) }) },
    }),
    ...(progress && { progress }),
  };
}

/** Reads progress and retries of the running activities. */
export async function pendingIn(
  client: Client,
  { raw }: Pick<Description, 'raw'>,
): Promise<Pick<Found, 'progress' | 'retrying'>> {
  const activities = raw.pendingActivities ?? [];
  const failed = activities.find(({ lastFailure }) => lastFailure);
  const beating = activities.find(({ heartbeatDetails }) => heartbeatDetails?.payloads?.length);
  const { loadedDataConverter } = client.options;
  const next = optionalTsToMs(failed?.nextAttemptScheduleTime);
  const [beat] = (await decodeArrayFromPayloads(loadedDataConverter, beating?.heartbeatDetails?.payloads)) ?? [];
  const progress = isProgress(beat) ? progressIn(beat) : undefined;
  // A batch is looked at by retries.
  return {
    ...(failed &&
      progress?.phase !== 'batch' && {
        retrying: {
          attempt: failed.attempt ?? 1,
          ...(await whyOf(client, failed.lastFailure)),
          ...(next !== undefined && { next_attempt_at: isoSeconds(next) }),
        },
      }),
    ...(progress && { progress }),
  };
}

function progressIn({ phase, tokens, tail, fallback, rounds }: StreamProgress): StreamProgress {
  return { phase, tokens, tail, ...(fallback && { fallback }), ...(rounds && { rounds }) };
}

/** Heartbeats of other activities have other details. */
function isProgress(beat: unknown): beat is StreamProgress {
  return typeof beat === 'object' && beat !== null && 'phase' in beat;
}

/** The failure of an activity. The description holds it as stored: encrypted if payloads are. */
async function whyOf(
  client: Client,
  failure: ProtoFailure | null | undefined,
): Promise<Pick<Retrying, 'why' | 'type' | 'detail'>> {
  return whyIn(await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, failure));
}

/** @returns why an activity failed, as {@link Retrying} has it. */
export function whyIn(error: Error | undefined): Pick<Retrying, 'why' | 'type' | 'detail'> {
  const isLost = error instanceof TimeoutFailure && error.timeoutType === 'HEARTBEAT';
  return {
    why: error?.message ?? '',
    ...(isLost && { detail: { code: 'process_lost' } }),
    ...(error instanceof ApplicationFailure && readDetails(error.details)),
  };
}

/** @returns what a task was asked, from its history; nothing if it cannot be read, e.g. without the keys of payloads. */
async function askedOf(client: Client, task_id: string): Promise<Partial<TaskView>> {
  try {
    return viewOfAsked(await taskAsked(client, task_id));
  } catch {
    return {};
  }
}

/** @returns the task that a workflow was started with; of a map, the map as a task of its own. */
export async function taskAsked(client: Client, task_id: string): Promise<Task> {
  const asked = (await inputOf(client, { workflowId: task_id })) as Task | MapInput;
  return 'task' in asked ? asked.task : asked;
}

/** @returns what a workflow was started with, from its history. */
export async function inputOf(client: Client, execution: { workflowId: string; runId?: string }): Promise<unknown> {
  const { namespace, loadedDataConverter } = client.options;
  const request = { namespace, execution, maximumPageSize: 1 };
  const { history } = await client.workflowService.getWorkflowExecutionHistory(request);
  const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
  const [input] = (await decodeArrayFromPayloads(loadedDataConverter, started?.input?.payloads)) ?? [];
  return input;
}

/** @returns the workflow's own view; `undefined` if no worker answers. */
export async function viewOf(client: Client, task_id: string): Promise<TaskView | undefined> {
  const handle = client.workflow.getHandle(task_id);
  const ask = async (ms: number): Promise<TaskView> =>
    await client.connection.withDeadline(Date.now() + ms, async () => await handle.query<TaskView>(STATUS_QUERY));
  try {
    // One after the other: what is left open would be repeated on a connection that is closed by then.
    return await ask(REPEAT_MS).catch(async (error: unknown) => {
      if (grpcErrorIn(error)?.code !== GRPC.DEADLINE_EXCEEDED) throw error;
      return await ask(QUERY_TIMEOUT_MS - REPEAT_MS);
    });
  } catch (error) {
    // The error of a worker that cannot replay the history.
    const isNoAnswer = error instanceof QueryNotRegisteredError;
    if (isNoAnswer || grpcErrorIn(error)) return undefined;
    throw error;
  }
}
