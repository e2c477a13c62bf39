import { QueryNotRegisteredError, WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import type { ProtoFailure } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { isSameChat, routeIn, type Route } from '../shared/chat.ts';
import { isoSeconds } from '../shared/format.ts';
import { SEARCH_ATTRIBUTES, STATUS_QUERY, TASK_WORKFLOW, relayId } from '../shared/names.ts';
import type { StreamProgress } from '../shared/relay.ts';
import type { ResultFile } from '../shared/result.ts';
import type { TaskState, TaskView } from '../shared/task.ts';
import { EXIT } from '../service/exit.ts';
import { tildePath } from '../service/files.ts';
import { grpcErrorIn } from '../temporal/client.ts';
import { withClient, type Context } from './context.ts';
import { CliError } from './exit.ts';

/** How long a worker may take to answer a query, in milliseconds. */
const QUERY_TIMEOUT_MS = 2_000;

export interface Retrying {
  attempt: number;
  why: string;
  /** When the attempt begins, ISO 8601; absent while it is under way. */
  next_attempt_at?: string;
}

/** What the engine knows of one task. */
export interface Found {
  /** The chat that asked for it. */
  route?: Route;
  view: TaskView;
  /** False where no worker answered and the view holds only what the engine has recorded. */
  live: boolean;
  /** How somebody ended the task in the engine, past the workflow: nothing will come of it. */
  ended?: string;
  /** An activity that is being tried again, and why it failed before. */
  retrying?: Retrying;
  /** How far the answer is, while a relay takes it. */
  progress?: StreamProgress;
}

/**
 * @param chat where it is given, the tasks of other chats are unknown.
 * @returns what the engine knows of a task; `undefined` where it does not know it.
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
    // While no worker answers, a relay may still be taking the answer.
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

/** @returns what is said of a task whose result cannot be read: that it has none yet, or none any more. */
export function noResult({ say, results }: Context, task_id: string, { view, ended }: Found): CliError {
  if (ended) return new CliError(EXIT.cancelled, say.ended(task_id, ended));
  const hasEnded = view.completed_at !== undefined || view.step === 'closed';
  return hasEnded
    ? new CliError(EXIT.config, say.resultGone(task_id, tildePath(results.resultPath(task_id))))
    : new CliError(EXIT.unfinished, say.unfinished(task_id));
}

/**
 * A chat sees its own tasks.
 *
 * @throws {CliError} where the task is not of the chat, or nobody knows by now whose it was.
 */
export async function checkChat(context: Context, task_id: string, chat: Route | undefined): Promise<void> {
  if (!chat) return;
  const found = await withClient(context, async (client) => await lookUp(client, task_id, chat));
  if (!found) throw new CliError(EXIT.unknown_task, context.say.unknownTask(task_id));
}

type Description = Awaited<ReturnType<WorkflowHandle['describe']>>;

/** @returns what the relay is doing for a task; nothing where it has ended, or has not begun. */
export async function progressOf(client: Client, task_id: string): Promise<Pick<Found, 'progress' | 'retrying'>> {
  try {
    return await pendingIn(client, await client.workflow.getHandle(relayId(task_id)).describe());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return {};
    throw error;
  }
}

/** What the activities that are under way say of themselves. */
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
        why: await whyOf(client, failed.lastFailure),
        ...(next !== undefined && { next_attempt_at: isoSeconds(next) }),
      },
    }),
    ...(isProgress(beat) && { progress: { phase: beat.phase, tokens: beat.tokens, tail: beat.tail } }),
  };
}

/** Activities that take no answer say other things with their heartbeats. */
function isProgress(beat: unknown): beat is StreamProgress {
  return typeof beat === 'object' && beat !== null && 'phase' in beat;
}

/** What an activity failed with. The description holds it as it is stored: encrypted, where payloads are. */
async function whyOf(client: Client, failure: ProtoFailure | null | undefined): Promise<string> {
  const error = await decodeOptionalFailureToOptionalError(client.options.loadedDataConverter, failure);
  return error?.message ?? '';
}

/** @returns the workflow's own view, or `undefined` where no worker answers. */
async function ask(client: Client, handle: WorkflowHandle): Promise<TaskView | undefined> {
  try {
    return await client.connection.withDeadline(
      Date.now() + QUERY_TIMEOUT_MS,
      async () => await handle.query<TaskView>(STATUS_QUERY),
    );
  } catch (error) {
    // A worker that cannot replay the task's history says so in this way.
    const isNoAnswer = error instanceof QueryNotRegisteredError;
    if (isNoAnswer || grpcErrorIn(error)) return undefined;
    throw error;
  }
}

/** A task the engine has forgotten (retention) is still known by its result. */
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
