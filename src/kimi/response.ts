import { EventEmitter, on } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Writable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, constants } from 'node:zlib';
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
 * What is not read yet is held in memory. A compressed body is decompressed, though none was asked for.
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
      resolve({
        statusCode,
        headers,
        body: decompressed(reading(pieces, leaving), String(headers['content-encoding'] ?? '')),
      });
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

const FLUSH = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI_FLUSH = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };

/** Every piece is decompressed as far as it goes, so that what came before a break is there. */
async function* decompressed(body: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  let decoder: ReturnType<typeof decoderFor>;
  let isFirst = true;
  const came: Buffer[] = [];
  for await (const bytes of body) {
    if (bytes.length === 0) continue;
    if (isFirst) decoder = decoderFor(encoding, bytes)?.on('data', (piece: Buffer) => came.push(piece));
    isFirst = false;
    if (!decoder) {
      yield bytes;
      continue;
    }
    const failure = await write(decoder, bytes);
    yield* came.splice(0);
    if (failure) throw failure;
  }
}

/** Gzip is known by its first bytes: some servers send it without a label, others label what is not compressed. */
function decoderFor(encoding: string, [first, second]: Buffer) {
  if (first === 0x1f && second === 0x8b) return createGunzip(FLUSH);
  if (/\bbr\b/i.test(encoding)) return createBrotliDecompress(BROTLI_FLUSH);
  return /\bdeflate\b/i.test(encoding) && first === 0x78 ? createInflate(FLUSH) : undefined;
}

async function write(decoder: NonNullable<ReturnType<typeof decoderFor>>, bytes: Buffer): Promise<Error | undefined> {
  return await new Promise((resolve) => {
    const fail = (error: Error): void => resolve(error);
    decoder.once('error', fail).write(bytes, () => {
      decoder.off('error', fail);
      resolve(undefined);
    });
  });
}
