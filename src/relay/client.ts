/** The relay's requests in the engine: standalone activities, one for each task (docs/decisions/0007-relay.md). */
import { ActivityExecutionAlreadyStartedError, ActivityNotFoundError, type Client } from '@temporalio/client';
import type { RetryPolicy } from '@temporalio/common';
import type { Callback } from '../shared/callback.ts';
import { relayId, streamsQueue } from '../shared/names.ts';
import type { RelayRequest, StreamProgress } from '../shared/relay.ts';
import { GRPC, grpcErrorIn } from '../temporal/client.ts';
import type { RelayActivities } from './activities.ts';

/** Delay before another attempt, unless Kimi or an interruption names one. */
const RETRY: RetryPolicy = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' };

/** More than a day of attempts, twenty streams and the delivery take; each of them has its own limit. */
const LIFETIME = '7d';

/** Delay before it is checked that a cancelled request has called back: more than the heartbeat timeout of a lost relay. */
const CHECK_CANCELLED = '12s';

/** Starts a request of the relay for a task. Does nothing if it was started before. */
export async function startRequest(client: Client, relayQueue: string, request: RelayRequest): Promise<void> {
  const { task_id, task_name = task_id, body } = request;
  await startOnce(client, 'complete', {
    id: relayId(task_id),
    taskQueue: streamsQueue(relayQueue),
    args: [request],
    // Kimi's own limit is 2 h (Moonshot's documentation).
    startToCloseTimeout: '3h',
    heartbeatTimeout: '10s',
    scheduleToCloseTimeout: LIFETIME,
    summary: `${task_name} · ${body.model}`,
  });
}

/** Starts the delivery of a callback that the webhook did not accept: it is retried for a day, since the answer is paid for. */
export async function startDelivery(
  client: Client,
  relayQueue: string,
  task_id: string,
  callback: Callback,
): Promise<void> {
  await startOnce(client, 'deliver', {
    id: deliveryId(task_id),
    taskQueue: relayQueue,
    args: [task_id, callback],
    startToCloseTimeout: '40s',
    heartbeatTimeout: '5s',
    scheduleToCloseTimeout: '24h',
    summary: task_id,
  });
}

/**
 * Cancels the request of a task: its relay closes the connection to Kimi and calls back with the answer so far. A request that no
 * relay is working on ends without a callback, which is delivered in its place.
 *
 * @returns whether there was such a request
 */
export async function cancelRequest(client: Client, relayQueue: string, request: RelayRequest): Promise<boolean> {
  const { task_id } = request;
  const handle = client.activity.getHandle(relayId(task_id));
  if ((await stateOf(client, task_id)) !== 'RUNNING') return false;
  try {
    await handle.cancel('the task was cancelled');
  } catch (error) {
    if ((await stateOf(client, task_id)) !== 'RUNNING') return false;
    // Cancelled before: a client repeats what got no answer, and the delivery may not have been started.
    if (grpcErrorIn(error)?.code !== GRPC.FAILED_PRECONDITION) throw error;
  }
  const isWorkedOn = (await stateOf(client, task_id)) === 'RUNNING';
  await startOnce(client, 'deliverCancelled', {
    id: cancelledId(task_id),
    taskQueue: relayQueue,
    args: [request],
    startToCloseTimeout: '40s',
    heartbeatTimeout: '5s',
    scheduleToCloseTimeout: '24h',
    summary: task_id,
    ...(isWorkedOn && { startDelay: CHECK_CANCELLED }),
  });
  return true;
}

/** Removes the request of a task, which holds its question, from the engine; what is not there is no error. */
export async function removeRequest(client: Client, task_id: string): Promise<void> {
  const { namespace } = client.options;
  for (const activityId of [relayId(task_id), deliveryId(task_id), cancelledId(task_id)]) {
    await client.workflowService.deleteActivityExecution({ namespace, activityId }).catch((error: unknown) => {
      if (grpcErrorIn(error)?.code !== GRPC.NOT_FOUND) throw error;
    });
  }
}

function deliveryId(task_id: string): string {
  return `${relayId(task_id)}-delivery`;
}

function cancelledId(task_id: string): string {
  return `${relayId(task_id)}-cancelled`;
}

/** @returns the engine's state of a task's request, e.g. `RUNNING`; `undefined` if there is none. */
export async function stateOf(client: Client, task_id: string): Promise<string | undefined> {
  return (await describe(client, relayId(task_id)))?.status;
}

/** @returns the request of a task with its progress and last failure; `undefined` if none is under way. */
export async function requestUnderWay(client: Client, task_id: string): ReturnType<typeof describe> {
  const request = await describe(client, relayId(task_id), { includeHeartbeatDetails: true, includeLastFailure: true });
  return request?.status === 'RUNNING' ? request : undefined;
}

/** @returns how many requests Kimi is asked to answer now. A batch is not interrupted with its relay. */
export async function answersUnderWay(client: Client, relayQueue: string): Promise<number> {
  const query = `ActivityType = "complete" AND ExecutionStatus = "Running" AND TaskQueue = "${streamsQueue(relayQueue)}"`;
  let answers = 0;
  for await (const { activityId } of client.activity.list(query)) {
    const request = await describe(client, activityId, { includeHeartbeatDetails: true });
    if (request?.status !== 'RUNNING') continue;
    const beat = (await request.getHeartbeatDetails()) as Partial<StreamProgress> | undefined;
    if (beat?.phase !== 'batch') answers += 1;
  }
  return answers;
}

type Handle = ReturnType<Client['activity']['getHandle']>;

async function describe(client: Client, id: string, options?: Parameters<Handle['describe']>[0]) {
  try {
    return await client.activity.getHandle(id).describe(options);
  } catch (error) {
    if (error instanceof ActivityNotFoundError) return undefined;
    throw error;
  }
}

type StartOptions = Parameters<Client['activity']['start']>[1];

async function startOnce(client: Client, name: keyof RelayActivities, options: StartOptions): Promise<void> {
  try {
    await client.activity.start(name, {
      ...options,
      retry: RETRY,
      idConflictPolicy: 'USE_EXISTING',
      idReusePolicy: 'REJECT_DUPLICATE',
    });
  } catch (error) {
    if (!(error instanceof ActivityExecutionAlreadyStartedError)) throw error;
  }
}
