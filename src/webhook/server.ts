import { createServer, STATUS_CODES, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { countAnswer } from './metrics.ts';

/** How much patience strangers are met with. Times in milliseconds, sizes in bytes. */
export interface ServerLimits {
  headersTimeout: number;
  requestTimeout: number;
  /** How long a connection may be silent while one side waits for the other. */
  timeout: number;
  keepAliveTimeout: number;
  connectionsCheckingInterval: number;
  maxHeaderSize: number;
}

const LIMITS: ServerLimits = {
  // From the connection's start too: one that says nothing is gone after ten seconds. A sender needs one round trip.
  headersTimeout: 10_000,
  // The largest body in 30 s is 4 Mbit/s.
  requestTimeout: 30_000,
  // Sees what the two above do not: a sender that never reads what it is answered. The engine is given 10 s at most.
  timeout: 30_000,
  // Load balancers keep idle connections for 60 s. Were we the first to close, a callback could be under way.
  keepAliveTimeout: 65_000,
  // How late the timeouts may be noticed; at the default of 30 s an idle connection would live four times as long.
  connectionsCheckingInterval: 1_000,
  // A callback's headers take less than 1 KiB, and proxies add theirs.
  maxHeaderSize: 16_384,
};

/** How long a sender may take to read that it could not be read, and to close the connection, in milliseconds. */
const LINGER_MS = 1_000;

/** The webhook's HTTP server: what it does before a request is one, and with senders that never finish theirs. */
export function createWebhookServer(app: RequestListener, limits: Partial<ServerLimits> = {}): Server {
  const { timeout, ...options } = { ...LIMITS, ...limits };
  // Who is addressed makes no difference here; Node would refuse a request that does not say, with an answer of its own.
  const server = createServer({ ...options, requireHostHeader: false }, app).setTimeout(timeout);
  // Node would invite the body before anybody has looked at the headers, and refuse other expectations itself.
  for (const event of ['checkContinue', 'checkExpectation']) {
    server.on(event, (request, response) => server.emit('request', request, response));
  }

  const latest = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (request, response) => latest.set(request.socket, response));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Whatever comes after what could not be read cannot be read either.
    if (socket.writableEnded) return;
    if (!socket.writable || !isFree(latest.get(socket))) {
      socket.destroy();
      return;
    }
    // A connection that is closed while bytes arrive is reset, and with it goes an answer that was not read yet.
    socket.end(answerTo(error.code));
    const lingering = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(lingering));
  });
  return server;
}

/** Whether an answer now could not be taken for the answer to something else. */
function isFree(latest: ServerResponse | undefined): boolean {
  if (latest === undefined) return true;
  return latest.req.complete ? latest.writableFinished : !latest.headersSent;
}

/** What Node finds wrong before there is a request, in our words. */
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
