/** The output file and the error file of a batch, with a line for each request. Their lines are made from the results of the rows. */
import { isRowAnswered } from '../results/map-result.ts';
import type { CallerTasks, EndedRow } from '../tasks/tasks.ts';
import { completionOf } from './chat.ts';
import { failureOf } from './errors.ts';
import { questionOfBatch, type Endpoint, type MadeFile } from './batch-object.ts';
import { askedOf, responseOf } from './response-object.ts';

/** @returns the lines of a file, with their ends. @throws if the batch has not ended, or is none */
export async function* linesOf(tasks: CallerTasks, { task_id, kind }: MadeFile): AsyncGenerator<string> {
  const { endpoint } = await questionOfBatch(tasks, task_id);
  for await (const row of tasks.rowsOf(task_id)) {
    if (isRowAnswered(row) !== (kind === 'output')) continue;
    yield `${JSON.stringify({
      id: `batch_req_${row.task_id}`,
      custom_id: row.values['custom_id'],
      ...outcomeOf(row, endpoint),
    })}\n`;
  }
}

/** Rows that Kimi did not ask have no response. */
function outcomeOf({ task_id, status, error, result, asked = {} }: EndedRow, endpoint: Endpoint) {
  const response = (status_code: number, body: object) => ({
    response: { status_code, request_id: task_id, body },
    error: null,
  });
  if (result && isRowAnswered({ status, result })) {
    const whole = { ...result, status: 'done' as const };
    return response(200, endpoint === '/v1/responses' ? responseOf(askedOf(whole, asked), whole) : completionOf(whole));
  }
  const { type, message } = error ?? { type: status, message: status };
  const isAsked = result && status === 'failed' && type !== 'batch_expired';
  if (!isAsked) return { response: null, error: { code: status === 'cancelled' ? 'batch_cancelled' : type, message } };
  const failure = failureOf(result);
  return response(failure.status, failure.body);
}
