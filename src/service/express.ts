/** What the express apps of all services have in common. */
import { isUtf8 } from 'node:buffer';
import { IncomingMessage, ServerResponse, type RequestListener } from 'node:http';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import type { Logger } from 'pino';
import { HttpError } from './http.ts';

/** Options of `createServer`: what it makes for each request. */
export interface RequestClasses {
  IncomingMessage: typeof IncomingMessage;
  ServerResponse: typeof ServerResponse;
}

/** A listener, and the classes that its server should make. */
export type AppListener = RequestListener & { classes: RequestClasses };

export type App = Express & AppListener;

/**
 * Express gives each request and response the prototype with its methods. V8 forgets what it knows of an object whose prototype
 * changes: 0.1 ms a request, more than Node needs for all the rest. So a server makes them with that prototype.
 *
 * @returns an app without express's own headers, and the classes that its server should make.
 */
export function createApp(): App {
  class AppRequest extends IncomingMessage {}
  class AppResponse<R extends IncomingMessage> extends ServerResponse<R> {}
  const app = express().disable('x-powered-by').disable('etag');
  app.request = withMethods(AppRequest, app.request);
  app.response = withMethods(AppResponse, app.response);
  return Object.assign(app, { classes: { IncomingMessage: AppRequest, ServerResponse: AppResponse } });
}

/** @returns the prototype of a class, which inherits these methods. */
function withMethods<T extends object>({ prototype }: { prototype: object }, methods: T): T {
  return Object.setPrototypeOf(prototype, methods) as T;
}

/** Answers 405 to every other method; express would answer OPTIONS itself, in plain text. */
export function allow(method: string): RequestHandler {
  return (request, response) => {
    response.set('Allow', method);
    const methods = method.replaceAll(', ', ' or ');
    throw new HttpError(405, 'method_not_allowed', `send ${methods} here, not ${request.method}`);
  };
}

export function notFound(): HttpError {
  return new HttpError(404, 'not_found', 'there is nothing at this address');
}

/** The last route of an app: express would answer 404 itself, in HTML. */
export const refuseOthers: RequestHandler = () => {
  throw notFound();
};

/** `verify` of `express.json`, which would replace bytes that are not UTF-8. */
export function requireUtf8(_request: unknown, _response: unknown, body: Buffer, encoding: string): void {
  if (encoding === 'utf-8' && !isUtf8(body)) throw new HttpError(400, 'invalid_json', 'The body is not JSON in UTF-8');
}

/** An error of express's body parser, e.g. a body that is not JSON or too large. */
export interface BodyError extends Error {
  status: number;
  /** e.g. `entity.too.large`. */
  type?: string;
}

/** @returns whether express's body parser refused the request. */
export function isBodyError(error: unknown): error is BodyError {
  const { status } = error as { status?: unknown };
  return error instanceof Error && typeof status === 'number' && status < 500;
}

export interface ErrorAnswers {
  /** @returns the answer to an error that is not an {@link HttpError}; `undefined` if it is unexpected. */
  known?: (error: unknown) => HttpError | undefined;
  /** The answer to an unexpected error, which is logged. */
  unexpected: HttpError;
  /** `Retry-After` of every 503, in seconds. */
  retryAfterS?: number;
  /** Sends an answer; as `{"error": {"code", "message"}}` by default. */
  send?: (answer: HttpError, response: Response) => void;
  log?: Logger;
}

/** The one error handler of the express apps. */
export function errorHandler({
  known = () => undefined,
  unexpected,
  retryAfterS,
  send = sendError,
  log,
}: ErrorAnswers): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const expected = error instanceof HttpError ? error : known(error);
    if (!expected) log?.error({ err: error, path: pathOf(request) }, 'unexpected error');
    const answer = expected ?? unexpected;
    if (answer.status === 503 && retryAfterS !== undefined) response.set('Retry-After', String(retryAfterS));
    send(answer, response);
  };
}

/** Sends an error as `{"error": {"code", "message"}}`. */
export function sendError({ status, code, message }: HttpError, response: Response): void {
  response.status(status).json({ error: { code, message } });
}

/** @returns the path of a request without its query, where people put secrets. */
export function pathOf({ url }: { url: string }): string {
  return url.split('?', 1)[0] ?? '';
}
