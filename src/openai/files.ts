/** Files: uploaded ones, and those that batches make. */
import { once } from 'node:events';
import express, { type Request, type Router } from 'express';
import type { FileObject } from 'openai/resources/files';
import * as z from 'zod';
import { acknowledgeOnceSent } from '../api/once-sent.ts';
import { allow } from '../service/express.ts';
import { MAX_ROWS_BYTES } from '../shared/map.ts';
import { MAX_FILE_BYTES } from '../shared/task.ts';
import type { CallerTasks } from '../tasks/tasks.ts';
import { UPLOAD_KEEP_MS, type Upload } from '../tasks/uploads.ts';
import { linesOf } from './batch-files.ts';
import { madeFileOf, type MadeFile } from './batch-object.ts';
import { secondsOf } from './chat.ts';
import { invalidValue, noSuch, OpenAiError } from './errors.ts';
import { pageOf } from './pages.ts';

/** What a file may be for, and its largest size in bytes. */
const PURPOSES: Record<string, number> = { batch: MAX_ROWS_BYTES, user_data: MAX_FILE_BYTES };

/** What a form has beside its file, in bytes. */
const MAX_FORM_BYTES = 64 * 1024;

const fields = z.object({ file: z.instanceof(File), purpose: z.string() });

/** @param open the operations that the sender of a request may use */
export function routeFiles(router: Router, open: (request: Request) => Promise<CallerTasks>): void {
  const raw = express.raw({ type: 'multipart/form-data', limit: MAX_ROWS_BYTES + MAX_FORM_BYTES });
  router
    .route('/files')
    .post(raw, async (request, response) => {
      const { file, purpose } = await formIn(request);
      const most = PURPOSES[purpose];
      if (most === undefined) throw invalidValue('purpose', `is none of ${Object.keys(PURPOSES).join(', ')}`);
      if (file.size > most) throw invalidValue('file', `has more than ${most} bytes`);
      if (file.size === 0) throw invalidValue('file', 'is empty');
      // Only its name, as `POST /v1/files` takes it.
      const name = (file.name.split(/[/\\]/).at(-1) || 'file').slice(-255);
      const content = Buffer.from(await file.arrayBuffer());
      response.json(fileOf(await (await open(request)).uploads.add({ name, content, purpose })));
    })
    .get(async (request, response) => {
      const { purpose } = request.query;
      const all = await (await open(request)).uploads.list();
      const files = all.filter((each) => purpose === undefined || each.purpose === purpose).map((each) => fileOf(each));
      response.json(await pageOf(files, request.query));
    })
    .all(allow('GET, POST'));
  router
    .route('/files/:id')
    .get(async (request, response) => {
      const { id } = request.params;
      const tasks = await open(request);
      const made = madeFileOf(id);
      response.json(made ? await shownMade(tasks, made) : fileOf(await found(tasks, id)));
    })
    .delete(async (request, response) => {
      const { id } = request.params;
      if (madeFileOf(id))
        throw invalidValue('file_id', 'it is made of the results of a batch, and is not stored itself');
      if (!(await (await open(request)).uploads.remove(id))) throw noSuch('File', id);
      response.json({ id, object: 'file', deleted: true });
    })
    .all(allow('GET, DELETE'));
  router
    .route('/files/:id/content')
    .get(async (request, response) => {
      const { id } = request.params;
      const tasks = await open(request);
      const made = madeFileOf(id);
      response.type('application/octet-stream');
      if (!made) {
        const content = await tasks.uploads.content(id);
        if (!content) throw noSuch('File', id);
        response.send(content);
        return;
      }
      for await (const line of linesOf(tasks, made)) {
        if (response.closed) return;
        if (!response.write(line)) await once(response, 'drain');
      }
      if (made.kind === 'output') acknowledgeOnceSent(tasks, await tasks.result(made.task_id), response);
      response.end();
    })
    .all(allow('GET'));
}

async function formIn({ body, headers }: Request): Promise<z.output<typeof fields>> {
  const { 'content-type': type = '' } = headers;
  if (!Buffer.isBuffer(body)) throw new OpenAiError(415, 'Send a form: multipart/form-data', { code: 'not_a_form' });
  try {
    // Node reads the form.
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
    return fields.parse({ file: form.get('file'), purpose: form.get('purpose') });
  } catch {
    throw invalidValue('file', 'send a form with the fields file and purpose');
  }
}

/** @throws {OpenAiError} 404 */
async function found(tasks: CallerTasks, id: string): Promise<Upload> {
  const file = await tasks.uploads.find(id);
  if (!file) throw noSuch('File', id);
  return file;
}

function fileOf({ id, name, purpose, bytes, created_at }: Upload): FileObject {
  const created = secondsOf(created_at);
  return {
    id,
    object: 'file',
    bytes,
    created_at: created,
    expires_at: created + UPLOAD_KEEP_MS / 1000,
    filename: name,
    purpose: purpose as FileObject['purpose'],
    status: 'processed',
  };
}

async function shownMade(tasks: CallerTasks, made: MadeFile): Promise<FileObject> {
  let bytes = 0;
  for await (const line of linesOf(tasks, made)) bytes += Buffer.byteLength(line);
  const { completed_at: at } = await tasks.result(made.task_id);
  return {
    id: made.id,
    object: 'file',
    bytes,
    created_at: secondsOf(at),
    filename: `${made.task_id}-${made.kind}.jsonl`,
    purpose: 'batch_output',
    status: 'processed',
  };
}
