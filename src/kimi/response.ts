import { EventEmitter, on } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Writable } from 'node:stream';
import { stream, type Dispatcher } from 'undici';

/** An answer whose head has come. */
export interface HttpResponse {
  statusCode: number;
  headers: IncomingHttpHeaders;
  /** To be read once, to its end or left; throws where the connection breaks, after all that came before. */
  body: AsyncIterable<Buffer>;
}

/**
 * Makes a request, as undici's `request` does, but of whose answer every byte that arrived is read. A Readable drops what it
 * holds when it is destroyed: whatever came while its reader was busy and before the connection broke is gone (of 200 streams
 * cut while their reader was busy, 119 were read as empty). Those bytes are paid for.
 *
 * What is not read yet is held in memory.
 */
export async function requestEveryByte(
  url: string,
  {
    signal,
    ...options
  }: Omit<Dispatcher.RequestOptions, 'origin' | 'path' | 'signal'> & {
    dispatcher: Dispatcher;
    signal?: AbortSignal;
  },
): Promise<HttpResponse> {
  const came = new EventEmitter();
  // Gives what came before an error first, and then the error.
  const pieces = on(came, 'bytes', { close: ['end'] }) as AsyncIterableIterator<[Buffer]>;
  // Who left does not hear of it.
  came.on('error', () => {});
  const leaving = new AbortController();
  return await new Promise((resolve, reject) => {
    const sending = { ...options, signal: AbortSignal.any([leaving.signal, ...(signal ? [signal] : [])]) };
    stream(url, sending, ({ statusCode, headers }) => {
      resolve({ statusCode, headers, body: reading(pieces, leaving) });
      return new Writable({
        write: (bytes: Buffer, _encoding, done) => {
          came.emit('bytes', bytes);
          done();
        },
      });
    }).then(
      () => came.emit('end'),
      (error: Error) => {
        reject(error);
        came.emit('error', error);
      },
    );
  });
}

async function* reading(pieces: AsyncIterable<[Buffer]>, leaving: AbortController): AsyncGenerator<Buffer> {
  try {
    for await (const [bytes] of pieces) yield bytes;
  } finally {
    leaving.abort();
  }
}
