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

/** The sync in progress, and the one that follows it for everyone who came since it began. */
let running: Promise<void> | undefined;
let next: Promise<void> | undefined;

/** @param database file of the embedded engine's database, on this machine */
export function syncEngine(database: string): void {
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

/** Lets every request of a connection that changes something return only when the change is on the disk. */
export function returnCommitted({ workflowService }: Pick<Connection, 'workflowService'>): void {
  if (log === undefined) return;
  for (const [name, send] of Object.entries(workflowService) as [string, unknown][]) {
    if (typeof send !== 'function' || UNCHANGED.test(name)) continue;
    const sendAndSync = async (...args: unknown[]): Promise<unknown> => {
      const response: unknown = await send.apply(workflowService, args);
      await committed();
      return response;
    };
    Object.assign(workflowService, { [name]: sendAndSync });
  }
}
