/** Loaded by workflows too: it imports nothing from Node. */
import type { Callback, ErrorCallback } from '../shared/callback.ts';
import { relayApiId } from '../shared/names.ts';
import type { RelayRequest } from '../shared/relay.ts';
import type { TaskError } from '../shared/task.ts';

/** @returns what a task is told that gets no answer. */
export function relayFailure(request: RelayRequest, error: TaskError): ErrorCallback {
  return { id: relayApiId(request.task_id), model: request.body.model, error, metadata: metadataOf(request) };
}

export function metadataOf({ task_id, task_name }: RelayRequest): Callback['metadata'] {
  return { task_id, ...(task_name !== undefined && { task_name }) };
}
