/** OpenAI's endpoints, for clients of OpenAI's API (docs/openai.md): the same tasks in another form. */
import express, { type ErrorRequestHandler, type Request, type Response, type Router } from 'express';
import type { Model } from 'openai/resources/models';
import type { Logger } from 'pino';
import type { EventStreams } from '../api/event-stream.ts';
import { read } from '../api/operation.ts';
import { acknowledgeOnceSent } from '../api/once-sent.ts';
import { keyHeader } from '../api/schemas.ts';
import { MODELS } from '../kimi/models.ts';
import type { LiveAnswer } from '../relay/recordings.ts';
import { allow, requireUtf8 } from '../service/express.ts';
import type { ResultFile } from '../shared/result.ts';
import { MAX_FILES_BYTES } from '../shared/task.ts';
import { unlessAway } from '../tasks/away.ts';
import { Problem } from '../tasks/problem.ts';
import type { Kept } from '../tasks/remove.ts';
import type { CallerTasks, Standing, StartedTask, Tasks } from '../tasks/tasks.ts';
import { routeBatches } from './batches.ts';
import { chatIn, chunksOf, completionOf, secondsOf } from './chat.ts';
import { invalidValue, OpenAiError, openAiErrorHandler, saidOrLogged } from './errors.ts';
import { eventsOf } from './events.ts';
import { routeFiles } from './files.ts';
import { follow, hasOutcome, outcomeOf, type Update } from './follow.ts';
import { findTask, idOf } from './ids.ts';
import { askedOf, responseOf, type AskedOf, type ResponseObject } from './response-object.ts';
import { responseIn } from './responses.ts';
import { sendEvent } from './sse.ts';
import { Starts, type Asking } from './starts.ts';

export interface OpenAiOptions {
  /** Opens the operations for the sender of a request; it throws until they can be done. */
  open: (request: Request) => Promise<CallerTasks>;
  /** Name of the sender's token; `undefined` if it has none. */
  ownerOf: (request: Request) => string | undefined;
  /** The configured model, if any. */
  model: string | undefined;
  /** Keeps streams open, as long as their callers may read. */
  streams: Pick<EventStreams, 'begin'>;
  /** Follows what is received of a task's answer. */
  live: (task_id: string) => Pick<LiveAnswer, 'read'>;
  log: Logger;
}

/** Largest body, in bytes: files in base64, and their prompt. */
const MAX_BODY_BYTES = 1.5 * MAX_FILES_BYTES;

/** A request for the answer of a task. */
interface Exchange {
  tasks: CallerTasks;
  request: Request;
  response: Response;
  /** Aborted when the client leaves. */
  signal: AbortSignal;
  /** Settles when it is saved that the client was sent the answer; absent until it was. */
  marking?: Promise<unknown>;
  /** Resolves when the client has left, after {@link Exchange.marking}. */
  over: Promise<unknown>;
}

/** @returns the endpoints, and the handler of their errors, to which errors before them belong too. */
export function openAi(options: OpenAiOptions): [Router, ErrorRequestHandler] {
  const { log } = options;
  const router = express.Router({ caseSensitive: true, strict: true });
  const json = express.json({ limit: MAX_BODY_BYTES, verify: requireUtf8 });
  const starts = new Starts();

  router
    .route('/chat/completions')
    .post(json, async (request, response) => {
      const exchange = await exchangeOf(options, request, response);
      const { task, stream, includeUsage } = await chatIn(request.body, exchange.tasks);
      const started = await starts.start(exchange.tasks, task, askingOf(options, exchange, true));
      response.set('x-request-id', started.task_id);
      if (stream) await streamChat(options, exchange, started, includeUsage);
      else {
        const result = await outcomeOf(exchange.tasks, started.task_id, exchange.signal);
        noteOnceSent(exchange, result);
        response.json(completionOf(result));
      }
    })
    .all(allow('POST'));
  router
    .route('/responses')
    .post(json, async (request, response) => {
      const exchange = await exchangeOf(options, request, response);
      const { task, background, stream } = await responseIn(request.body, exchange.tasks);
      const started = await starts.start(exchange.tasks, task, askingOf(options, exchange, !background));
      response.set('x-request-id', started.task_id);
      const now = await exchange.tasks.find(started.task_id);
      const asked = { ...askedIn(now), request: task.request };
      if (stream) await streamResponse(options, exchange, asked, { after: -1, background });
      else if (background) await show(exchange, now, asked);
      else {
        const result = await outcomeOf(exchange.tasks, started.task_id, exchange.signal);
        noteOnceSent(exchange, result);
        response.json({ ...responseOf(await askedThen(exchange.tasks, result), result), background: false });
      }
    })
    .all(allow('POST'));
  routeResponse(router, options);
  routeFiles(router, options.open);
  routeBatches(router, options.open);
  routeModels(router, options);
  router.use((request) => {
    const message = `There is no ${request.method} ${request.path} here; docs/openai.md lists what is supported`;
    throw new OpenAiError(404, message, { code: 'unknown_url' });
  });
  return [router, unlessLeft(openAiErrorHandler(log))];
}

