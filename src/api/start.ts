import { createServer } from 'node:http';
import type { Logger } from 'pino';
import type { Tasks } from '../tasks/tasks.ts';
import { createApi } from './app.ts';
import { listenOnSocket, socketPath } from './socket.ts';

/** How long open requests may take to end, in milliseconds. */
const DRAIN_MS = 5_000;

export interface ApiOptions {
  /** Folder of the stack. */
  home: string;
  /** Opens the operations; it throws until they can be done. */
  tasks: () => Promise<Tasks>;
  log: Logger;
}

/** The running API. */
export interface Api {
  stop(): Promise<void>;
}

/**
 * Serves the API on the socket of `KIMI_HOME`. Without it every command works, only slower: an error is logged.
 *
 * @returns `undefined` if there is no place for the socket.
 */
export async function startApi({ home, tasks, log }: ApiOptions): Promise<Api | undefined> {
  const path = socketPath(home);
  const server = createServer(createApi(tasks, log));
  try {
    await listenOnSocket(server, path);
  } catch (error) {
    log.warn(`the API is off, so commands start slower: ${(error as Error).message}`);
    return undefined;
  }
  return {
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
      await closed;
    },
  };
}
