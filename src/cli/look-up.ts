import { QueryNotRegisteredError, WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, type ProtoFailure } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { isSameChat, routeIn, type Route } from '../shared/chat.ts';
import { readDetails } from '../shared/failure-details.ts';
import { isoSeconds } from '../shared/format.ts';
import { SEARCH_ATTRIBUTES, STATUS_QUERY, TASK_WORKFLOW } from '../shared/names.ts';
import { requestUnderWay } from '../relay/client.ts';
import type { StreamProgress } from '../shared/relay.ts';
import type { ResultFile } from '../shared/result.ts';
import type { TaskState, TaskView } from '../shared/task.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { EXIT } from '../service/exit.ts';
import { tildePath } from '../service/files.ts';
import { grpcErrorIn } from '../temporal/client.ts';
import { EngineUnreachable } from '../temporal/engine-unreachable.ts';
import { withClient, type Context } from './context.ts';
import { CliError } from './exit.ts';

/** Timeout of a query, in milliseconds. */
const QUERY_TIMEOUT_MS = 2_000;

export interface Retrying {
  attempt: number;
  why: string;
  /** Error type of the failure, e.g. `unreachable`; `explain` has a sentence for it. */
  type?: string;
  detail?: ErrorDetail;
  /** Start of the attempt, ISO 8601; absent while it is running. */
  next_attempt_at?: string;
}

/** A task, as the engine knows it. */
export interface Found {
  /** The chat that asked for it. */
  route?: Route;
  view: TaskView;
  /** False if no worker answered: the view holds only what the engine has recorded. */
  live: boolean;
  /** How the workflow was ended in the engine (terminated, reset, …): it will have no result. */
  ended?: string;
  /** An activity that is being retried, and its last failure. */
  retrying?: Retrying;
  /** Progress of the answer that a relay receives. */
  progress?: StreamProgress;
}

/**
 * @param chat hides the tasks of other chats
 * @returns the task; `undefined` if the engine does not know it
 */
export async function lookUp(client: Client, task_id: string, chat?: Route): Promise<Found | undefined> {
  const handle = client.workflow.getHandle(task_id);
  try {
    const description = await handle.describe();
    if (description.type !== TASK_WORKFLOW) return undefined;
    const route = routeIn(description);
    if (chat && !(route && isSameChat(route, chat))) return undefined;
    const view = await ask(client, handle);
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
        created_at: isoSeconds(description.startTime),
        acknowledged: false,
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
  context: Context,
  task_id: string,
  ask = async () => await withClient(context, async (client) => await lookUp(client, task_id)),
): Promise<{ found: Found | undefined; saved: ResultFile | undefined }> {
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

/** @returns the message for a task whose result cannot be read: it has none yet, or the file is gone. */
export function noResult({ say, results }: Context, task_id: string, { view, ended }: Found): CliError {
  if (ended) return new CliError(EXIT.cancelled, say.ended(task_id, ended));
  return hasEnded(view)
    ? new CliError(EXIT.config, say.resultGone(task_id, tildePath(results.resultPath(task_id))))
    : new CliError(EXIT.unfinished, say.unfinished(task_id));
}

/**
 * Checks that a task belongs to a chat.
 *
 * @throws {CliError} if it belongs to another chat, or if its chat is no longer known
 */
export async function checkChat(context: Context, task_id: string, chat: Route | undefined): Promise<void> {
  if (!chat) return;
  const found = await withClient(context, async (client) => await lookUp(client, task_id, chat));
  if (!found) throw new CliError(EXIT.unknown_task, context.say.unknownTask(task_id, '/kimi list'));
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
  const isRetrying = failure !== undefined && (progress?.tokens ?? 0) === 0;
  return {
    ...(isRetrying && {
      retrying: { attempt, ...whyIn(failure), ...(next && { next_attempt_at: isoSeconds(next) }) },
    }),
    ...(progress && { progress }),
  };
}

/** Reads progress and retries of the running activities. */
async function pendingIn(client: Client, { raw }: Description): Promise<Pick<Found, 'progress' | 'retrying'>> {
  const activities = raw.pendingActivities ?? [];
  const failed = activities.find(({ lastFailure }) => lastFailure);
  const beating = activities.find(({ heartbeatDetails }) => heartbeatDetails?.payloads?.length);
  const { loadedDataConverter } = client.options;
  const next = optionalTsToMs(failed?.nextAttemptScheduleTime);
  const [beat] = (await decodeArrayFromPayloads(loadedDataConverter, beating?.heartbeatDetails?.payloads)) ?? [];
  return {
    ...(failed && {
      retrying: {
        attempt: failed.attempt ?? 1,
        ...(await whyOf(client, failed.lastFailure)),
        ...(next !== undefined && { next_attempt_at: isoSeconds(next) }),
      },
    }),
    ...(isProgress(beat) && { progress: progressIn(beat) }),
  };
}

function progressIn({ phase, tokens, tail }: StreamProgress): StreamProgress {
  return { phase, tokens, tail };
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

function whyIn(error: Error | undefined): Pick<Retrying, 'why' | 'type' | 'detail'> {
  return { why: error?.message ?? '', ...(error instanceof ApplicationFailure && readDetails(error.details)) };
}

/** @returns the workflow's own view; `undefined` if no worker answers. */
async function ask(client: Client, handle: WorkflowHandle): Promise<TaskView | undefined> {
  try {
    return await client.connection.withDeadline(
      Date.now() + QUERY_TIMEOUT_MS,
      async () => await handle.query<TaskView>(STATUS_QUERY),
    );
  } catch (error) {
    // The error of a worker that cannot replay the history.
    const isNoAnswer = error instanceof QueryNotRegisteredError;
    if (isNoAnswer || grpcErrorIn(error)) return undefined;
    throw error;
  }
}

/** The view of a task from its result, for tasks past the engine's retention. */
export function viewOfResult(result: ResultFile): TaskView {
  return {
    task_id: result.task_id,
    task_name: result.task_name,
    model: result.model,
    state: result.status,
    step: 'closed',
    created_at: result.created_at,
    completed_at: result.completed_at,
    tokens: result.tokens?.total,
    finish_reason: result.finish_reason,
    error: result.error,
    acknowledged: result.acknowledged ?? false,
  };
}
