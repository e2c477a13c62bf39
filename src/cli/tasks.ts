import type { Tasks } from '../tasks/tasks.ts';
import { runningService } from './running-service.ts';
import { SocketTasks } from './socket-tasks.ts';

/**
 * Chooses how a command works: over the socket of the running service, or by this process over gRPC, whose parts are loaded only then.
 */
export async function openTasks(): Promise<Tasks> {
  const service = runningService();
  return service ? new SocketTasks(service.socket, local) : await local();
}

async function local(): Promise<Tasks> {
  return await (await import('./local-tasks.ts')).openLocalTasks();
}
