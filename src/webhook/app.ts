import type { RequestListener } from 'node:http';
import express from 'express';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { withProof } from './proof.ts';
import { MalformedCallback, parseCallback } from '../kimi/answer.ts';
import { MAX_CALLBACK_BYTES, type Callback } from '../shared/callback.ts';
import { TASK_ID } from '../shared/task-id.ts';
import type { Courier } from './ingest.ts';
import { Undeliverable, unknownTask, type UndeliverableReason } from './signal.ts';
import { HttpError } from '../service/http.ts';
import { JournalUnavailable } from './journal.ts';
import { countAnswer, noteAccepted } from './metrics.ts';
import { BodyReader, UnreadBody } from './body.ts';
import { traced } from '../service/tracing.ts';
import { BadSignature, createVerifier } from './signature.ts';

export interface WebhookOptions {
  courier: Courier;
  /** What callbacks may be signed with; several while one takes another's place. The first one makes proofs. */
  secrets: readonly string[];
  /** Serves the report that renews itself, at `/`; absent where nobody may read it. */
  dashboard?: RequestHandler | undefined;
  log: Logger;
}

/** When the provider should come again while nothing can be accepted, in seconds. */
const RETRY_AFTER_S = 5;

/** Statuses for callbacks that nothing will ever take. */
const UNDELIVERABLE: Record<UndeliverableReason, number> = { unknown_task: 404, task_closed: 410 };

/** What all bodies that are arriving may take together, in bytes. */
const BODIES_BYTES = 256 * 1024 * 1024;

/** The webhook endpoint (contract section 3), its health checks and the dashboard. */
export function createWebhook({ courier, secrets, dashboard, log }: WebhookOptions): RequestListener {
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
      const { ready, ...parts } = await courier.status();
      response.status(ready ? 200 : 503).json({ status: ready ? 'ok' : 'not ready', ...parts });
    })
    .all(takesOnly('GET'));

  app
    .route('/kimi/webhook/:taskId')
    .post(async (request, response) => {
      const since = performance.now();
      requireJson(request);
      // Who cannot have signed anything is not listened to.
      const verify = verifierOf(request.headers);
      if (/^100-continue$/i.test(request.get('expect') ?? '')) response.writeContinue();
      const body = await bodies.read(request);
      const received_at = Date.now();
      verify(body);
      const { taskId } = request.params;
      const callback = withProof({ ...read(body), received_at }, secrets[0] ?? '');
      if (callback.metadata.task_id !== taskId) {
        throw new HttpError(400, 'task_mismatch', 'metadata.task_id is not the task in the path');
      }
      if (!TASK_ID.test(taskId)) throw refusal(unknownTask(taskId));
      const accepted = traced(taskId, 'callback', async () => await courier.accept(callback));
      const status = await accepted.catch((error: unknown) => {
        throw refusal(error);
      });
      countAnswer(status);
      noteAccepted(performance.now() - since);
      log.info({ task_id: taskId, status }, 'callback');
      response.status(status === 'queued' ? 202 : 200).json({ task_id: taskId, status });
    })
    .all(takesOnly('POST'));

  if (dashboard) app.route('/').get(dashboard).all(takesOnly('GET'));

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

/** @returns why a callback is not accepted, as the provider is told. */
function refusal(error: unknown): unknown {
  if (error instanceof Undeliverable) return new HttpError(UNDELIVERABLE[error.reason], error.reason, error.message);
  if (error instanceof JournalUnavailable) {
    return new HttpError(503, 'journal_unavailable', 'the callback cannot be kept now; send it again later', error);
  }
  return error;
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
    countAnswer(code);
    // The provider is not told of folders; the log is.
    const why = (answer?.cause as Error | undefined)?.message;
    if (answer) noteRefusal({ path, status, code, ...(why !== undefined && { why }) });
    if (status === 503) response.set('Retry-After', String(RETRY_AFTER_S));
    // The rest of the body is not waited for. After any other answer Node reads it and throws it away, so that the
    // sender sees the answer; the server's limits end that.
    if (status === 408) response.set('Connection', 'close');
    response.status(status).json({ error: { code, message } });
  };
}

/** Refusals told one by one in a minute: enough to see what is wrong, too few to fill a disk (8 MB a day). */
const PER_MINUTE = 20;
const MINUTE_MS = 60_000;

/** How much of a path is told; strangers choose how long it is. Characters. */
const MAX_PATH = 200;

interface Refusal {
  path: string;
  status: number;
  code: string;
  /** What the sender was not told. */
  why?: string;
}

/** Notes what was refused: the first of each minute one by one, the others as a number. */
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