/** Routes of one response. */
function routeResponse(router: Router, options: OpenAiOptions): void {
  router
    .route('/responses/:id')
    .get(async (request, response) => {
      const exchange = await exchangeOf(options, request, response);
      const now = await findTask(exchange.tasks, 'Response', request.params.id);
      const { stream, starting_after: after } = request.query;
      if (stream !== 'true') return await show(exchange, now);
      if (after !== undefined && !(typeof after === 'string' && /^\d{1,9}$/.test(after)))
        throw invalidValue('starting_after', 'is no number of an event');
      const from = { after: Number(after ?? -1), background: true };
      return await streamResponse(options, exchange, askedIn(now), from);
    })
    .delete(async (request, response) => {
      const { id } = request.params;
      const tasks = await options.open(request);
      const { task_id } = await findTask(tasks, 'Response', id);
      const kept = await tasks.remove(task_id);
      if (kept) throw new OpenAiError(400, whyKept(id, kept), { code: 'not_deleted' });
      response.json({ id, object: 'response', deleted: true });
    })
    .all(allow('GET, DELETE'));
  router
    .route('/responses/:id/cancel')
    .post(async (request, response) => {
      const exchange = await exchangeOf(options, request, response);
      const { task_id } = await findTask(exchange.tasks, 'Response', request.params.id);
      await exchange.tasks.cancel(task_id).catch((error: unknown) => {
        if (!(error instanceof Problem && error.code === 'already_ended')) throw error;
      });
      await show(exchange, await exchange.tasks.find(task_id));
    })
    .all(allow('POST'));
}

function whyKept(id: string, kept: Kept): string {
  return kept.kept === 'open'
    ? `${id} is kept while Kimi may still answer; cancel it, or delete it later`
    : `${id} is needed by ${idOf('Batch', kept.by)}, whose answers would miss it`;
}

function routeModels(router: Router, { model }: OpenAiOptions): void {
  const ids = new Set([...(model === undefined ? [] : [model]), ...MODELS.map(({ id }) => id)]);
  const data = [...ids].map((id): Model => ({ id, object: 'model', created: 0, owned_by: 'moonshot' }));
  router
    .route('/models')
    .get((_request, response) => void response.json({ object: 'list', data }))
    .all(allow('GET'));
  router
    .route('/models/:id')
    .get((request, response) => {
      const found = data.find(({ id }) => id === request.params.id);
      const message = `The model '${request.params.id}' does not exist`;
      if (!found) throw new OpenAiError(404, message, { param: 'model', code: 'model_not_found' });
      response.json(found);
    })
    .all(allow('GET'));
}

async function exchangeOf({ open }: OpenAiOptions, request: Request, response: Response): Promise<Exchange> {
  const leaving = new AbortController();
  const { signal } = leaving;
  const closed = new Promise<void>((resolve) => void response.on('close', resolve));
  response.on('close', () => leaving.abort());
  const tasks = await open(request);
  const exchange: Exchange = {
    tasks,
    request,
    response,
    signal,
    over: closed.then(async () => await exchange.marking),
  };
  return exchange;
}

function askingOf({ ownerOf }: OpenAiOptions, { request, signal, over }: Exchange, waits: boolean): Asking {
  return {
    key: read(keyHeader, request.headers, 'header')['idempotency-key'],
    owner: ownerOf(request),
    sent: `${request.path} ${JSON.stringify(request.body)}`,
    waits,
    isRepeated: Number(request.get('x-stainless-retry-count') ?? 0) > 0,
    signal,
    over,
  };
}

