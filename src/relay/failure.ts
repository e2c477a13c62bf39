/** Loaded by workflows too: it imports nothing from Node. */
import {
  relayApiId,
  type Callback,
  type ErrorCallback,
  type RelayRequest,
  type TaskError,
} from '../shared/contract.ts';

/** @returns what a task is told that gets no answer. */
export function relayFailure(request: RelayRequest, error: TaskError): ErrorCallback {
  return { id: relayApiId(request.task_id), model: request.body.model, error, metadata: metadataOf(request) };
}

export function metadataOf({ task_id, task_name }: RelayRequest): Callback['metadata'] {
  return { task_id, ...(task_name !== undefined && { task_name }) };
}
