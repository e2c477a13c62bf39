/** The worker of this process, if it runs one: what becomes of its tasks is known here before the engine reports it. */
import { EventEmitter } from 'node:events';
import type { Client } from '@temporalio/client';
import type { Acceptance } from '../shared/task.ts';

type Accepted = Extract<Acceptance, { api_id: string }>;

/** Clients over the connections of this process's workers, by task queue. */
const clients = new Map<string, Client>();

/** Emits the outcome of each request; an event's name is the task's id. */
const requests = new EventEmitter();

/** @param client over the worker's own connection: the engine hands a task that it starts to the worker at once */
export function noteWorker(taskQueue: string, client: Client): void {
  clients.set(taskQueue, client);
}

export function forgetWorker(taskQueue: string): void {
  clients.delete(taskQueue);
}

/** @returns the client of this process's worker; `undefined` if the task queue is served elsewhere. */
export function clientOfWorker(taskQueue: string): Client | undefined {
  return clients.get(taskQueue);
}

/** Ends {@link acceptanceWithin} for a task whose request has ended. @param accepted absent if Kimi did not accept it */
export function noteSent(task_id: string, accepted?: Accepted): void {
  requests.emit(task_id, accepted);
}

/** @returns the acceptance of a task by Kimi; `undefined` if its request fails, or takes longer than so many milliseconds. */
export async function acceptanceWithin(task_id: string, ms: number): Promise<Accepted | undefined> {
  return await new Promise((resolve) => {
    const settle = (accepted?: Accepted): void => {
      clearTimeout(timer);
      requests.off(task_id, settle);
      resolve(accepted);
    };
    const timer = setTimeout(settle, ms);
    timer.unref();
    requests.once(task_id, settle);
  });
}
