import type { Tasks } from '../tasks/tasks.ts';
import { serviceSocket } from './service.ts';
import { SocketTasks } from './socket-tasks.ts';

/** @returns the operations of the running service, or of this process: its parts are loaded only then. */
export async function openTasks(): Promise<Tasks> {
  const socket = serviceSocket();
  return socket === undefined ? await local() : new SocketTasks(socket, local);
}

async function local(): Promise<Tasks> {
  return await (await import('./local-tasks.ts')).openLocalTasks();
}
