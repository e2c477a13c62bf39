import type { IncomingHttpHeaders, IncomingMessage, RequestListener } from 'node:http';
import { createHash, timingSafeEqual } from 'node:crypto';

/** @returns an address fit to be shown or recorded: without the user info and query, where people put secrets. */
export function publicAddress(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** @returns whether a host, without its port, is this machine to itself alone. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** @returns the address at which what listens on a host is reached from this machine: every interface means loopback too. */
export function httpAddress(host: string, port: number): string {
  const reached = host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${authority(reached, port)}`;
}

/** @returns `host:port`, an IPv6 address in brackets. */
export function authority(host: string, port: number | string): string {
  return `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

/** An answer that is an error: `{ error: { code, message } }`, or as whoever answers words it. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** What the log says besides; who sent the request is not told of folders. */
    cause?: Error,
  ) {
    super(message, { cause });
  }
}

/**
 * Whether a request may come from a web page of another site: a page whose name was made to point to this machine (DNS
 * rebinding) sends that name as `Host`, and a page that calls us by our own address sends its `Origin`. Programs send no
 * `Origin`, and those that speak HTTP/1.0 may send no `Host`; a browser always does.
 *
 * @param origins other origins that may ask, e.g. `https://temporal.example.com`
 */
export function isForeign({ host, origin }: IncomingHttpHeaders, origins: readonly string[] = []): boolean {
  const isOurs = (name: string): boolean => origins.some((allowed) => new URL(allowed).host === name);
  if (host !== undefined && !isLoopback(host.replace(/:\d{1,5}$/, '')) && !isOurs(host)) return true;
  return origin !== undefined && origin !== `http://${host}` && !origins.includes(origin);
}

/**
 * Refuses what may come from a web page of another site, with 403. Where others can reach a service, they call it by names
 * that it does not know: then it is not in the way.
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
    response.writeHead(403, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    });
    response.end(body);
  };
}

/** @returns a check whether what is given is the secret; how long it takes tells nothing of how much of it was right. */
export function secretCheck(secret: string): (given: string) => boolean {
  const expected = sha256(secret);
  // Hashes have one length, whatever was sent.
  return (given) => timingSafeEqual(sha256(given), expected);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** How long a server asks to be left alone: the one reader of `Retry-After`, for Kimi and the gateway alike. */

/** Longest wait that a server is believed to ask for, in milliseconds. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Reads for how long a server asks to be left alone: from its headers (`retry-after-ms`, or `retry-after` in seconds or as a
 * date), or from its words, `please try again after 1 seconds`, `in 4.2s`, `in 1m2s`, since not every 429 has a header (kimi-api.md).
 *
 * @returns milliseconds, or `undefined` where it does not say.
 */
export function retryAfter(headers: IncomingHttpHeaders, words = ''): number | undefined {
  const value = (headers['retry-after'] ?? '').trim();
  const stated = [
    Number(headers['retry-after-ms'] ?? Number.NaN),
    /^\d+(?:\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now(),
    durationIn(words),
  ];
  const ms = stated.find((candidate) => candidate > 0);
  return ms === undefined ? undefined : Math.min(Math.ceil(ms), LONGEST_RETRY_AFTER_MS);
}

function durationIn(words: string): number {
  const [, said = ''] =
    /(?:try again|retry) (?:after|in) ((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)\b ?)+|(?:\d+(?:\.\d+)?[hms]s?)+)/i.exec(
      words,
    ) ?? [];
  const parts = [...said.matchAll(/(\d+(?:\.\d+)?) ?(ms|milli|h|m|s)/gi)];
  return parts.reduce(
    (sum, [, count, unit = '']) =>
      sum + Number(count) * (UNIT_MS[unit.toLowerCase() === 'milli' ? 'ms' : unit.toLowerCase()] ?? 0),
    0,
  );
}
