import { isOutcome } from '../shared/task.ts';
import type { LiveTask, Tasks } from '../tasks/tasks.ts';
import { useNodesCache } from './node-cache.ts';
import { runningService } from './running-service.ts';
import { SocketTasks } from './socket-tasks.ts';

/**
 * Chooses how a command works: over the socket of the running service, or by this process over gRPC, whose parts are loaded only then.
 */
export async function openTasks(): Promise<Tasks> {
  const service = runningService();
  return service ? new SocketTasks(service.socket, local) : await local();
}

/** @returns those of the tasks that have no outcome. */
export function openIn(tasks: readonly LiveTask[]): LiveTask[] {
  return tasks.filter(({ state }) => !isOutcome(state));
}

async function local(): Promise<Tasks> {
  useNodesCache();
  return await (await import('./local-tasks.ts')).openLocalTasks();
}
