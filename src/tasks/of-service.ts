/** The operations on tasks, as a running service offers them: over its API, and on the pages of tasks. */
import type { Client } from '@temporalio/client';
import type { Config } from '../config/index.ts';
import { HttpError } from '../service/http.ts';
import { runningStack } from '../stack/state.ts';
import { engineOptions, failIfRefused, isEngineGone } from '../temporal/client.ts';
import { EngineLost, EngineUnreachable } from '../temporal/engine-unreachable.ts';
import { taskContext, type TaskContext } from './context.ts';
import { LocalTasks } from './local.ts';
import type { ServiceTasks } from './tasks.ts';

/**
 * @param isOfStack whether `up` started the service: then the stack of its home says how tasks are started
 * @returns what opens the operations; it throws until the stack is ready
 */
export function tasksOfService(config: Config, client: Client, isOfStack: boolean): () => Promise<ServiceTasks> {
  let tasks: LocalTasks | undefined;
  return async () => {
    // It is written when every service is ready.
    const stack = isOfStack ? await runningStack(config.KIMI_HOME) : undefined;
    if (isOfStack && !stack) throw new HttpError(503, 'starting', 'The services are starting');
    const address = stack?.temporal_address ?? engineOptions().connectionOptions.address ?? 'localhost:7233';
    tasks ??= new LocalTasks(taskContext(config, stack, !isOfStack, connected(client, address)));
    return tasks;
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
