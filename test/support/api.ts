/** The API of one world on a socket, and requests to it. */
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { listenOnSocket } from '../../src/api/socket.ts';
import { taskContext, type TaskContext } from '../../src/tasks/context.ts';
import { LocalTasks } from '../../src/tasks/local.ts';
import { silent, temporaryFolder } from './resources.ts';
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

/** Sends a request to a socket. */
export async function call(socketPath: string, method: string, path: string, sent: Sent = {}): Promise<Answer> {
  const isText = typeof sent.body === 'string' || sent.body === undefined;
  const body = sent.file ?? (isText ? sent.body : JSON.stringify(sent.body));
  const type = sent.file ? 'application/octet-stream' : 'application/json';
  const headers = { ...(body !== undefined && { 'content-type': type }), ...sent.headers };
  const sending = request({ socketPath, method, path, headers, agent: false }).end(body);
  // The response to a body that is too large comes before the end of the body.
  sending.on('error', () => {});
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  const answer = await text(response);
  return { status: response.statusCode ?? 0, headers: response.headers, body: answer && JSON.parse(answer) };
}

/** @returns the operations on the tasks of a world. @param changes what tasks are started by */
export function tasksOf(world: World, changes: Partial<TaskContext> = {}): LocalTasks {
  const home = dirname(world.payloads.folder.path);
  const config = worldConfig({ ...world, home, apiUrl: `${world.simulatorUrl}/v1` });
  const context = taskContext(config, undefined, false, async (work) => await work(world.client));
  return new LocalTasks({ ...context, ...changes });
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
