import type { IncomingHttpHeaders, IncomingMessage, RequestListener } from 'node:http';
import { createHash, timingSafeEqual } from 'node:crypto';

/** @returns an address without user info and query, which may contain secrets. */
export function publicAddress(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** @returns whether a host, without its port, is a loopback address. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** @returns the address of a server on this machine that listens on `host`; every interface includes loopback. */
export function httpAddress(host: string, port: number): string {
  const reached = host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${authority(reached, port)}`;
}

/** @returns `host:port`, an IPv6 address in brackets. */
export function authority(host: string, port: number | string): string {
  return `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

/** An error answer: `{ error: { code, message } }`, or in another form that the service uses. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Logged, and not sent: it may name folders. */
    cause?: Error,
  ) {
    super(message, { cause });
  }
}

/**
 * Whether a request may come from a web page of another site: a page whose name was made to point to this machine (DNS
 * rebinding) sends that name as `Host`, and a page that calls this service's address sends its `Origin`. Programs send no
 * `Origin`, and those with HTTP/1.0 may send no `Host`; a browser always does.
 *
 * @param origins other allowed origins, e.g. `https://temporal.example.com`
 */
export function isForeign({ host, origin }: IncomingHttpHeaders, origins: readonly string[] = []): boolean {
  const isOurs = (name: string): boolean => origins.some((allowed) => new URL(allowed).host === name);
  if (host !== undefined && !isLoopback(host.replace(/:\d{1,5}$/, '')) && !isOurs(host)) return true;
  return origin !== undefined && origin !== `http://${host}` && !origins.includes(origin);
}

/**
 * Refuses requests that may come from a web page of another site, with 403. A service that other machines can reach has names that
 * it does not know, so it is not checked.
 *
 * @param listensOn the address that the service listens on
 */
export function hostCheck(
  listensOn: string,
  app: RequestListener,
  { origins = [], except = () => false }: { origins?: string[]; except?: (request: IncomingMessage) => boolean } = {},
): RequestListener {
  if (!isLoopback(listensOn)) return app;
  return (request, response) => {
    if (except(request) || !isForeign(request.headers, origins)) {
      app(request, response);
      return;
    }
    const error = { code: 'foreign_host', message: 'this address is for programs of this machine only' };
    const body = JSON.stringify({ error });
    // Without `Connection: close`: that would reset a connection on which the sender still sends, and it would lose the answer.
    response.writeHead(403, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  };
}

/**
 * Reads a body, a file or standard input to its end.
 *
 * @returns `undefined` if it has more than `maxBytes` bytes; the rest is not read.
 */
export async function readAtMost(source: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @returns a check whether a text is the secret, in constant time. */
export function secretCheck(secret: string): (text: string) => boolean {
  const expected = sha256(secret);
  // Hashes have equal lengths.
  return (text) => timingSafeEqual(sha256(text), expected);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Upper limit of a `Retry-After`, in milliseconds. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Reads the retry delay of an error response: from its headers (`retry-after-ms`, or `retry-after` in seconds or as a
 * date), or from its message, `please try again after 1 seconds`, `in 4.2s`, `in 1m2s`, since not every 429 was observed to have a header.
 *
 * @returns milliseconds, or `undefined` if there is none.
 */
export function retryAfter(headers: IncomingHttpHeaders, message = ''): number | undefined {
  const value = (headers['retry-after'] ?? '').trim();
  const stated = [
    Number(headers['retry-after-ms'] ?? Number.NaN),
    /^\d+(?:\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now(),
    durationIn(message),
  ];
  const ms = stated.find((candidate) => candidate > 0);
  return ms === undefined ? undefined : Math.min(Math.ceil(ms), LONGEST_RETRY_AFTER_MS);
}

function durationIn(message: string): number {
  const [, duration = ''] =
    /(?:try again|retry) (?:after|in) ((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b ?)+|(?:\d+(?:\.\d+)?[hms]s?)+)/i.exec(
      message,
    ) ?? [];
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?) ?(ms|milli|h|m|s)/gi)];
  return parts.reduce(
    (sum, [, count, unit = '']) =>
      sum + Number(count) * (UNIT_MS[unit.toLowerCase() === 'milli' ? 'ms' : unit.toLowerCase()] ?? 0),
    0,
  );
}
