import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import type { Logger } from 'pino';
import { MalformedCallback, parseCallback } from './callback.ts';
import { MAX_CALLBACK_BYTES, TASK_ID, type Callback } from './contract.ts';
import type { Courier } from './courier.ts';
import { Undeliverable, unknownTask, type UndeliverableReason } from './delivery.ts';
import { JournalUnavailable } from './journal.ts';
import { SIGNATURE_HEADER, verify } from './signature.ts';

export interface WebhookOptions {
  courier: Courier;
  secret: string;
  log: Logger;
}

/** When the provider should come again while nothing can be accepted, in seconds. */
const RETRY_AFTER_S = 5;

/** Statuses for callbacks that nothing will ever take. */
const UNDELIVERABLE: Record<UndeliverableReason, number> = { unknown_task: 404, task_closed: 410 };

/** An answer other than 200 and 202: `{ error: { code, message } }`. */
class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** What the log says besides; the provider is not told of folders. */
    cause?: Error,
  ) {
    super(message, { cause });
  }
}

/** The webhook endpoint (contract section 3) and its health checks. */
export function createWebhook({ courier, secret, log }: WebhookOptions): Express {
  const app = express()
    .disable('x-powered-by')
    .disable('etag')
    .enable('strict routing')
    .enable('case sensitive routing');

  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });

  app.get('/readyz', async (_request, response) => {
    const { ready, ...parts } = await courier.status();
    response.status(ready ? 200 : 503).json({ status: ready ? 'ok' : 'not ready', ...parts });
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
        if (!TASK_ID.test(taskId)) throw refusal(unknownTask(taskId));
        const status = await courier.accept(callback).catch((error: unknown) => {
          throw refusal(error);
        });
        log.info({ task_id: taskId, status }, 'callback');
        response.status(status === 'queued' ? 202 : 200).json({ task_id: taskId, status });
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

/** @returns why a callback is not accepted, as the provider is told. */
function refusal(error: unknown): unknown {
  if (error instanceof Undeliverable) return new HttpError(UNDELIVERABLE[error.reason], error.reason, error.message);
  if (error instanceof JournalUnavailable) {
    return new HttpError(503, 'journal_unavailable', 'the callback cannot be kept now; send it again later', error);
  }
  return error;
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
    const why = error instanceof HttpError ? (error.cause as Error | undefined)?.message : undefined;
    if (known) log.warn({ path: request.path, status, code, why }, 'refused');
    if (status === 503) response.set('Retry-After', String(RETRY_AFTER_S));
    response.status(known ? status : 500).json({ error: { code, message } });
  };
}
