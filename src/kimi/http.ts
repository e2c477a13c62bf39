import { stream, type Agent, type Dispatcher } from 'undici';
import { publicAddress } from '../service/http.ts';
import { directAgent, outboundAgent, reachProblem } from '../service/outbound.ts';
import { KimiError } from './errors.ts';
import { parseJson } from './refusal.ts';
import { EventEmitter, on } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Writable } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** How long a connection may take, in milliseconds. Nothing has been sent before it stands. */
const CONNECT_TIMEOUT_MS = 5_000;

/** An API that speaks Kimi's HTTP: where it is, and what opens it. */
export interface Endpoint {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  url: string;
  key: string;
  /** How long it may take to answer, and to send the next bytes of its answer, in milliseconds. 0: for ever. */
  timeoutMs: number;
  /** Whether it is a service of this installation: reached without a proxy. */
  isOurs?: boolean;
}

/** What a request is sent with. */
export interface Posting {
  headers?: Record<string, string>;
  body: unknown;
  signal: AbortSignal;
  /** Called when a connection stands and the request is about to be written to it. */
  onSent?: () => void;
}

/** Requests of which it is known whether they were sent, and answers that do not quote the key. */
export class KimiHttp {
  private readonly agent: Dispatcher;

  constructor(private readonly endpoint: Endpoint) {
    const options: Agent.Options = {
      // A fresh connection for each request: one kept alive may be closed by the far end just as we write to it, and then
      // nobody can say whether the request arrived.
      pipelining: 0,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      headersTimeout: endpoint.timeoutMs,
      bodyTimeout: endpoint.timeoutMs,
    };
    this.agent = endpoint.isOurs ? directAgent(options) : outboundAgent(endpoint.url, options);
  }

  /**
   * Posts JSON.
   *
   * @throws {KimiError} `not_sent`, or `outcome_unknown` where the request was written.
   */
  async post(path: string, { headers, body, signal, onSent }: Posting): Promise<HttpResponse> {
    const { url, key } = this.endpoint;
    let sent = false;
    try {
      return await requestEveryByte(`${url.replace(/\/+$/, '')}/${path}`, {
        method: 'POST',
        dispatcher: this.agent.compose((dispatch) => (options, handler) => {
          const onRequestStart = handler.onRequestStart?.bind(handler);
          handler.onRequestStart = (controller, context) => {
            onRequestStart?.(controller, context);
            if (controller.aborted) return;
            sent = true;
            onSent?.();
          };
          return dispatch(options, handler);
        }),
        signal,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    } catch (error) {
      const why = describe(error);
      if (why === 'UND_ERR_INVALID_ARG') {
        throw new KimiError('refused', 'invalid_argument', 'the request cannot be made: the key fits no header', {
          cause: error,
        });
      }
      if (sent) throw this.brokenOff(error);
      const message = `cannot reach ${publicAddress(url)}: ${why}`;
      throw new KimiError('not_sent', reachProblem(error), message, { cause: error });
    }
  }

  /**
   * Reads the JSON of an answer; its text where it is none.
   *
   * @param limit in bytes
   * @throws {KimiError} `outcome_unknown`
   */
  async readJson({ body }: HttpResponse, limit: number): Promise<unknown> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body) {
        size += chunk.length;
        if (size > limit) throw new Error(`the answer is over ${limit} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw this.brokenOff(error);
    }
    const text = this.withoutKey(Buffer.concat(chunks).toString('utf8'));
    return parseJson(text) ?? text;
  }

  /** An answer that quotes the key must not carry it on. */
  withoutKey(text: string): string {
    return text.replaceAll(this.endpoint.key, '[KIMI_API_KEY]');
  }

  private brokenOff(error: unknown): KimiError {
    const message = `the connection to ${publicAddress(this.endpoint.url)} broke after the request was sent: ${describe(error)}`;
    return new KimiError('outcome_unknown', 'outcome_unknown', message, { cause: error });
  }
}

/** A connection error in few words: its code, since the message may be empty (happy eyeballs) or long. */
export function describe(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string };
  // What undici makes of an answer in chunks without the last one.
  if (message?.includes('Invalid EOF state')) return 'it was cut before its end';
  return (typeof code === 'string' ? code : message) ?? String(error);
}

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
