import { isGrpcServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { RequestListener } from 'node:http';
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express';
import type { Logger } from 'pino';
import { MalformedCallback, parseCallback } from './callback.ts';
import {
  CALLBACK_SIGNAL,
  MAX_CALLBACK_BYTES,
  SEARCH_ATTRIBUTES,
  TASK_ID,
  TASK_WORKFLOW,
  type Callback,
} from './contract.ts';
import { createRefusalLog } from './refusal-log.ts';
import { BodyReader, UnreadBody } from './request-body.ts';
import { BadSignature, createVerifier } from './signature.ts';

export interface WebhookOptions {
  client: Client;
  /** What callbacks may be signed with; several while one takes another's place. */
  secrets: readonly string[];
  log: Logger;
}

/** How long the engine may take before the provider is asked to come again, in milliseconds. */
const ENGINE_TIMEOUT_MS = 5_000;

/** When the provider should come again while the engine is out of reach, in seconds. */
const RETRY_AFTER_S = 5;

/** What all bodies that are arriving may take together, in bytes. */
const BODIES_BYTES = 256 * 1024 * 1024;

/** An answer other than 200: `{ error: { code, message } }`. */
class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The webhook endpoint (contract section 3) and its health checks. */
export function createWebhook({ client, secrets, log }: WebhookOptions): RequestListener {
  const verifierOf = createVerifier(secrets);
  const bodies = new BodyReader({ maxBytes: MAX_CALLBACK_BYTES, budgetBytes: BODIES_BYTES });
  const app = express()
    .disable('x-powered-by')
    .disable('etag')
    .enable('strict routing')
    .enable('case sensitive routing');

  app
    .route('/healthz')
    .get((_request, response) => {
      response.json({ status: 'ok' });
    })
    .all(takesOnly('GET'));

  app
    .route('/readyz')
    .get(async (_request, response) => {
      try {
        await withDeadline(client, async () => await client.connection.workflowService.getSystemInfo({}));
        response.json({ status: 'ok' });
      } catch {
        response.status(503).json({ status: 'not ready' });
      }
    })
    .all(takesOnly('GET'));

  app
    .route('/kimi/webhook/:taskId')
    .post(async (request, response) => {
      requireJson(request);
      // Who cannot have signed anything is not listened to.
      const verify = verifierOf(request.headers);
      if (/^100-continue$/i.test(request.get('expect') ?? '')) response.writeContinue();
      const body = await bodies.read(request);
      verify(body);
      const { taskId } = request.params;
      const callback = read(body);
      if (callback.metadata.task_id !== taskId) {
        throw new HttpError(400, 'task_mismatch', 'metadata.task_id is not the task in the path');
      }
      if (!TASK_ID.test(taskId)) throw unknownTask(taskId);
      const status = await deliver(client, taskId, callback);
      log.info({ task_id: taskId, status }, 'callback');
      response.json({ task_id: taskId, status });
    })
    .all(takesOnly('POST'));

  const refuse = answerError(log);
  app.use(refuse);
  // Outside of the app, since express asks none of its handlers where a target has no path.
  return (request, response) => {
    const notFound = new HttpError(404, 'not_found', 'there is nothing at this address');
    app(request as Request, response as Response, (error: unknown = notFound) => {
      refuse(error, request as Request, response as Response, () => {});
    });
  };
}

/** Raises the signal. A callback for a task that has ended is a repeat. */
async function deliver(client: Client, taskId: string, callback: Callback): Promise<'signalled' | 'duplicate'> {
  const handle = client.workflow.getHandle(taskId);
  try {
    await withDeadline(client, async () => await handle.signal<[Callback]>(CALLBACK_SIGNAL, callback));
    return 'signalled';
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw engineError(error);
  }
  // Closed and unknown workflows raise the same error.
  try {
    const { type, status, typedSearchAttributes } = await withDeadline(client, async () => await handle.describe());
    if (type !== TASK_WORKFLOW) throw unknownTask(taskId);
    // One that timed out and was closed after its grace has no answer yet: this is no repeat of one.
    const isAnswered = typedSearchAttributes.get(SEARCH_ATTRIBUTES.status) !== 'timed_out';
    if (status.name === 'COMPLETED' && isAnswered) return 'duplicate';
    throw new HttpError(
      410,
      'task_closed',
      `task ${taskId} is closed (${status.name.toLowerCase()}) and takes no answer any more`,
    );
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw unknownTask(taskId);
    throw error instanceof HttpError ? error : engineError(error);
  }
}

async function withDeadline<T>(client: Client, call: () => Promise<T>): Promise<T> {
  return await client.connection.withDeadline(Date.now() + ENGINE_TIMEOUT_MS, call);
}

function engineError(error: unknown): unknown {
  return isGrpcServiceError(error) || isGrpcServiceError((error as Error).cause)
    ? new HttpError(503, 'engine_unavailable', 'the task engine cannot be reached; send the callback again later')
    : error;
}

function unknownTask(taskId: string): HttpError {
  return new HttpError(404, 'unknown_task', `no task ${JSON.stringify(taskId)}`);
}

/** Refuses every other method; express would answer OPTIONS itself, in plain text. */
function takesOnly(method: string): RequestHandler {
  return (_request, response) => {
    response.set('Allow', method);
    throw new HttpError(405, 'method_not_allowed', `send ${method} here`);
  };
}

function requireJson(request: Request): void {
  if (!request.is('application/json')) throw new HttpError(415, 'not_json', 'send application/json');
  if (!/^identity$/i.test(request.get('content-encoding') ?? 'identity')) {
    throw new HttpError(415, 'unsupported_encoding', 'send the body as it is, without Content-Encoding');
  }
}

function read(body: Buffer): Callback {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new HttpError(400, 'invalid_json', 'the body is not JSON in UTF-8');
  }
  try {
    return parseCallback(json);
  } catch (error) {
    if (error instanceof MalformedCallback) throw new HttpError(400, 'malformed_callback', error.message);
    throw error;
  }
}

