import { Agent, createServer, request, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { pipeline } from 'node:stream';
import { ServiceError } from '../service/exit.ts';
import { hostCheck } from '../service/http.ts';
import { LOOPBACK } from '../service/ports.ts';

/**
 * Unprivileged ports that browsers refuse to connect to (Fetch standard, "port blocking"), without 4190 and 6679: Chromium 156 connects to
 * those.
 */
export const BLOCKED_PORTS = [
  1719, 1720, 1723, 3659, 4045, 5060, 5061, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 10080,
];

/** @returns free ports that web pages cannot reach, for servers that answer any web page. */
export async function portsWithoutPages(count: number): Promise<number[]> {
  const free: number[] = [];
  // In random order, so that stacks that start at the same time rarely choose the same port.
  for (const port of BLOCKED_PORTS.toSorted(() => Math.random() - 0.5)) {
    if (await isFree(port)) free.push(port);
    if (free.length === count) return free;
  }
  throw new ServiceError('no_ports_without_pages', { ports: BLOCKED_PORTS });
}

async function isFree(port: number): Promise<boolean> {
  const probe = createTcpServer();
  return await new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen({ host: LOOPBACK, port }, () => probe.close(() => resolve(true)));
  });
}

/**
 * A reverse proxy for a server that answers every client: rejects requests of web pages of other sites.
 *
 * @param port port of that server now
 * @param listensOn the address that the proxy will listen on
 */
export function createFront(port: () => number, listensOn: string, origins: string[] = []): Server {
  return createServer(hostCheck(listensOn, forwardTo(port), { origins }));
}

function forwardTo(port: () => number): RequestListener {
  const agent = new Agent({ keepAlive: true });
  return (incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const passed = request({ host: LOOPBACK, port: port(), agent, method, path, headers });
    passed.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, outgoing, () => {});
    });
    passed.on('error', () => refuse(outgoing));
    // The client has disconnected.
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  };
}

function refuse(outgoing: ServerResponse): void {
  if (outgoing.headersSent) outgoing.destroy();
  else
    outgoing.writeHead(502, { 'content-type': 'text/plain' }).end('the server is not running; try again in a moment');
}
