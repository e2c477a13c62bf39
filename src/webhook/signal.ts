import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Callback } from '../shared/callback.ts';
import { CALLBACK_SIGNAL, ROW_WORKFLOW, SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../shared/names.ts';
import { grpcErrorIn } from '../temporal/client.ts';

/** Result of a signal: accepted, or a repeat of an accepted callback. */
export type Signalled = 'signalled' | 'duplicate';

/** Why no task will ever accept a callback. */
export type UndeliverableReason = 'unknown_task' | 'task_closed';

/** A callback that no task will ever accept. */
export class Undeliverable extends Error {
  override readonly name = 'Undeliverable';

  constructor(
    readonly reason: UndeliverableReason,
    message: string,
  ) {
    super(message);
  }
}

/** The engine is unreachable, overloaded or too slow. It may have the callback; sending it again is harmless. */
export class EngineUnavailable extends Error {
  override readonly name = 'EngineUnavailable';
}

/** Time limit of a check whether the engine answers, in milliseconds: probes of `/readyz` often wait for a second only. */
const PROBE_TIMEOUT_MS = 500;

/** `INVALID_ARGUMENT` of gRPC: the engine answers, and rejects the callback. */
const INVALID_ARGUMENT = 3;

/**
 * Sends a callback to its task as a signal. A callback for a task that has ended with an answer is a duplicate.
 *
 * @param timeoutMs how long the engine may take, in milliseconds.
 * @throws {Undeliverable} if no task will ever accept it.
 * @throws {EngineUnavailable} if it should be retried.
 */
export async function signalTask(client: Client, callback: Callback, timeoutMs: number): Promise<Signalled> {
  const { task_id } = callback.metadata;
  const handle = client.workflow.getHandle(task_id);
  try {
    await call(client, timeoutMs, async () => await handle.signal<[Callback]>(CALLBACK_SIGNAL, callback));
    return 'signalled';
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
  // Closed and unknown workflows raise the same error.
  try {
    const { type, status, typedSearchAttributes } = await call(client, timeoutMs, async () => await handle.describe());
    if (type !== TASK_WORKFLOW && type !== ROW_WORKFLOW) throw unknownTask(task_id);
    // A task that timed out or was cancelled, and closed after its grace, has no answer: this callback repeats none.
    const outcome = typedSearchAttributes.get(SEARCH_ATTRIBUTES.status);
    const hasTokens = typedSearchAttributes.get(SEARCH_ATTRIBUTES.tokens) !== undefined;
    const isAnswered = outcome === 'cancelled' ? hasTokens : outcome !== 'timed_out';
    if (status.name === 'COMPLETED' && isAnswered) return 'duplicate';
    const how = status.name.toLowerCase();
    throw new Undeliverable('task_closed', `task ${task_id} is closed (${how}) and no longer accepts an answer`);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw unknownTask(task_id);
    throw error;
  }
}

/** @returns whether the engine answers within half a second. */
export async function engineAnswers(client: Client): Promise<boolean> {
  try {
    await call(client, PROBE_TIMEOUT_MS, async () => await client.connection.workflowService.getSystemInfo({}));
    return true;
  } catch {
    return false;
  }
}

export function unknownTask(task_id: string): Undeliverable {
  return new Undeliverable('unknown_task', `no task ${JSON.stringify(task_id)}`);
}

async function call<T>(client: Client, timeoutMs: number, request: () => Promise<T>): Promise<T> {
  try {
    return await client.connection.withDeadline(Date.now() + timeoutMs, request);
  } catch (error) {
    const code = grpcErrorIn(error)?.code;
    if (code === undefined || code === INVALID_ARGUMENT) throw error;
    throw new EngineUnavailable('the task engine cannot be reached', { cause: error });
  }
}