/** Why a body was not read to its end, in our words. */
const UNREAD_BODIES: Record<UnreadBody['reason'], HttpError> = {
  too_large: new HttpError(413, 'too_large', `the body is over ${MAX_CALLBACK_BYTES} bytes`),
  too_slow: new HttpError(408, 'request_timeout', 'the body took too long while others waited; send it again'),
  broken_off: new HttpError(400, 'bad_request', 'the connection broke before the body was complete'),
};

/** @returns the answer to an error; `undefined` where nobody foresaw it. */
function answerFor(error: unknown): HttpError | undefined {
  if (error instanceof HttpError) return error;
  if (error instanceof BadSignature) return new HttpError(401, 'bad_signature', error.message);
  if (error instanceof UnreadBody) return UNREAD_BODIES[error.reason];
  // Express finds it in paths that cannot be decoded.
  if (error instanceof URIError) return new HttpError(400, 'bad_request', 'the path cannot be read');
  return undefined;
}

function answerError(log: Logger): ErrorRequestHandler {
  const noteRefusal = createRefusalLog(log);
  return (error: unknown, request, response, _next) => {
    const answer = answerFor(error);
    // Not the query: people put secrets there.
    const [path = ''] = request.url.split('?', 1);
    if (!answer) log.error({ err: error, path }, 'unexpected error');
    const { status, code, message } =
      answer ?? new HttpError(500, 'internal_error', 'an unexpected error; it is in the webhook’s log');
    if (answer) noteRefusal({ path, status, code });
    if (status === 503) response.set('Retry-After', String(RETRY_AFTER_S));
    // The rest of the body is not waited for. After any other answer Node reads it and throws it away, so that the
    // sender sees the answer; the server's limits end that.
    if (status === 408) response.set('Connection', 'close');
    response.status(status).json({ error: { code, message } });
  };
}
