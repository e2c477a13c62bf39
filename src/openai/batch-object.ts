/** A map as a batch of OpenAI's API. */
import type { Batch } from 'openai/resources/batches';
import type { ResultFile } from '../shared/result.ts';
import { Problem } from '../tasks/problem.ts';
import type { CallerTasks, Standing } from '../tasks/tasks.ts';
import { isUnheard } from '../tasks/view.ts';
import { secondsOf } from './chat.ts';
import { noSuch } from './errors.ts';
import { idOf } from './ids.ts';

export const ENDPOINTS = ['/v1/chat/completions', '/v1/responses'] as const;

export type Endpoint = (typeof ENDPOINTS)[number];

/** What a batch was made of. */
export interface QuestionOfBatch {
  endpoint: Endpoint;
  input_file_id: string;
  metadata: Record<string, string>;
}

/** Members of a map's metadata that Kimi Dispatch adds to those of the client. */
const OURS = { endpoint: 'openai_endpoint', input_file_id: 'openai_input_file_id' } as const;

/** Most members that the client may give: OpenAI allows 16, and two are added. */
export const MAX_METADATA = 14;

/** @returns the metadata of the map */
export function metadataOf({ endpoint, input_file_id, metadata }: QuestionOfBatch): Record<string, string> {
  return { ...metadata, [OURS.endpoint]: endpoint, [OURS.input_file_id]: input_file_id };
}

/** @returns `undefined` if it is no batch of OpenAI's API */
function questionIn(metadata: Record<string, string> = {}): QuestionOfBatch | undefined {
  const { [OURS.endpoint]: endpoint, [OURS.input_file_id]: input_file_id, ...rest } = metadata;
  if (endpoint === undefined || input_file_id === undefined) return undefined;
  return { endpoint: endpoint as Endpoint, input_file_id, metadata: rest };
}

/** @returns what an ended batch was made of. @throws {OpenAiError} 404 */
export async function questionOfBatch(tasks: CallerTasks, task_id: string): Promise<QuestionOfBatch> {
  const question = questionIn((await tasks.question(task_id)).metadata);
  if (!question) throw noSuch('Batch', idOf('Batch', task_id));
  return question;
}

/** A file of a batch that has ended. */
export interface MadeFile {
  id: string;
  /** Of its map. */
  task_id: string;
  kind: 'output' | 'errors';
}

/** @returns `undefined` if the id is that of another file */
export function madeFileOf(id: string): MadeFile | undefined {
  const [, kind, task_id] = /^file-(output|errors)-(kimi-\d{1,12}-\d{1,9})$/.exec(id) ?? [];
  return task_id === undefined ? undefined : { id, task_id, kind: kind as MadeFile['kind'] };
}

function madeFileId(task_id: string, kind: MadeFile['kind']): string {
  return `file-${kind}-${task_id}`;
}

/** How long Kimi may take, in seconds. */
const WINDOW_S = 24 * 3_600;

/**
 * @returns `undefined` if the task is no batch of OpenAI's API
 * @throws {Problem} `no_worker`, if it may be one
 */
export async function batchOf(tasks: CallerTasks, now: Standing): Promise<Batch | undefined> {
  const { task_id, map, created_at, model } = now;
  const result = now.result_file === undefined ? undefined : await tasks.result(task_id);
  const question = questionIn(result ? (await tasks.question(task_id)).metadata : now.metadata);
  // A task without a question may be a batch. Without a worker, its rows are unknown.
  const mayBe = question !== undefined || now.question === undefined;
  if (!map && mayBe && isUnheard(now)) throw new Problem('no_worker', { task_id });
  if (!map || !question) return undefined;
  const { rows, done, failed, timed_out, cancelled } = map;
  const created = secondsOf(created_at);
  const status = statusOf(now, result);
  const without = failed + timed_out + cancelled;
  return {
    id: idOf('Batch', task_id),
    object: 'batch',
    ...question,
    model,
    completion_window: '24h',
    status,
    created_at: created,
    in_progress_at: created,
    expires_at: created + WINDOW_S,
    ...(result && ENDED[status] && { [ENDED[status]]: secondsOf(result.completed_at) }),
    ...(status === 'failed' && {
      errors: {
        object: 'list',
        data: [{ code: 'ended', message: `the engine has ended it: ${now.ended ?? 'its result is gone'}` }],
      },
    }),
    ...(result && {
      ...(done > 0 && { output_file_id: madeFileId(task_id, 'output') }),
      ...(without > 0 && { error_file_id: madeFileId(task_id, 'errors') }),
    }),
    request_counts: { total: rows, completed: done, failed: without },
    ...(result?.map && { usage: usageOf(result.map) }),
  };
}

/** The member that has the time of a batch's end, by its status. */
export const ENDED: Partial<Record<Batch['status'], keyof Batch>> = {
  completed: 'completed_at',
  expired: 'expired_at',
  cancelled: 'cancelled_at',
};

function statusOf(
  { state, ended, missing_file: missing, map }: Standing,
  result: ResultFile | undefined,
): Batch['status'] {
  if (result) return statusOfEnded(result);
  if (ended !== undefined || missing !== undefined) return 'failed';
  if (state === 'queued' || state === 'paused') return 'validating';
  const open = map ? map.rows - map.done - map.failed - map.timed_out - map.cancelled : 0;
  return open > 0 ? 'in_progress' : 'finalizing';
}

/** As at OpenAI, a batch with errors is completed. */
export function statusOfEnded({
  status,
  map,
}: Pick<ResultFile, 'status' | 'map'>): 'completed' | 'cancelled' | 'expired' {
  if (status === 'cancelled') return 'cancelled';
  return map?.failures.some(({ error }) => error?.type === 'batch_expired') ? 'expired' : 'completed';
}

function usageOf({ tokens }: NonNullable<ResultFile['map']>): NonNullable<Batch['usage']> {
  const { prompt, completion, total, cached = 0, reasoning = 0 } = tokens;
  return {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: completion,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: total,
  };
}
