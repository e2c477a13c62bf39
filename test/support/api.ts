/** The API of one world on a socket, and requests to it. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { fromTokens } from '../../src/api/callers.ts';
import { createToken } from '../../src/api/tokens.ts';
import type { Scope } from '../../src/shared/access.ts';
import { listenOnSocket } from '../../src/api/socket.ts';
import { taskContext, type TaskContext } from '../../src/tasks/context.ts';
import { LocalTasks } from '../../src/tasks/local.ts';
import { serve, silent, temporaryFolder } from './resources.ts';
import { worldConfig, type World } from './world.ts';

export interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

export interface Sent {
  body?: unknown;
  file?: Buffer;
  headers?: Record<string, string>;
}

/** Sends a request to a socket, or to an address. */
export async function call(server: string, method: string, path: string, sent: Sent = {}): Promise<Answer> {
  const isText = typeof sent.body === 'string' || Buffer.isBuffer(sent.body) || sent.body === undefined;
  const body = sent.file ?? (isText ? sent.body : JSON.stringify(sent.body));
  const type = sent.file ? 'application/octet-stream' : 'application/json';
  const headers = { ...(body !== undefined && { 'content-type': type }), ...sent.headers };
  const options = { method, headers, agent: false } as const;
  const isAddress = server.startsWith('http:');
  const sending = isAddress ? request(server + path, options) : request({ ...options, socketPath: server, path });
  sending.end(body);
  // The response to a body that is too large comes before the end of the body.
  sending.on('error', () => {});
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  const answer = await text(response);
  const isJson = response.headers['content-type']?.includes('json');
  const content: unknown = answer && isJson ? JSON.parse(answer) : answer;
  return { status: response.statusCode ?? 0, headers: response.headers, body: content };
}

/** @returns the operations on the tasks of a world. @param changes what tasks are started by */
export function tasksOf(world: World, changes: Partial<TaskContext> = {}): LocalTasks {
  const home = dirname(world.payloads.folder.path);
  const config = worldConfig({ ...world, home, apiUrl: `${world.simulatorUrl}/v1` });
  const context = taskContext(config, undefined, false, async (work) => await work(world.client));
  return new LocalTasks({ ...context, ...changes });
}

/** Serves the API of a world over TCP. @returns what sends a request with the token of a name, which is made if it is new. */
export async function serveTcp(
  world: World,
): Promise<(name: string, method: string, path: string, sent?: Sent) => Promise<Answer>> {
  const home = await temporaryFolder();
  const tasks = tasksOf(world);
  const authenticate = fromTokens({ home, host: '127.0.0.1', perMinute: 0, log: silent });
  const url = await serve(createApi(async () => tasks, silent, authenticate));
  const tokens = new Map<string, string | undefined>();
  return async (name, method, path, sent) => {
    const scopes: Scope[] = name === 'admin' ? ['admin'] : ['submit', 'read'];
    if (!tokens.has(name)) tokens.set(name, await createToken(home, name, scopes));
    const headers = { authorization: `Bearer ${tokens.get(name)}`, ...sent?.headers };
    return await call(url, method, path, { ...sent, headers });
  };
}

/** Serves the API of a world until the test has finished. @returns the path of its socket. */
export async function serveApi(world: World): Promise<string> {
  const tasks = tasksOf(world);
  const server = createServer(createApi(async () => tasks, silent));
  const path = join(await temporaryFolder(), 'api.sock');
  await listenOnSocket(server, path);
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return path;
}
