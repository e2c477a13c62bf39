import { createServer, type Server } from 'node:http';
import type { Logger } from 'pino';
import type { Config } from '../config/index.ts';
import { listen } from '../service/ports.ts';
import type { ServiceTasks } from '../tasks/tasks.ts';
import { createApi } from './app.ts';
import { receivedStore } from '../relay/recordings.ts';
import { fromThisUser, fromTokens } from './callers.ts';
import { EventStreams } from './event-stream.ts';
import { listenOnSocket, socketPath } from './socket.ts';
import { TaskEvents } from './task-events.ts';
import { isStillValid } from './tokens.ts';

/** How long open requests may take to end, in milliseconds. */
const DRAIN_MS = 5_000;

/**
 * How long the headers of a request may take to arrive over TCP, in milliseconds; Node allows 60 s. The token is in the headers: until
 * they are complete, any client holds the connection. As at the webhook, a sender needs one round trip.
 */
const HEADERS_TIMEOUT_MS = 10_000;

export interface ApiOptions {
  config: Config;
  /** Opens the operations; it throws until they can be done. */
  tasks: () => Promise<ServiceTasks>;
  /** Whether the API has a socket: the services of one home have one. */
  hasSocket: boolean;
  log: Logger;
}

/** The running API. */
export interface Api {
  /** The TCP port; absent without `KIMI_API_PORT`. */
  port?: number;
  stop(): Promise<void>;
}

/** Serves the API: on the socket of `KIMI_HOME`, and with `KIMI_API_PORT` over TCP. @throws {PortsUnusable} */
export async function startApi({ config, tasks, hasSocket, log }: ApiOptions): Promise<Api> {
  const { KIMI_HOME: home, KIMI_API_HOST: host, KIMI_API_PORT: wanted } = config;
  const received = receivedStore(config);
  const live = (task_id: string) => received.live(task_id);
  const openAi = { model: config.KIMI_MODEL, live };
  const servers: Server[] = [];
  const events = new TaskEvents(tasks);
  let port: number | undefined;
  if (wanted !== undefined) {
    const perMinute = config.KIMI_API_REQUESTS_PER_MINUTE;
    // Loaded only for clients elsewhere: on this machine they start the server themselves.
    const { createMcp } = await import('../mcp/http.ts');
    const app = createApi(tasks, log, fromTokens({ home, host, perMinute, log }), {
      openAi,
      mcp: (tasksFor) => createMcp(tasksFor, events, config.KIMI_LANG, log),
      streams: new EventStreams(events, { isValid: async (caller) => await isStillValid(home, caller), live }),
    });
    const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS, ...app.classes }, app);
    port = await listen(server, { host, port: wanted }, 'KIMI_API_PORT');
    servers.push(server);
  }
  if (hasSocket) {
    const streams = new EventStreams(events, { live });
    const app = createApi(tasks, log, [fromThisUser], { openAi, streams });
    const server = createServer(app.classes, app);
    try {
      await listenOnSocket(server, socketPath(home));
      servers.push(server);
    } catch (error) {
      // Every command works without it.
      log.warn(`the socket of the API is off, so commands start slower: ${(error as Error).message}`);
    }
  }
  return {
    ...(port !== undefined && { port }),
    stop: async () => {
      events.stop();
      const closed = servers.map(async (server) => await new Promise((resolve) => server.close(resolve)));
      setTimeout(() => servers.forEach((server) => server.closeAllConnections()), DRAIN_MS).unref();
      await Promise.all(closed);
    },
  };
}
