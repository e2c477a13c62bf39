/** HTTP servers with a fixed response, and a helper for the resulting errors. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { serve } from './resources.ts';

export interface Received {
  method: string | undefined;
  path: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Serves a fixed response until the test has finished. @returns its address and the received requests. */
export async function serveAnswer(
  status: number,
  body: unknown = '',
  headers: OutgoingHttpHeaders = {},
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const url = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url: path, headers: sent } = request;
      received.push({ method, path, headers: sent, body: Buffer.concat(chunks).toString() });
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  return { url, received };
}

/** Reads the request, then closes the connection without a response. */
export async function serveCut(): Promise<string> {
  return await serve((request) => {
    request.resume().on('end', () => request.socket.destroy());
  });
}

/** An address without a listener. */
export const UNREACHABLE = 'http://127.0.0.1:1';

/** @returns the error that a promise was rejected with, checked to be of a class. */
export async function failureOf<E extends Error>(
  promise: Promise<unknown>,
  kind: new (...args: never[]) => E,
): Promise<E> {
  const outcome: unknown = await promise.catch((error: unknown) => error);
  if (outcome instanceof kind) return outcome;
  throw new Error(`expected a ${kind.name}`, { cause: outcome });
}
