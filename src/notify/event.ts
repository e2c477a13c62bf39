/** The event of a task's end, as programs receive it (docs/webhooks.md). */
import { countsOf } from '../shared/map.ts';
import type { ResultFile } from '../shared/result.ts';

/** A longer answer is not in the event, in bytes of JSON. Receivers expect events of less than 20 KB (Standard Webhooks). */
const MAX_OUTPUT_BYTES = 16 * 1024;

/** @returns the event of a saved result, as JSON: always the same one. Members that are `undefined` are none. */
export function eventOf(result: ResultFile, metadata: ResultFile['metadata']): object {
  const { task_id, task_name, status, model, created_at, completed_at } = result;
  const { finish_reason, tokens, cost, late, simulated, continues, schedule, output, error, map } = result;
  return {
    type: `task.${status}`,
    timestamp: completed_at,
    data: {
      task_id,
      task_name,
      status,
      model,
      created_at,
      completed_at,
      result: `/v1/tasks/${task_id}/result`,
      finish_reason,
      tokens,
      cost,
      late,
      simulated,
      continues,
      schedule,
      output: fits(output) ? output : undefined,
      error: error && { type: error.type, message: error.message },
      metadata,
      map: map && { ...countsOf(map), tokens: map.tokens, cost: map.cost },
    },
  };
}

function fits(output = ''): boolean {
  return Buffer.byteLength(JSON.stringify(output)) <= MAX_OUTPUT_BYTES;
}
