/** Loads files that packages load at first use only. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { Agent, request } from 'undici';

/**
 * Exchanges one JSON request within this process. undici reads its HTTP parser from its package at the first connection, and
 * `express.json` its character encodings at the first body: a service must have them in memory by then, since the package may
 * be updated or removed while the service runs.
 */
export async function warmUpHttp(): Promise<void> {
  const app = express().use(express.json(), (_request, response) => void response.end());
  const server = createServer(app).listen(0, '127.0.0.1');
  const dispatcher = new Agent();
  try {
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const headers = { 'content-type': 'application/json' };
    const { body } = await request(`http://127.0.0.1:${port}`, { method: 'POST', headers, body: '{}', dispatcher });
    await body.dump();
  } finally {
    await dispatcher.close();
    server.close();
  }
}
