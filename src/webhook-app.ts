import { isGrpcServiceError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
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
import { ServiceError } from './errors.ts';
import { SIGNATURE_HEADER, verify } from './signature.ts';

export interface WebhookOptions {
  client: Client;
  secret: string;
  log: Logger;
}

/** How long the engine may take before the provider is asked to come again, in milliseconds. */
const ENGINE_TIMEOUT_MS = 5_000;

/** When the provider should come again while the engine is out of reach, in seconds. */
const RETRY_AFTER_S = 5;

/** An answer other than 200: `{ error: { code, message } }`. */
class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The webhook endpoint (contract section 3) and its health checks. */
export function createWebhook({ client, secret, log }: WebhookOptions): Express {
  const app = express()
    .disable('x-powered-by')
    .disable('etag')
    .enable('strict routing')
    .enable('case sensitive routing');

  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });

  app.get('/readyz', async (_request, response) => {
    try {
      await withDeadline(client, async () => await client.connection.workflowService.getSystemInfo({}));
      response.json({ status: 'ok' });
    } catch {
      response.status(503).json({ status: 'not ready' });
    }
  });

  app
    .route('/kimi/webhook/:taskId')
    .post(
      requireJson,
      express.raw({ type: () => true, limit: MAX_CALLBACK_BYTES, inflate: false }),
      async (request, response) => {
        const body = bytesOf(request);
        if (!verify(body, request.get(SIGNATURE_HEADER), secret)) {
          throw new HttpError(401, 'bad_signature', `${SIGNATURE_HEADER} is missing or does not match the body`);
        }
        const { taskId } = request.params;
        const callback = read(body);
        if (callback.metadata.task_id !== taskId) {
          throw new HttpError(400, 'task_mismatch', 'metadata.task_id is not the task in the path');
        }
        if (!TASK_ID.test(taskId)) throw unknownTask(taskId);
        const status = await deliver(client, taskId, callback);
        log.info({ task_id: taskId, status }, 'callback');
        response.json({ task_id: taskId, status });
      },
    )
    .all((_request, response) => {
      response.set('Allow', 'POST');
      throw new HttpError(405, 'method_not_allowed', 'callbacks are sent with POST');
    });

  app.use((_request, _response) => {
    throw new HttpError(404, 'not_found', 'there is nothing at this address');
  });
  app.use(answerError(log));
  return app;
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
  const { cause } = error as Error;
  if (cause instanceof ServiceError) {
    const message = 'the answer cannot be stored; send the callback again later';
    return new HttpError(503, 'storage_unavailable', message, { cause });
  }
  return isGrpcServiceError(error) || isGrpcServiceError(cause)
    ? new HttpError(503, 'engine_unavailable', 'the task engine cannot be reached; send the callback again later')
    : error;
}

function unknownTask(taskId: string): HttpError {
  return new HttpError(404, 'unknown_task', `no task ${JSON.stringify(taskId)}`);
}

function requireJson(request: Request, _response: Response, next: () => void): void {
  if (!request.is('application/json')) throw new HttpError(415, 'not_json', 'send application/json');
  next();
}

function bytesOf(request: Request): Buffer {
  // Without a body express leaves an empty object.
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
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

/** The errors of express and its body parser, by status, in our words. */
const EXPRESS_ERRORS: Record<number, [code: string, message: string]> = {
  400: ['bad_request', 'the request cannot be read'],
  413: ['too_large', `the body is over ${MAX_CALLBACK_BYTES} bytes`],
  415: ['unsupported_encoding', 'send the body as it is, without Content-Encoding'],
};

function answerError(log: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const { status = 500 } = error as { status?: number };
    const known = error instanceof HttpError ? ([error.code, error.message] as const) : EXPRESS_ERRORS[status];
    if (!known) log.error({ err: error, path: request.path }, 'unexpected error');
    const [code, message] = known ?? ['internal_error', 'an unexpected error; it is in the webhook’s log'];
    const { cause } = error as Error;
    const reason = cause instanceof ServiceError ? cause.message : undefined;
    if (known) log.warn({ path: request.path, status, code, reason }, 'refused');
    if (status === 503) response.set('Retry-After', String(RETRY_AFTER_S));
    response.status(known ? status : 500).json({ error: { code, message } });
  };
}
