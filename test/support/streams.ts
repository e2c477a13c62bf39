/** Streams as servers send them, and the result of the streaming client. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Piece } from '../../src/relay/answer.ts';
import { StreamingClient } from '../../src/relay/stream.ts';
import { serve } from './resources.ts';

/** The key of the client. */
export const KEY = 'sk-distinctive';

/** Serves a stream, in these pieces, until the test has finished. `undefined` is a cut. */
export async function serveStream(
  pieces: (string | Buffer | undefined)[],
  headers: OutgoingHttpHeaders = { 'content-type': 'text/event-stream' },
): Promise<string> {
  return await serve((request, response) => {
    request.resume();
    response.writeHead(200, headers).flushHeaders();
    void send(pieces, response);
  });
}

async function send(pieces: (string | Buffer | undefined)[], response: ServerResponse): Promise<void> {
  for (const piece of pieces) {
    if (piece === undefined) response.destroy();
    else response.write(piece);
    await pause(0);
  }
  response.end();
}

/** Requests an answer at this address. @returns its pieces joined. */
export async function take(
  url: string,
  { stallMs = 5_000, signal = new AbortController().signal, onSent = (): void => {} } = {},
): Promise<Piece> {
  const client = new StreamingClient({ apiUrl: `${url}/v1`, apiKey: KEY, stallMs });
  const whole: Piece = {};
  for await (const pieces of client.complete({ model: 'kimi-k3', messages: [] }, signal, onSent)) {
    for (const { content, reasoning, id: _id, model: _model, ...piece } of pieces) {
      Object.assign(whole, piece);
      if (content) whole.content = (whole.content ?? '') + content;
      if (reasoning) whole.reasoning = (whole.reasoning ?? '') + reasoning;
    }
  }
  return whole;
}

/** @returns the bytes in pieces of this size. */
export function cutInto(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
}
