import { randomBytes } from 'node:crypto';
import type { Request, Response, Router } from 'express';
import * as z from 'zod';
import { tokensIn } from './answers.ts';
import { textsOf } from './completion.ts';
import { directivesIn } from './directives.ts';
import { invalid, refusal, refusalWith, Refusal } from './errors.ts';
import type { BatchCount, Counts } from './events.ts';
import type { Files } from './files-api.ts';
import { readRequest } from './validation.ts';

const newBatch = z.looseObject({
  input_file_id: z.string(),
  endpoint: z.literal('/v1/chat/completions'),
  completion_window: z.string().regex(/^\d+[hd]$/),
  metadata: z.record(z.string(), z.string()).optional(),
});

const line = z.object({
  custom_id: z.string(),
  method: z.literal('POST'),
  url: z.literal('/v1/chat/completions'),
  body: z.looseObject({ model: z.string() }),
});

/** Models that answer batches (Moonshot's documentation). */
const MODELS = ['kimi-k2.6', 'kimi-k2.7-code'];

const count = z.coerce.number().int().nonnegative();

/**
 * Directives for a batch: `[[batch: key=value key=value]]` in its requests; each request has those of `[[simulate: …]]` as well.
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `delay` | ms | how long Kimi takes; a second by default |
 * | `break` | `cut`, `lose` | the connection is closed without a response, and the batch is made or not |
 * | `status` | 400–599 | it is refused with this status |
 * | `times` | n | only the first n batches of an input of this name are so |
 * | `end` | `expired`, `failed` | it ends without an answer |
 * | `answered` | n | so many of its requests are answered, if it ends like that or is cancelled; none by default |
 */
const directives = z.object({
  delay: count.default(1_000),
  break: z.enum(['cut', 'lose']).optional(),
  status: z.coerce.number().int().min(400).max(599).optional(),
  times: count.default(Infinity),
  end: z.enum(['expired', 'failed']).optional(),
  answered: count.default(0),
});

interface Stored {
  batch: { id: string; status: string } & Record<string, unknown>;
  lines: z.infer<typeof line>[];
  endsAt: number;
  end: 'completed' | 'expired' | 'failed';
  /** Requests that are answered, if it does not complete. */
  answered: number;
  counted: BatchCount;
}

/** Adds Moonshot's batches to its API. */
export function addBatches(api: Router, counts: Counts, files: Files): void {
  const batches = new Batches(counts, files);
  api.post('/batches', (request, response) => batches.create(request, response));
  api.get('/batches', (request, response) => {
    const all = batches.list();
    const after = all.findIndex(({ id }) => id === request.query['after']);
    const limit = Number(request.query['limit'] ?? 20);
    const data = all.slice(after + 1, after + 1 + limit);
    response.json({ object: 'list', data, has_more: all.length > after + 1 + limit });
  });
  api.get('/batches/:id', (request, response) => {
    response.json(batches.find(request).batch);
  });
  api.post('/batches/:id/cancel', (request, response) => {
    response.json(batches.cancel(request));
  });
}

class Batches {
  private readonly stored = new Map<string, Stored>();
  /** How often a directive has applied, by the input's name. */
  private readonly applied = new Map<string, number>();

  constructor(
    private readonly counts: Counts,
    private readonly files: Files,
  ) {}

