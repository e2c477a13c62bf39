import { isGrpcServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Callback } from '../shared/callback.ts';
import { CALLBACK_SIGNAL, SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../shared/names.ts';

/** What became of a callback that was delivered: taken, or a repeat of one taken before. */
export type Delivered = 'signalled' | 'duplicate';

/** Why nothing will ever take a callback. */
export type UndeliverableReason = 'unknown_task' | 'task_closed';

/** A callback that nothing will ever take. */
export class Undeliverable extends Error {
  override readonly name = 'Undeliverable';

  constructor(
    readonly reason: UndeliverableReason,
    message: string,
  ) {
    super(message);
  }
}

/** The engine is out of reach, overloaded or too slow. Whether it has the callback is not known; sending again is harmless. */
export class EngineUnavailable extends Error {
  override readonly name = 'EngineUnavailable';
}

/** `INVALID_ARGUMENT` of gRPC: the engine is there, and what is wrong is the callback. */
const INVALID_ARGUMENT = 3;

/**
 * Raises the signal. A callback for a task that has ended is a repeat.
 *
 * @param timeoutMs how long the engine may take, in milliseconds.
 * @throws {Undeliverable} when nothing will ever take it.
 * @throws {EngineUnavailable} when it should be tried again.
 */
export async function deliver(client: Client, callback: Callback, timeoutMs: number): Promise<Delivered> {
  const { task_id } = callback.metadata;
  const handle = client.workflow.getHandle(task_id);
  try {
    await ask(client, timeoutMs, async () => await handle.signal<[Callback]>(CALLBACK_SIGNAL, callback));
    return 'signalled';
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
  // Closed and unknown workflows raise the same error.
  try {
    const { type, status, typedSearchAttributes } = await ask(client, timeoutMs, async () => await handle.describe());
    if (type !== TASK_WORKFLOW) throw unknownTask(task_id);
    // One that timed out or was cancelled, and was closed after its grace, has no answer yet: this is no repeat of one.
    const outcome = typedSearchAttributes.get(SEARCH_ATTRIBUTES.status);
    const hasTokens = typedSearchAttributes.get(SEARCH_ATTRIBUTES.tokens) !== undefined;
    const isAnswered = outcome === 'cancelled' ? hasTokens : outcome !== 'timed_out';
    if (status.name === 'COMPLETED' && isAnswered) return 'duplicate';
    const how = status.name.toLowerCase();
    throw new Undeliverable('task_closed', `task ${task_id} is closed (${how}) and takes no answer any more`);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw unknownTask(task_id);
    throw error;
  }
}

/** @returns whether the engine answers within the time, in milliseconds. */
export async function engineAnswers(client: Client, timeoutMs: number): Promise<boolean> {
  try {
    await ask(client, timeoutMs, async () => await client.connection.workflowService.getSystemInfo({}));
    return true;
  } catch {
    return false;
  }
}

export function unknownTask(task_id: string): Undeliverable {
  return new Undeliverable('unknown_task', `no task ${JSON.stringify(task_id)}`);
}

async function ask<T>(client: Client, timeoutMs: number, call: () => Promise<T>): Promise<T> {
  try {
    return await client.connection.withDeadline(Date.now() + timeoutMs, call);
  } catch (error) {
    const cause = isGrpcServiceError(error) ? error : (error as Error).cause;
    if (isGrpcServiceError(cause) && (cause.code as number) !== INVALID_ARGUMENT) {
      throw new EngineUnavailable('the task engine cannot be reached', { cause: error });
    }
    throw error;
  }
}