/** A client that has left gets no error. */
function unlessLeft(handler: ErrorRequestHandler): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (!response.closed) handler(error, request, response, next);
  };
}

/** Otherwise the same request, sent again, would get the same answer. */
function noteOnceSent(exchange: Exchange, result: ResultFile): void {
  acknowledgeOnceSent(exchange.tasks, result, exchange.response, (marking) => {
    exchange.marking = marking;
  });
}

async function streamChat(
  options: OpenAiOptions,
  exchange: Exchange,
  { task_id }: StartedTask,
  includeUsage: boolean,
): Promise<void> {
  const { model, created_at } = await exchange.tasks.find(task_id);
  const send = async (updates: AsyncIterable<Update>): Promise<void> => {
    for await (const chunk of chunksOf(updates, { task_id, model, created: secondsOf(created_at) }, includeUsage)) {
      await sendEvent(exchange, chunk);
    }
    await sendEvent(exchange, '[DONE]');
  };
  await streamTask(options, exchange, task_id, send, async ({ body }) => await sendEvent(exchange, body));
}

/** @param after number of the last event that the client has; -1 if it has none */
async function streamResponse(
  options: OpenAiOptions,
  exchange: Exchange,
  asked: AskedOf,
  { after, background }: { after: number; background: boolean },
): Promise<void> {
  const { task_id } = asked;
  const shown = async (outcome: 'queued' | 'dispatched' | ResultFile): Promise<ResponseObject> => {
    const known = typeof outcome === 'string' ? asked : await askedThen(exchange.tasks, outcome);
    return { ...responseOf(known, outcome), background };
  };
  const send = async (updates: AsyncIterable<Update>): Promise<void> => {
    for await (const event of eventsOf(updates, task_id, shown)) {
      if (event.sequence_number > after) await sendEvent(exchange, event, event.type);
    }
  };
  await streamTask(options, exchange, task_id, send, async ({ body }) => {
    const { code, message, param } = body.error;
    await sendEvent(exchange, { type: 'error', code, message, param }, 'error');
  });
}

/** Streams a task to its outcome. @param fail sends an error, as the last event */
async function streamTask(
  { streams, live, log }: OpenAiOptions,
  exchange: Exchange,
  task_id: string,
  send: (updates: AsyncIterable<Update>) => Promise<void>,
  fail: (error: OpenAiError) => Promise<void>,
): Promise<void> {
  const { tasks, request, response, signal } = exchange;
  streams.begin(request, response);
  try {
    await send(noting(follow(tasks, task_id, signal, live(task_id)), exchange));
  } catch (error) {
    if (response.writableEnded || signal.aborted) return;
    await fail(saidOrLogged(error, request, log));
  }
  response.end();
}

/** Acknowledges the result once the stream was sent. */
async function* noting(updates: ReturnType<typeof follow>, exchange: Exchange): ReturnType<typeof follow> {
  for await (const update of updates) {
    if ('result' in update) noteOnceSent(exchange, update.result);
    yield update;
  }
}

/** Shows a response as it is now. */
async function show(exchange: Exchange, now: Standing, asked = askedIn(now)): Promise<void> {
  const { tasks, response } = exchange;
  const result = hasOutcome(now) ? await unlessAway(tasks.result(now.task_id)) : undefined;
  if (result) {
    noteOnceSent(exchange, result);
    response.json(responseOf(await askedThen(tasks, result), result));
  } else response.json(responseOf(asked, hasOutcome(now) ? 'dispatched' : now.state));
}

/** @returns what is known of what was asked while a task has no result. */
function askedIn({ task_id, model, created_at, continues, metadata }: Standing): AskedOf {
  return { task_id, model, created_at, continues, metadata };
}

/** @returns what was asked, of a task with a result. */
async function askedThen(tasks: Tasks, result: ResultFile): Promise<AskedOf> {
  return askedOf(result, await tasks.question(result.task_id).catch(withoutQuestion));
}

/** A result of an older version has no question; one that is encrypted may have lost its key. */
function withoutQuestion(error: unknown): undefined {
  if (error instanceof Problem && error.code !== 'no_question') throw error;
}
