/**
 * Group commit for the embedded engine (docs/decisions/0027-group-commit.md). Its database does not sync each transaction: its log is synced here,
 * before a caller learns of a change, and before an activity acts on one. Another engine syncs by itself.
 */
import { closeSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Connection } from '@temporalio/client';
import { codeOf } from '../shared/system-error.ts';

/** The engine's write-ahead log; `undefined` if no engine is embedded. */
let log: string | undefined;

/** The sync in progress. */
let running: Promise<void> | undefined;

/** The sync that starts when `running` ends. Callers that arrive during `running` share it, since `running` may miss what they wait for. */
let next: Promise<void> | undefined;

/** Makes {@link committed} sync the log of an embedded engine. @param database file of its database, on this machine */
export function useLogOf(database: string): void {
  log = `${database}-wal`;
}

/** @returns once all that the engine has committed is on the disk. @throws the error of the file system */
export async function committed(): Promise<void> {
  const file = log;
  if (file === undefined) return;
  next ??= following(file);
  await next;
}

async function following(file: string): Promise<void> {
  await running?.catch(() => {});
  running = next;
  next = undefined;
  await sync(file);
}

async function sync(file: string): Promise<void> {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    // The engine removes its log when it has synced the database itself.
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    await promisify(fdatasync)(fd);
  } finally {
    closeSync(fd);
  }
}

/** Requests that change nothing, and what is no request. */
const UNCHANGED = /^(?:get|list|describe|count|query|poll|scan|rpcImpl|_)/;

/**
 * Lets every request of a connection that may change something return only when the change is on the disk. One that fails may tell of a change, too:
 * that a task was started before, say.
 */
export function returnCommitted({ workflowService }: Pick<Connection, 'workflowService'>): void {
  if (log === undefined) return;
  for (const [name, send] of Object.entries(workflowService) as [string, unknown][]) {
    if (typeof send !== 'function' || UNCHANGED.test(name)) continue;
    const sendAndSync = async (...args: unknown[]): Promise<unknown> => {
      try {
        return (await send.apply(workflowService, args)) as unknown;
      } finally {
        await committed();
      }
    };
    Object.assign(workflowService, { [name]: sendAndSync });
  }
}
