import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Request, Response, Router } from 'express';
import * as z from 'zod';
import { isReadable, kindOf } from '../documents/kind.ts';
import { readDocument } from '../documents/read.ts';
import { invalid, refusalWith, Refusal } from './errors.ts';
import type { Counts, Upload } from './events.ts';

/** Moonshot's limits: of a file, in bytes, and of an account. */
const MAX_BYTES = 100_000_000;
const MAX_BODY_BYTES = MAX_BYTES + 10_000;
const MAX_COUNT = 1_000;

const count = z.coerce.number().int().nonnegative();

/**
 * Directives for an upload: `[[upload: key=value key=value]]` anywhere in the file's bytes, e.g. behind its end.
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `hold` | ms | the rest of the body is not received before this time; only at the beginning of a file |
 * | `delay` | ms | how long the response to the upload takes; the file is there already |
 * | `status` | 400–599 | the upload is refused with this status |
 * | `break` | `cut` | the file is stored, and the connection is closed without a response |
 * | `text` | status | the extracted text is refused with this status |
 * | `times` | n | only the first n uploads or readings of a file of this name are so |
 */
const directives = z.object({
  hold: count.default(0),
  delay: count.default(0),
  status: z.coerce.number().int().min(400).max(599).optional(),
  break: z.literal('cut').optional(),
  text: z.coerce.number().int().min(400).max(599).optional(),
  times: count.default(Infinity),
});

type Directives = z.infer<typeof directives>;

interface Stored {
  file: { id: string; filename: string; purpose: string };
  content: Buffer;
  counted: Upload;
}

/** Adds Moonshot's files to its API: their text is what src/documents reads, in the form that was observed of Kimi's. */
export function addFiles(api: Router, counts: Counts): Files {
  const files = new Files(counts);
  api.post('/files', async (request, response) => await files.upload(request, response));
  api.get('/files', (_request, response) => {
    response.json({ object: 'list', data: files.list() });
  });
  api.get('/files/:id', (request, response) => {
    response.json(files.find(request).file);
  });
  api.get('/files/:id/content', async (request, response) => {
    response.type('text').send(await files.text(request));
  });
  api.delete('/files/:id', (request, response) => {
    response.json(files.remove(request));
  });
  return files;
}

export class Files {
  private readonly stored = new Map<string, Stored>();
  /** How often a directive has applied, by its kind and the file's name. */
  private readonly applied = new Map<string, number>();

  constructor(private readonly counts: Counts) {}

  async upload(request: Request, response: Response): Promise<void> {
    const body = await this.receive(request);
    if (!body) return;
    const { name, content, purpose } = await readForm(request, body);
    if (this.stored.size >= MAX_COUNT) {
      throw invalid(
        `The number of files you have uploaded exceeded the max file count ${MAX_COUNT}, please delete previous uploaded files`,
      );
    }
    const directed = directivesOf(content);
    const isDirected = this.applies(name, directed, 'upload');
    if (directed.status && isDirected) throw refusalWith(directed.status);
    const { file } = this.store(name, content, purpose);
    if (isDirected) await pause(directed.delay);
    if (directed.break && isDirected) request.socket.destroy();
    else response.json(file);
  }

  private store(filename: string, content: Buffer, purpose: string): Stored {
    const id = `file_${randomBytes(8).toString('hex')}`;
    const bytes = content.length;
    const created_at = Math.floor(Date.now() / 1000);
    const counted: Upload = { id, filename, bytes, read: 0 };
    const file = { id, object: 'file', bytes, created_at, filename, purpose, status: 'ready' };
    const stored = { file, content, counted };
    this.counts.uploads.push(counted);
    this.stored.set(id, stored);
    return stored;
  }

  /** Adds the output of a batch. @returns its id */
  add(name: string, content: Buffer): string {
    return this.store(name, content, 'batch_output').file.id;
  }

  /** @returns name and text of an input of batches */
  batchInput(id: string): { name: string; text: string } {
    const found = this.stored.get(id);
    if (found?.file.purpose !== 'batch') throw invalid(`Invalid request: ${id} is no input of batches`);
    return { name: found.file.filename, text: found.content.toString('utf8') };
  }

