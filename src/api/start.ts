import { createServer } from 'node:http';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Config } from '../config/index.ts';
import { HttpError } from '../service/http.ts';
import { runningStack } from '../stack/state.ts';
import { taskContext, type TaskContext } from '../tasks/context.ts';
import { LocalTasks } from '../tasks/local.ts';
import { failIfRefused, isEngineGone } from '../temporal/client.ts';
import { EngineLost, EngineUnreachable } from '../temporal/engine-unreachable.ts';
import { createApi } from './app.ts';
import { listenOnSocket, socketPath } from './socket.ts';

/** How long open requests may take to end, in milliseconds. */
const DRAIN_MS = 5_000;

export interface ApiOptions {
  config: Config;
  client: Client;
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
export async function startApi({ config, client, log }: ApiOptions): Promise<Api | undefined> {
  const path = socketPath(config.KIMI_HOME);
  let tasks: LocalTasks | undefined;
  const open = async (): Promise<LocalTasks> => {
    // It is written when every service is ready.
    const stack = await runningStack(config.KIMI_HOME);
    if (!stack) throw new HttpError(503, 'starting', 'The services are starting');
    tasks ??= new LocalTasks(taskContext(config, stack, false, connected(client, stack.temporal_address)));
    return tasks;
  };
  const server = createServer(createApi(open, log));
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

/** Works with one connection, which reconnects by itself. */
function connected(client: Client, engine: string): TaskContext['withClient'] {
  return async (work) => {
    // Otherwise the call would be retried until the engine is back.
    await failIfRefused(engine).catch((error: unknown) => {
      throw new EngineUnreachable(engine, undefined, { cause: error });
    });
    try {
      return await work(client);
    } catch (error) {
      throw isEngineGone(error) ? new EngineLost(engine) : error;
    }
  };
}
