/** Requests over the socket, by `node:http`: Node's `fetch` knows no sockets. Loaded by the first of them. */
import { readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { homeFolder } from '../config/early.ts';
import { noService } from './errors.ts';
import type { Answer, Sent } from './transport.ts';

export async function sendOverSocket({ body, ...options }: Sent, home = homeFolder()): Promise<Answer> {
  const socketPath = socketOf(home);
  return await new Promise((resolve, reject) => {
    const sending = request({ ...options, socketPath, agent: false }, (response) => {
      const { statusCode: status = 0, headers } = response;
      resolve({ status, header: (name) => headers[name], body: response });
    });
    sending.on('error', reject);
    sending.end(body);
  });
}

/** @returns the socket of this user's running service. It is looked for each time: a restarted service may have another. */
function socketOf(home: string): string {
  try {
    const { api_socket: socket } = JSON.parse(readFileSync(join(home, 'stack.json'), 'utf8')) as { api_socket: string };
    if (statSync(socket).uid === process.getuid?.()) return socket;
  } catch {
    // It is not running.
  }
  throw noService(`No service runs in ${home}: start it with \`kimi-dispatch up --detach\`, or give baseUrl and token`);
}
