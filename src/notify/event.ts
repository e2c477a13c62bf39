/** The event of a task's end, as programs receive it (docs/webhooks.md). */
import { countsOf } from '../shared/map.ts';
import type { ResultFile } from '../shared/result.ts';

/** A longer answer is not in the event, in bytes of JSON. Receivers expect events of less than 20 KB (Standard Webhooks). */
const MAX_OUTPUT_BYTES = 16 * 1024;

/** @returns the event of a saved result: always the same one. */
export function eventOf(result: ResultFile, metadata: ResultFile['metadata']): object {
  const { task_id, task_name, status, model, created_at, completed_at, map } = result;
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
      ...present({
        ...pick(result, ['finish_reason', 'tokens', 'cost', 'late', 'simulated', 'continues', 'schedule']),
        output: fits(result.output) ? result.output : undefined,
        error: result.error && pick(result.error, ['type', 'message']),
        metadata,
        map: map && { ...countsOf(map), tokens: map.tokens, cost: map.cost },
      }),
    },
  };
}

function fits(output = ''): boolean {
  return Buffer.byteLength(JSON.stringify(output)) <= MAX_OUTPUT_BYTES;
}

function pick<T extends object, Name extends keyof T>(whole: T, names: Name[]): Pick<T, Name> {
  return Object.fromEntries(names.map((name) => [name, whole[name]])) as Pick<T, Name>;
}

function present(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
