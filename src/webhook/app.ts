import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { MalformedCallback, parseCallback } from '../kimi/answer.ts';
import { MAX_CALLBACK_BYTES, type Callback } from '../shared/callback.ts';
import { TASK_ID } from '../shared/task-id.ts';
import type { Ingest } from './ingest.ts';
import { Undeliverable, unknownTask, type UndeliverableReason } from './signal.ts';
import {
  allow,
  createApp,
  errorHandler,
  notFound,
  pathOf,
  sendError,
  type App,
  type AppListener,
} from '../service/express.ts';
import { HttpError } from '../service/http.ts';
import { JournalUnavailable } from './journal.ts';
import { countAnswer, noteAccepted } from './metrics.ts';
import { BodyReader, UnreadBody, parseJson } from './body.ts';
import { traced } from '../service/tracing.ts';
import { BadSignature, createVerifier } from './signature.ts';

export interface WebhookOptions {
  ingest: Ingest;
  /** Secrets that callbacks may be signed with; several during a rotation. */
  secrets: readonly string[];
  /** Serves the live report at `/`; absent if the dashboard is off. */
  dashboard?: RequestHandler | undefined;
  log: Logger;
}

/** `Retry-After` while no callback can be accepted, in seconds. */
const RETRY_AFTER_S = 5;

/** Statuses for callbacks that no task will ever accept. */
const UNDELIVERABLE: Record<UndeliverableReason, number> = { unknown_task: 404, task_closed: 410 };

/** Memory for all bodies that are arriving, in bytes. */
const BODIES_BYTES = 256 * 1024 * 1024;

/** The webhook endpoint (docs/http-api.md), its health checks and the dashboard. */
export function createWebhook(options: WebhookOptions): AppListener {
  const { ingest, dashboard, log } = options;
  const app = createApp().enable('strict routing').enable('case sensitive routing');

  app
    .route('/healthz')
    .get((_request, response) => {
      response.json({ status: 'ok' });
    })
    .all(allow('GET'));

  app
    .route('/readyz')
    .get(async (_request, response) => {
      const { ready, ...parts } = await ingest.status();
      response.status(ready ? 200 : 503).json({ status: ready ? 'ok' : 'not ready', ...parts });
    })
    .all(allow('GET'));

  app.route('/kimi/webhook/:taskId').post(receiveCallback(options)).all(allow('POST'));

  if (dashboard) app.use(dashboard);

  return withErrors(app, log);
}

/** Accepts a signed callback: verifies it, then hands it to {@link Ingest}. */
function receiveCallback({ ingest, secrets, log }: WebhookOptions): RequestHandler<{ taskId: string }> {
  const verifierOf = createVerifier(secrets);
  const bodies = new BodyReader({ maxBytes: MAX_CALLBACK_BYTES, budgetBytes: BODIES_BYTES });
  return async (request, response) => {
    const since = performance.now();
    requireJson(request);
    // Throws before the body is read if no signature header is present.
    const verify = verifierOf(request.headers);
    if (/^100-continue$/i.test(request.get('expect') ?? '')) response.writeContinue();
    const body = await bodies.read(request);
    const received_at = Date.now();
    verify(body);
    const { taskId } = request.params;
    const callback = { ...read(body), received_at };
    if (callback.metadata.task_id !== taskId) {
      throw new HttpError(400, 'task_mismatch', 'metadata.task_id is not the task in the path');
    }
    if (!TASK_ID.test(taskId)) throw refusal(unknownTask(taskId));
    const accepted = traced(taskId, 'callback', async () => await ingest.accept(callback, body));
    const status = await accepted.catch((error: unknown) => {
      throw refusal(error);
    });
    countAnswer(status);
    noteAccepted(performance.now() - since);
    log.info({ task_id: taskId, status }, 'callback');
    response.status(status === 'queued' ? 202 : 200).json({ task_id: taskId, status });
  };
}