  create(request: Request, response: Response): void {
    const parsed = newBatch.safeParse(request.body);
    if (!parsed.success)
      throw invalid(`Invalid request: ${parsed.error.issues.map(({ message }) => message).join('; ')}`);
    const { input_file_id, metadata = {} } = parsed.data;
    const { name, text } = this.files.batchInput(input_file_id);
    const lines = text.split('\n').filter(Boolean).map(readLine);
    const [model] = lines.map(({ body }) => body.model);
    if (model === undefined || lines.some(({ body }) => body.model !== model)) throw invalid('one model only');
    if (!MODELS.includes(model)) throw invalid(`the model ${model} does not support batches`);
    const directed = directivesOf(text);
    const times = (this.applied.get(name) ?? 0) + 1;
    this.applied.set(name, times);
    const isDirected = times <= directed.times;
    if (isDirected && directed.status) throw refusalWith(directed.status);
    if (isDirected && directed.break === 'lose') return void request.socket.destroy();
    const id = `batch_${randomBytes(8).toString('hex')}`;
    const counted: BatchCount = { id, metadata, status: 'validating' };
    this.counts.batches.push(counted);
    const created_at = Math.floor(Date.now() / 1000);
    const batch = { id, object: 'batch', ...parsed.data, metadata, created_at, status: 'validating' };
    this.stored.set(id, {
      batch,
      lines,
      endsAt: Date.now() + directed.delay,
      end: directed.end ?? 'completed',
      answered: directed.answered,
      counted,
    });
    if (isDirected && directed.break) request.socket.destroy();
    else response.json(batch);
  }

  /** The newest first, as OpenAI's; Moonshot's order is assumed. */
  list(): Stored['batch'][] {
    return Array.from(this.stored.values(), (stored) => this.progress(stored).batch).toReversed();
  }

  find({ params }: Request): Stored {
    const stored = this.stored.get(String(params['id']));
    if (!stored) throw new Refusal(404, 'resource_not_found_error', `Not found the batch ${String(params['id'])}`);
    return this.progress(stored);
  }

  cancel(request: Request): object {
    const stored = this.find(request);
    if (!['validating', 'in_progress'].includes(stored.batch.status)) throw invalid('the batch has ended');
    this.close(stored, 'cancelled');
    return stored.batch;
  }

  private progress(stored: Stored): Stored {
    if (stored.batch.status === 'validating') this.set(stored, 'in_progress');
    else if (stored.batch.status === 'in_progress' && Date.now() >= stored.endsAt) {
      this.close(stored, stored.end);
    }
    return stored;
  }

  private close(stored: Stored, status: string): void {
    const { batch, lines, answered } = stored;
    const output = lines.slice(0, status === 'completed' ? undefined : answered);
    if (output.length > 0) {
      const text = output.map((one) => `${JSON.stringify(this.answer(one))}\n`).join('');
      batch['output_file_id'] = this.files.add('output.jsonl', Buffer.from(text));
    }
    this.set(stored, status);
  }

  private set({ batch, counted }: Stored, status: string): void {
    batch.status = status;
    counted.status = status;
  }

  private answer({ custom_id, body }: z.infer<typeof line>): object {
    const id = `batch_req_${randomBytes(8).toString('hex')}`;
    try {
      const request = readRequest(body);
      const parsed = directivesIn(request.asked);
      if (parsed.error) throw invalid('Invalid request: directives');
      if (parsed.data.error) throw refusal(parsed.data.error);
      const { content, reasoning, finish_reason } = textsOf(request, parsed.data);
      const { prompt_tokens } = request;
      const completion_tokens = tokensIn(content) + tokensIn(reasoning);
      this.counts.billed += 1;
      const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
      const message = { role: 'assistant', content, ...(request.thinks && { reasoning_content: reasoning }) };
      const choices = [{ index: 0, message, finish_reason }];
      const answer = { id: `chatcmpl-${id}`, object: 'chat.completion', model: request.model, choices, usage };
      return { id, custom_id, response: { status_code: 200, request_id: id, body: answer }, error: null };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { id, custom_id, response: { status_code: error.status, request_id: id, body: error.body }, error: null };
    }
  }
}

function readLine(text: string): z.infer<typeof line> {
  try {
    return line.parse(JSON.parse(text));
  } catch {
    throw invalid('Invalid request: a line of the input is not a request');
  }
}

function directivesOf(text: string): z.infer<typeof directives> {
  const [, pairs = ''] = /\[\[batch: ([^\]]*)\]\]/.exec(text) ?? [];
  return directives.parse(Object.fromEntries(pairs.split(' ').map((pair) => pair.split('=', 2) as [string, string])));
}
