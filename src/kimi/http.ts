import { stream, type Agent, type Dispatcher, type FormData } from 'undici';
import { anySignal } from '../service/any-signal.ts';
import { publicAddress, readAtMost } from '../service/http.ts';
import { causeOf, describe, directAgent, outboundAgent, reachProblem, tellingSent } from '../service/outbound.ts';
import { KimiError } from './errors.ts';
import { parseJson } from './refusal.ts';
import { EventEmitter, on } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { Writable } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** Time limit for a connection, in milliseconds. Nothing is sent before it is open. */
const CONNECT_TIMEOUT_MS = 5_000;

/** An API with Kimi's protocol, and its key. */
export interface Endpoint {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  url: string;
  key: string;
  /** Time limit for the headers of a response, and between its bytes, in milliseconds. 0: none. */
  timeoutMs: number;
  /** Whether it is a service of this installation, reached without a proxy. */
  isDirect?: boolean;
}

export interface PostOptions {
  headers?: Record<string, string>;
  body: unknown;
  signal: AbortSignal;
  /** Called when the connection is open and the request is about to be written. */
  onSent?: () => void;
}

/** An HTTP client that knows whether a request was sent, and removes the key from responses. */
export class KimiHttp {
  private readonly agent: Dispatcher;

  constructor(private readonly endpoint: Endpoint) {
    const options: Agent.Options = {
      // A new connection for each request: the server may close one that was kept alive while a request is written to it, and
      // then it is unknown whether the request arrived.
      pipelining: 0,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      headersTimeout: endpoint.timeoutMs,
      bodyTimeout: endpoint.timeoutMs,
    };
    this.agent = endpoint.isDirect ? directAgent(options) : outboundAgent(endpoint.url, options);
  }

  /**
   * Posts JSON.
   *
   * @throws {KimiError} `not_sent`, or `outcome_unknown` if the request was written.
   */
  async post(path: string, { headers, body, ...options }: PostOptions): Promise<HttpResponse> {
    const json = { 'content-type': 'application/json', ...headers };
    return await this.request('POST', path, { ...options, headers: json, body: JSON.stringify(body) });
  }

  /** Sends a form, or nothing. @throws {KimiError} as {@link post} */
  async send(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    { form, signal }: { form?: FormData; signal: AbortSignal },
  ): Promise<HttpResponse> {
    return await this.request(method, path, { signal, body: form ?? null });
  }

  private async request(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    {
      headers,
      body,
      signal,
      onSent,
    }: Pick<PostOptions, 'headers' | 'signal' | 'onSent'> & { body: string | FormData | null },
  ): Promise<HttpResponse> {
    const { url, key } = this.endpoint;
    let sent = false;
    try {
      return await requestEveryByte(`${url.replace(/\/+$/, '')}/${path}`, {
        method,
        dispatcher: tellingSent(this.agent, () => {
          sent = true;
          onSent?.();
        }),
        signal,
        headers: { authorization: `Bearer ${key}`, ...headers },
        body,
      });
    } catch (error) {
      if (describe(error) === 'UND_ERR_INVALID_ARG') {
        throw new KimiError('refused', 'invalid_argument', 'the request cannot be made: the key fits no header', {
          cause: error,
        });
      }
      if (sent) throw this.outcomeUnknown(error);
      const detail = { code: 'reach', address: publicAddress(url), ...causeOf(error) } as const;
      throw new KimiError('not_sent', reachProblem(error), detail, { cause: error });
    }
  }

  /**
   * Reads the JSON of a response; its text if it is not JSON.
   *
   * @param limit in bytes
   * @throws {KimiError} `outcome_unknown`
   */
  async readJson(response: HttpResponse, limit: number): Promise<unknown> {
    const text = await this.readText(response, limit);
    return parseJson(text) ?? text;
  }

  /** Reads the text of a response. @throws {KimiError} as {@link readJson} */
  async readText({ body }: HttpResponse, limit: number): Promise<string> {
    let bytes: Buffer | undefined;
    try {
      bytes = await readAtMost(body, limit);
      if (!bytes) throw new Error(`the answer is over ${limit} bytes`);
    } catch (error) {
      throw this.outcomeUnknown(error);
    }
    return this.withoutKey(bytes.toString('utf8'));
  }

  /** Removes the key, which a response may quote. */
  withoutKey(text: string): string {
    return text.replaceAll(this.endpoint.key, '[KIMI_API_KEY]');
  }

  private outcomeUnknown(error: unknown): KimiError {
    const detail = { code: 'broke', address: publicAddress(this.endpoint.url), ...causeOf(error) } as const;
    return new KimiError('outcome_unknown', 'outcome_unknown', detail, { cause: error });
  }
}

/** A response whose headers were received. */
export interface HttpResponse {
  statusCode: number;
  headers: IncomingHttpHeaders;
  /** To be read once. If the connection is interrupted it throws, after all bytes that were received. */
  body: AsyncIterable<Buffer>;
}

/**
 * Like undici's `request`, but every received byte can be read. A Readable drops its buffer when it is destroyed: bytes that arrive
 * while its reader is busy, before the connection is interrupted, are lost (of 200 streams cut while their reader was busy, 119
 * were read as empty). Those bytes are paid for.
 *
 * Unread bytes are buffered in memory. A compressed body is decompressed, although no compression is requested.
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
  const received = new EventEmitter();
  // Yields the bytes before an error first, then throws the error.
  const pieces = on(received, 'bytes', { close: ['end'] }) as AsyncIterableIterator<[Buffer]>;
  // Without a reader, errors are ignored.
  received.on('error', () => {});
  const aborting = new AbortController();
  return await new Promise((resolve, reject) => {
    const sending = { ...options, signal: anySignal([aborting.signal, ...(signal ? [signal] : [])]) };
    stream(url, sending, ({ statusCode, headers }) => {
      resolve({
        statusCode,
        headers,
        body: decompressed(reading(pieces, aborting), String(headers['content-encoding'] ?? '')),
      });
      return new Writable({
        write: (bytes: Buffer, _encoding, done) => {
          received.emit('bytes', bytes);
          done();
        },
      });
    }).then(
      () => received.emit('end'),
      (error: Error) => {
        reject(error);
        received.emit('error', error);
      },
    );
  });
}

async function* reading(pieces: AsyncIterable<[Buffer]>, aborting: AbortController): AsyncGenerator<Buffer> {
  try {
    for await (const [bytes] of pieces) yield bytes;
  } finally {
    aborting.abort();
  }
}

const FLUSH = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI_FLUSH = { flush: constants.BROTLI_OPERATION_FLUSH, finishFlush: constants.BROTLI_OPERATION_FLUSH };

/** Decompresses every piece as far as possible, so that nothing received before an interruption is lost. */
async function* decompressed(body: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  let decoder: ReturnType<typeof decoderFor>;
  let isFirst = true;
  const pieces: Buffer[] = [];
  for await (const bytes of body) {
    if (bytes.length === 0) continue;
    if (isFirst) decoder = decoderFor(encoding, bytes)?.on('data', (piece: Buffer) => pieces.push(piece));
    isFirst = false;
    if (!decoder) {
      yield bytes;
      continue;
    }
    const failure = await write(decoder, bytes);
    yield* pieces.splice(0);
    if (failure) throw failure;
  }
}

/** Gzip is detected by its first bytes: some servers send it without a header, others send the header with uncompressed bodies. */
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
