/** HTTP servers that give one answer, and the errors that come of it. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { serve } from './world.ts';

export interface Received {
  method: string | undefined;
  path: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Serves one answer to everything until the test has finished. @returns its address and what it received. */
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

/** Serves no answer: reads the request, then cuts the connection. */
export async function serveCut(): Promise<string> {
  return await serve((request) => {
    request.resume().on('end', () => request.socket.destroy());
  });
}

/** Nobody listens here. */
export const NOBODY = 'http://127.0.0.1:1';

/** @returns the error a promise was rejected with, of the class expected. */
export async function failureOf<E extends Error>(
  promise: Promise<unknown>,
  kind: new (...args: never[]) => E,
): Promise<E> {
  const outcome: unknown = await promise.catch((error: unknown) => error);
  if (outcome instanceof kind) return outcome;
  throw new Error(`expected a ${kind.name}`, { cause: outcome });
}
