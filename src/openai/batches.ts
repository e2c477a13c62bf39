/** Batches: maps that Kimi answers as batches. */
import express, { type Request, type Response, type Router } from 'express';
import type { Batch } from 'openai/resources/batches';
import * as z from 'zod';
import { read } from '../api/operation.ts';
import { acknowledgeOnceSent } from '../api/once-sent.ts';
import { metadata } from '../api/question-schemas.ts';
import { keyHeader } from '../api/schemas.ts';
import { allow, requireUtf8 } from '../service/express.ts';
import { Problem } from '../tasks/problem.ts';
import { sha256Of } from '../tasks/rows.ts';
import { keyAt } from '../tasks/task-id.ts';
import { isTaskName } from '../tasks/task-name.ts';
import type { CallerTasks } from '../tasks/tasks.ts';
import { atLine, BatchLines, PROMPT } from './batch-lines.ts';
import { batchOf, ENDED, ENDPOINTS, MAX_METADATA, metadataOf } from './batch-object.ts';
import { invalidValue, noSuch } from './errors.ts';
import { findTask, idOf, taskIdOf } from './ids.ts';
import { pageOf } from './pages.ts';
import { readBody } from './parameters.ts';

const body = z.object({
  input_file_id: z.string(),
  endpoint: z.enum(ENDPOINTS),
  completion_window: z.literal('24h', 'has to be 24h'),
  metadata: metadata
    .refine((words) => Object.keys(words).length <= MAX_METADATA, `has more than ${MAX_METADATA} members`)
    .default({}),
});

/** Batches of a page, unless its client says so: as at OpenAI. */
const BATCHES = 20;

/** Tasks that are read at a time. */
const PAGE = 100;

/** @param open the operations that the sender of a request may use */
export function routeBatches(router: Router, open: (request: Request) => Promise<CallerTasks>): void {
  router
    .route('/batches')
    .post(express.json({ verify: requireUtf8 }), async (request, response) => {
      const tasks = await open(request);
      const task_id = await create(tasks, request);
      response.json(await found(tasks, idOf('Batch', task_id)));
    })
    .get(async (request, response) => {
      response.json(await pageOf(batchesOf(await open(request)), request.query, BATCHES));
    })
    .all(allow('GET, POST'));
  router
    .route('/batches/:id')
    .get(async (request, response) => {
      const tasks = await open(request);
      await show(tasks, await found(tasks, request.params.id), response);
    })
    .all(allow('GET'));
  router
    .route('/batches/:id/cancel')
    .post(async (request, response) => {
      const { id } = request.params;
      const tasks = await open(request);
      await found(tasks, id);
      let isEnding = false;
      await tasks.cancel(taskIdOf('Batch', id)).catch((error: unknown) => {
        if (!(error instanceof Problem && ['already_ended', 'still_ending'].includes(error.code))) throw error;
        isEnding = error.code === 'still_ending';
      });
      const batch = await found(tasks, id);
      await show(tasks, isEnding ? { ...batch, status: 'cancelling' } : batch, response);
    })
    .all(allow('POST'));
}

/** @returns the id of its map: the same one for the same file, unless the client sends another `Idempotency-Key` */
async function create(tasks: CallerTasks, { body: json, headers }: Request): Promise<string> {
  const asked = readBody(body, json);
  const { endpoint, input_file_id: id } = asked;
  const upload = await tasks.uploads.find(id);
  const content = upload && (await tasks.uploads.content(id));
  if (!content) throw noSuch('File', id);
  if (upload.purpose !== 'batch') throw invalidValue('input_file_id', 'the file was uploaded for another purpose');
  const lines = new BatchLines(tasks, endpoint);
  const { name } = upload;
  const rows = await tasks.storeRows({ name, sha256: sha256Of(content) }, lines.rows(content));
  const own = keyAt(`openai batch ${JSON.stringify(asked)}`, Date.parse(upload.created_at));
  const key = read(keyHeader, headers, 'header')['idempotency-key'] ?? own;
  try {
    const started = await tasks.startMap(
      {
        prompt: PROMPT,
        name: isTaskName(name) ? name : 'batch',
        ...(lines.model !== undefined && { model: lines.model }),
        request: { batch: true },
        rows,
        metadata: metadataOf(asked),
        wake: false,
        event: { form: 'openai' },
      },
      key,
    );
    return started.task_id;
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'unusable_row')) throw error;
    const { line, reason } = (error as Problem<'unusable_row'>).params;
    throw atLine(line, new Problem(reason.code, reason.params));
  }
}

/** @throws {OpenAiError} 404 */
async function found(tasks: CallerTasks, id: string): Promise<Batch> {
  const batch = await batchOf(tasks, await findTask(tasks, 'Batch', id));
  if (!batch) throw noSuch('Batch', id);
  return batch;
}

/** A batch that ended without any answer has no output to fetch, so its result is acknowledged once its end was shown. */
async function show(tasks: CallerTasks, batch: Batch, response: Response): Promise<void> {
  if (ENDED[batch.status] && batch.output_file_id === undefined) {
    acknowledgeOnceSent(tasks, await tasks.result(taskIdOf('Batch', batch.id)), response);
  }
  response.json(batch);
}

/** Yields every batch, the newest first. */
async function* batchesOf(tasks: CallerTasks): AsyncGenerator<Batch> {
  let cursor: string | undefined;
  do {
    const page = await tasks.list({ maps: true }, PAGE, cursor);
    for (const { task_id } of page.tasks) {
      const batch = await batchOf(tasks, await tasks.find(task_id));
      if (batch) yield batch;
    }
    cursor = page.next;
  } while (cursor !== undefined);
}
