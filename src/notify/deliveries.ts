/** Deliveries of events, as workflows in the engine: one that failed is a dead letter. */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowIdReusePolicy,
  type Client,
  type WorkflowExecutionDescription,
} from '@temporalio/client';
import { ActivityFailure, TimeoutFailure } from '@temporalio/common';
import type { Delivery } from '../shared/delivery.ts';
import { isoSeconds } from '../shared/format.ts';
import { notifyWorkflowId, NOTIFY_WORKFLOW } from '../shared/names.ts';
import { inputOf, pendingIn, whyIn } from '../tasks/look-up.ts';
import type { EventDelivery, Retrying } from '../tasks/tasks.ts';
import { unlessUnknown } from '../temporal/client.ts';

/** Waits between attempts, in milliseconds: four times as long each time, up to the longest. */
const RETRY_MS = { first: 1_000, longest: 6 * 3_600_000 };

/**
 * @param attempt the one that failed, from 1 on
 * @param retryAfterMs the least that the receiver wants
 * @returns how long to wait before the next one, in milliseconds: up to a fifth longer at random, so that not all events that wait for a
 *   receiver are sent again at the same moment
 */
export function retryDelayMs(attempt: number, retryAfterMs = 0): number {
  const delay = Math.min(RETRY_MS.first * 4 ** (attempt - 1), RETRY_MS.longest);
  return Math.max(delay, retryAfterMs) * (1 + Math.random() / 5);
}

/** What is shown of a delivery, in its memo. */
interface DeliveryMemo {
  task_name: string;
  /** The receiver's. */
  origin: string;
}

/** An event that its receiver has not accepted. */
export interface Undelivered extends DeliveryMemo, Pick<EventDelivery, 'id' | 'retrying'> {
  task_id: string;
  state: 'pending' | 'given_up';
  /** When its delivery began, ISO 8601. */
  since: string;
}

/** Starts the delivery of an event; does nothing if it was started before. */
export async function startDelivering(
  client: Client,
  taskQueue: string,
  delivery: Delivery,
  memo: DeliveryMemo,
  workflowIdReusePolicy: WorkflowIdReusePolicy = WorkflowIdReusePolicy.REJECT_DUPLICATE,
): Promise<void> {
  try {
    await client.workflow.start(NOTIFY_WORKFLOW, {
      workflowId: notifyWorkflowId(delivery.id),
      taskQueue,
      workflowIdReusePolicy,
      memo: { ...memo },
      staticSummary: `${memo.task_name} → ${memo.origin}`,
      args: [delivery],
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

function queryFor(taskQueue: string, statuses: string): string {
  return `WorkflowType = "${NOTIFY_WORKFLOW}" AND TaskQueue = ${JSON.stringify(taskQueue)} AND ExecutionStatus IN (${statuses})`;
}

/** @returns how many events were given up. */
export async function countGivenUp(client: Client, taskQueue: string): Promise<number> {
  return (await client.workflow.count(queryFor(taskQueue, '"Failed"'))).count;
}

/** @returns the events that are not delivered, the newest first. */
export async function undelivered(client: Client, taskQueue: string): Promise<Undelivered[]> {
  const found: Undelivered[] = [];
  for await (const { workflowId, runId } of client.workflow.list({
    query: queryFor(taskQueue, '"Running", "Failed"'),
  })) {
    // The engine's list lags behind: a run on it may have ended, or may have been replaced by `resend`.
    const now = await unlessUnknown(client.workflow.getHandle(workflowId).describe());
    if (now?.runId !== runId) continue;
    const { state, retrying } = (await stateIn(client, now)) ?? {};
    if (state === undefined || state === 'delivered') continue;
    const id = workflowId.slice(notifyWorkflowId('').length);
    found.push({
      ...(now.memo as unknown as DeliveryMemo),
      id,
      task_id: id.replace(/-late$/, ''),
      state,
      since: isoSeconds(now.startTime),
      ...(retrying && { retrying }),
    });
  }
  return found;
}

/** @returns how far the events of these ids are; nothing of one that has no receiver or was dropped. */
export async function deliveriesOf(client: Client, ids: string[]): Promise<EventDelivery[]> {
  const found = ids.map(async (id): Promise<EventDelivery[]> => {
    const now = await unlessUnknown(client.workflow.getHandle(notifyWorkflowId(id)).describe());
    const known = now && (await stateIn(client, now));
    if (!known) return [];
    const { origin } = now.memo as unknown as DeliveryMemo;
    return [{ id, origin, ...known, since: isoSeconds(now.closeTime ?? now.startTime) }];
  });
  return (await Promise.all(found)).flat();
}

/** @returns how far a delivery is; `undefined` if it was ended in the engine. */
async function stateIn(
  client: Client,
  now: WorkflowExecutionDescription,
): Promise<Pick<EventDelivery, 'state' | 'retrying'> | undefined> {
  const { workflowId, runId, status } = now;
  if (status.name === 'COMPLETED') return { state: 'delivered' };
  if (status.name !== 'RUNNING' && status.name !== 'FAILED') return undefined;
  const isPending = status.name === 'RUNNING';
  const { retrying } = isPending
    ? await pendingIn(client, now)
    : { retrying: await whyGivenUp(client.workflow.getHandle(workflowId, runId).result()) };
  return { state: isPending ? 'pending' : 'given_up', ...(retrying && { retrying }) };
}

/** The last attempt's failure, also after three days. */
async function whyGivenUp(result: Promise<unknown>): Promise<Pick<Retrying, 'why' | 'type' | 'detail'> | undefined> {
  try {
    await result;
    return undefined;
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    const failure = error.cause instanceof ActivityFailure ? error.cause.cause : error.cause;
    return whyIn(failure instanceof TimeoutFailure ? (failure.cause ?? failure) : failure);
  }
}

/** Delivers an event again that was given up, for three more days. @returns whether there is such an event. */
export async function resend(client: Client, taskQueue: string, id: string): Promise<boolean> {
  const given = await notDelivered(client, taskQueue, id, ['FAILED']);
  if (!given) return false;
  const { memo, ...run } = given;
  const workflowExecution = { workflowId: notifyWorkflowId(id), ...run };
  const delivery = (await inputOf(client, workflowExecution)) as Delivery;
  await startDelivering(client, taskQueue, delivery, memo, WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY);
  const { namespace } = client.options;
  await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution });
  return true;
}

/** Removes an event that is not delivered: one that is still sent again is ended. @returns whether there is such an event. */
export async function drop(client: Client, taskQueue: string, id: string): Promise<boolean> {
  const found = await notDelivered(client, taskQueue, id, ['RUNNING', 'FAILED']);
  if (!found) return false;
  const { namespace } = client.options;
  const workflowExecution = { workflowId: notifyWorkflowId(id), runId: found.runId };
  // The engine terminates one that runs.
  await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution });
  return true;
}

async function notDelivered(
  client: Client,
  taskQueue: string,
  id: string,
  statuses: string[],
): Promise<{ runId: string; memo: DeliveryMemo } | undefined> {
  const found = await unlessUnknown(client.workflow.getHandle(notifyWorkflowId(id)).describe());
  if (!found || !statuses.includes(found.status.name) || found.taskQueue !== taskQueue) return undefined;
  return { runId: found.runId, memo: found.memo as unknown as DeliveryMemo };
}