  /** @returns the body; `undefined` if the client left before its end */
  private async receive(request: Request): Promise<Buffer | undefined> {
    const { receiving } = this.counts;
    const counted: Counts['receiving'][number] = { bytes: 0 };
    receiving.push(counted);
    const pieces: Buffer[] = [];
    try {
      for await (const piece of request as AsyncIterable<Buffer>) {
        pieces.push(piece);
        counted.bytes += piece.length;
        if (counted.bytes > MAX_BODY_BYTES) throw tooLarge();
        const [, name = ''] = /filename="([^"]*)"/.exec(piece.toString()) ?? [];
        const directed = directivesOf(piece);
        if (directed.hold && this.applies(name, directed, 'hold')) await pause(directed.hold);
      }
      counted.ended = 'whole';
      return Buffer.concat(pieces);
    } catch (error) {
      counted.ended = 'cut';
      if (error instanceof Refusal) throw error;
      return undefined;
    }
  }

  list(): object[] {
    return Array.from(this.stored.values(), ({ file }) => file);
  }

  find({ params }: Request): Stored {
    const id = String(params['id']);
    const found = this.stored.get(id);
    // That it is 404 is assumed.
    if (!found) throw new Refusal(404, 'resource_not_found_error', `Not found the file ${id} or Permission denied`);
    return found;
  }

  async text(request: Request): Promise<string> {
    const { file, content, counted } = this.find(request);
    const directed = directivesOf(content);
    if (directed.text && this.applies(file.filename, directed, 'text')) throw refusalWith(directed.text);
    counted.read += 1;
    if (file.purpose !== 'file-extract') return content.toString('utf8');
    const extracted = await textOf(file.filename, content);
    return JSON.stringify({ content: extracted, file_type: '', filename: file.filename, title: '', type: 'file' });
  }

  remove(request: Request): object {
    const { file, counted } = this.find(request);
    this.stored.delete(file.id);
    counted.deleted = true;
    return { id: file.id, object: 'file', deleted: true };
  }

  private applies(name: string, { times }: Directives, what: string): boolean {
    const key = `${what} ${name}`;
    const count = (this.applied.get(key) ?? 0) + 1;
    this.applied.set(key, count);
    return count <= times;
  }
}

async function readForm(
  { headers }: Request,
  body: Buffer,
): Promise<{ name: string; content: Buffer; purpose: string }> {
  const type = headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) throw invalid('Invalid request: multipart/form-data is expected');
  const form = await new globalThis.Response(body, { headers: { 'content-type': type } }).formData().catch(() => {
    throw invalid('Invalid request: the form cannot be read');
  });
  const purpose = form.get('purpose');
  if (purpose !== 'file-extract' && purpose !== 'batch') {
    throw invalid("Invalid purpose: only 'file-extract', 'batch' accepted");
  }
  const file = form.get('file');
  if (!(file instanceof File)) throw invalid('Invalid request: file is missing');
  const content = Buffer.from(await file.arrayBuffer());
  if (content.length === 0) throw invalid('File size is zero, please confirm and re-upload the file');
  if (content.length > MAX_BYTES) throw tooLarge();
  return { name: file.name, content, purpose };
}

function tooLarge(): Refusal {
  return invalid('File size is too large, max file size is 100MB, please confirm and re-upload the file');
}

function directivesOf(content: Buffer): Directives {
  const [, pairs = ''] = /\[\[upload: ([^\]]*)\]\]/.exec(content.toString('latin1')) ?? [];
  return directives.parse(Object.fromEntries(pairs.split(' ').map((pair) => pair.split('=', 2) as [string, string])));
}

async function textOf(filename: string, bytes: Buffer): Promise<string> {
  const found = kindOf(filename, bytes);
  if (found?.kind === 'text') return found.text;
  if (found?.kind !== 'document' || !isReadable(found.format)) return '（模擬的內容 simulated content）';
  const read = await readDocument(bytes, found.format);
  if ('failure' in read) throw new Refusal(500, 'server_error', `Failed to extract file: ${read.failure}`);
  return read.text;
}
