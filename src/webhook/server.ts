import { createServer, STATUS_CODES, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RequestClasses } from '../service/express.ts';
import { countAnswer } from './metrics.ts';

/** Limits for unauthenticated clients. Times in milliseconds, sizes in bytes. */
export interface ServerLimits {
  headersTimeout: number;
  requestTimeout: number;
  /** How long a connection may be idle while one side waits for the other. */
  timeout: number;
  keepAliveTimeout: number;
  connectionsCheckingInterval: number;
  maxHeaderSize: number;
}

const LIMITS: ServerLimits = {
  // Also counted from the connection's start: a silent one is closed after ten seconds. A sender needs one round trip.
  headersTimeout: 10_000,
  // The largest body in 30 s is 4 Mbit/s.
  requestTimeout: 30_000,
  // Also covers a sender that never reads its answer. The engine has at most 10 s.
  timeout: 30_000,
  // Load balancers keep idle connections for 60 s. If the server closed first, a callback could be on its way.
  keepAliveTimeout: 65_000,
  // Precision of the timeouts; at the default of 30 s an idle connection would live four times as long.
  connectionsCheckingInterval: 1_000,
  // A callback's headers have less than 1 KiB, and proxies add theirs.
  maxHeaderSize: 16_384,
};

/** How long a client may take to read an error answer and close the connection, in milliseconds. */
const LINGER_MS = 1_000;

/** The webhook's HTTP server: limits, and answers to requests that Node cannot parse or that never end. */
export function createWebhookServer(
  app: RequestListener,
  changes: Partial<ServerLimits & RequestClasses> = {},
): Server {
  const { timeout, ...options } = { ...LIMITS, ...changes };
  // The `Host` header is not used here; Node would refuse a request without it, in plain text.
  const server = createServer({ ...options, requireHostHeader: false }, app).setTimeout(timeout);
  // Node would answer `100 Continue` before the app has seen the headers, and refuse other expectations itself.
  for (const event of ['checkContinue', 'checkExpectation']) {
    server.on(event, (request, response) => server.emit('request', request, response));
  }

  const latest = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => latest.set(request.socket, response));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // An error was answered already: the rest of the connection cannot be parsed.
    if (socket.writableEnded) return;
    if (!socket.writable || !isFree(latest.get(socket))) {
      socket.destroy();
      return;
    }
    // Closing a connection while bytes arrive resets it, and the client loses an answer that it has not read yet.
    socket.end(answerTo(error.code));
    const lingering = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(lingering));
  });
  return server;
}

/** Whether an error answer cannot be mistaken for the answer to the latest request. */
function isFree(latest: ServerResponse | undefined): boolean {
  if (latest === undefined) return true;
  return latest.req.complete ? latest.writableFinished : !latest.headersSent;
}

/** Answers to errors that Node finds before there is a request. */
const ERRORS: Record<string, [status: number, code: string, message: string]> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request_timeout', 'the request took too long to arrive; send it again'],
  HPE_HEADER_OVERFLOW: [431, 'headers_too_large', 'the headers are too large'],
};

function answerTo(code = ''): string {
  const [status, name, message] = ERRORS[code] ?? [400, 'bad_request', 'the request cannot be read'];
  countAnswer(name);
  const body = JSON.stringify({ error: { code: name, message } });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
