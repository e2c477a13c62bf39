/** The worker of this process, if it runs one: what becomes of its tasks is known here before the engine reports it. */
import { EventEmitter } from 'node:events';
import type { Client } from '@temporalio/client';
import type { Acceptance } from '../shared/task.ts';

type Accepted = Extract<Acceptance, { api_id: string }>;

/** Clients over the connections of this process's workers, by task queue. */
const clients = new Map<string, Client>();

/** Emits the outcome of each request; an event's name is the task's id. */
const requests = new EventEmitter();

/** Emits each task whose answer is saved; the same names. */
const saves = new EventEmitter();

/** The tasks saved last: a callback's sender may ask after the worker is done. */
const saved = new Set<string>();

/** How many of them are remembered: more than are in progress at the same time. */
const REMEMBERED = 1_000;

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

/** @returns whether this process runs a worker. */
export function isWorkerHere(): boolean {
  return clients.size > 0;
}

/** Tells {@link onceSaved} of a task whose answer the worker has saved. */
export function noteSaved(task_id: string): void {
  saved.add(task_id);
  for (const oldest of saved) {
    if (saved.size <= REMEMBERED) break;
    saved.delete(oldest);
  }
  saves.emit(task_id);
}

/** Calls a listener once this process's worker has saved a task's answer. @returns what takes the listener away again */
export function onceSaved(task_id: string, listener: () => void): () => void {
  if (saved.has(task_id)) listener();
  else saves.once(task_id, listener);
  return () => saves.off(task_id, listener);
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
