/** A forward proxy that opens tunnels (CONNECT) for its own host names, and records the requests. */
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { onTestFinished } from 'vitest';
import { serve } from './resources.ts';

export interface ForwardProxy {
  url: string;
  /** Requests, e.g. `CONNECT kimi.test:443` or `GET http://kimi.test/`. */
  asked: string[];
  /** `Proxy-Authorization` of the last request. */
  authorization: string | undefined;
  /** Status to send instead of opening a tunnel; 0: no response. */
  refuseWith?: number;
}

/** @param hosts local ports by requested host and port, e.g. `kimi.test:443` */
export async function openForwardProxy(hosts: Record<string, number>): Promise<ForwardProxy> {
  const proxy: ForwardProxy = { url: '', asked: [], authorization: undefined };
  const server: Server = createServer((request, response) => {
    proxy.asked.push(`${request.method} ${request.url}`);
    response.writeHead(502).end();
  });
  server.on('connect', (request, client) => {
    proxy.asked.push(`CONNECT ${request.url}`);
    proxy.authorization = request.headers['proxy-authorization'];
    client.on('error', () => {});
    // Node does not track tunnels.
    onTestFinished(() => void client.destroy());
    const port = hosts[request.url ?? ''];
    if (proxy.refuseWith === 0) return;
    if (proxy.refuseWith !== undefined || port === undefined) {
      client.end(`HTTP/1.1 ${proxy.refuseWith ?? 502} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  proxy.url = await serve(server);
  return proxy;
}
