/**
 * Reads a journal in a separate process: LMDB maps its file into memory, and a damaged file crashes the process that reads it. `node dist/journal-check.js FOLDER [INTO [backward]]`
 *
 * Without INTO it reads everything and writes once, which also reads the list of free pages. With INTO it copies each entry
 * there, from the last one with `backward`, and prints how many were new.
 */
import { open, type RootDatabase } from 'lmdb';
import { CHECK } from './journal-repair.ts';

const OPTIONS = { encoding: 'binary', noSubdir: false, overlappingSync: false, eventTurnBatching: false } as const;

/** How many entries are copied in one transaction. */
const TOGETHER = 16;

/** LMDB's code for a transaction that it has given up. */
const MDB_BAD_TXN = -30_782;

const [folder = '', into, direction] = process.argv.slice(2);
try {
  if (into === undefined) await check(open<Buffer>(folder, OPTIONS));
  else await copy(open<Buffer>(folder, { ...OPTIONS, readOnly: true }), open<Buffer>(into, OPTIONS));
} catch (error) {
  const reason = await reasonOf(error);
  console.error(String(reason));
  process.exitCode = isSystemError(reason) ? CHECK.unknown : CHECK.damaged;
}
// The native part must not keep the process alive.
process.exit();

async function check(store: RootDatabase<Buffer>): Promise<void> {
  const { entryCount } = store.getStats() as { entryCount: number };
  const count = readable(store, entryCount);
  if (count !== entryCount) throw new Error(`${count} of ${entryCount} entries can be read`);
  const probe = [0, 'check', process.pid];
  await store.put(probe, Buffer.alloc(0));
  await store.remove(probe);
}

/** @returns the number of entries that can be read; more than `entryCount` if damaged pages form a cycle. */
function readable(store: RootDatabase<Buffer>, entryCount: number): number {
  let count = 0;
  try {
    for (const { value } of store.getRange()) {
      count += 1;
      if (value === undefined || count > entryCount) break;
    }
  } catch (error) {
    // After a failed write this code may stand for a full disk. Reading needs no disk: here an entry is damaged.
    if (codeIn(error) === MDB_BAD_TXN) throw new Error('an entry cannot be read', { cause: error });
    throw error;
  }
  return count;
}

async function copy(from: RootDatabase<Buffer>, to: RootDatabase<Buffer>): Promise<void> {
  let writes: Promise<boolean>[] = [];
  let copied = 0;
  let seen = 0;
  const flush = async (): Promise<void> => {
    await Promise.all(writes);
    copied += writes.length;
    process.stdout.write(`${copied}\n`);
    writes = [];
  };
  const { entryCount } = from.getStats() as { entryCount: number };
  for (const { key, value } of from.getRange({ reverse: direction === 'backward' })) {
    seen += 1;
    if (seen > entryCount) break;
    if (to.doesExist(key)) continue;
    writes.push(to.put(key, value));
    if (writes.length === TOGETHER) await flush();
  }
  await flush();
}

/** LMDB reports the reason of a failed write in a second promise. */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<never> };
  try {
    return (await commitError) ?? error;
  } catch (reason) {
    return reason;
  }
}

function codeIn(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

/** LMDB's errors for a damaged file are -30797 to -30793; positive numbers are the system's, e.g. for a full disk. */
function isSystemError(error: unknown): boolean {
  const code = codeIn(error);
  return typeof code === 'number' && !(code >= -30_797 && code <= -30_793);
}