/** @returns the answer to a callback that is not accepted. */
function refusal(error: unknown): unknown {
  if (error instanceof Undeliverable) return new HttpError(UNDELIVERABLE[error.reason], error.reason, error.message);
  if (error instanceof JournalUnavailable) {
    return new HttpError(503, 'journal_unavailable', 'the callback cannot be stored now; send it again later', error);
  }
  return error;
}

function requireJson(request: Pick<Request, 'is' | 'get'>): void {
  if (!request.is('application/json')) throw new HttpError(415, 'not_json', 'send application/json');
  if (!/^identity$/i.test(request.get('content-encoding') ?? 'identity')) {
    throw new HttpError(415, 'unsupported_encoding', 'send the body as it is, without Content-Encoding');
  }
}

function read(body: Buffer): Callback {
  let json: unknown;
  try {
    json = parseJson(body);
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

/** Answers to a body that was not read to its end. */
const UNREAD_BODIES: Record<UnreadBody['reason'], HttpError> = {
  too_large: new HttpError(413, 'too_large', `the body is over ${MAX_CALLBACK_BYTES} bytes`),
  too_slow: new HttpError(408, 'request_timeout', 'the body took too long while others waited; send it again'),
  disconnected: new HttpError(400, 'bad_request', 'the connection closed before the body was complete'),
};

function known(error: unknown): HttpError | undefined {
  if (error instanceof BadSignature) return new HttpError(401, 'bad_signature', error.message);
  if (error instanceof UnreadBody) return UNREAD_BODIES[error.reason];
  // Express throws it for paths that cannot be decoded.
  if (error instanceof URIError) return new HttpError(400, 'bad_request', 'the path cannot be read');
  return undefined;
}

/** Adds the error answers, which are counted and logged. */
function withErrors(app: App, log: Logger): AppListener {
  const logRefusal = createRefusalLog(log);
  const unexpected = new HttpError(500, 'internal_error', 'an unexpected error; it is in the webhook’s log');
  const send = (answer: HttpError, response: Response): void => {
    const { status, code, cause } = answer;
    countAnswer(code);
    // The cause may name folders: it is logged, and not sent.
    const why = (cause as Error | undefined)?.message;
    if (answer !== unexpected) {
      logRefusal({ path: pathOf(response.req), status, code, ...(why !== undefined && { why }) });
    }
    // The rest of the body is not awaited. After any other answer Node reads and discards it, so that the sender sees the
    // answer; the server's limits end that.
    if (status === 408) response.set('Connection', 'close');
    sendError(answer, response);
  };
  const answerError = errorHandler({ known, unexpected, retryAfterS: RETRY_AFTER_S, send, log });
  app.use(answerError);
  // Outside of the app, since express calls none of its handlers if a request target has no path.
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    app(request as Request, response as Response, (error: unknown = notFound()) => {
      answerError(error, request as Request, response as Response, () => {});
    });
  };
  return Object.assign(listener, { classes: app.classes });
}

/** How many refusals are logged in full per minute: enough to see what is wrong, too few to fill a disk (8 MB a day). */
const PER_MINUTE = 20;
const MINUTE_MS = 60_000;

/** How much of a path is logged, in characters: the sender chooses its length. */
const MAX_PATH = 200;

interface Refusal {
  path: string;
  status: number;
  code: string;
  /** The cause, which the answer does not contain. */
  why?: string;
}

/** Logs refused requests: the first of each minute in full, the others as a number. */
export function createRefusalLog(log: Logger): (refusal: Refusal) => void {
  let minute = 0;
  let count = 0;
  return ({ path, ...rest }) => {
    const now = Math.floor(Date.now() / MINUTE_MS);
    if (now !== minute) {
      if (count > PER_MINUTE) log.warn({ count: count - PER_MINUTE }, 'more were refused in that minute');
      minute = now;
      count = 0;
    }
    count += 1;
    if (count <= PER_MINUTE) log.warn({ path: path.slice(0, MAX_PATH), ...rest }, 'refused');
  };
}
