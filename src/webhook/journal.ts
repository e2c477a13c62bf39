import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { open, type RootDatabase } from 'lmdb';
import { pino, type Logger } from 'pino';
import { parseCallback } from '../kimi/answer.ts';
import type { Callback } from '../shared/callback.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { parseJson } from './body.ts';
import { countSetAside, repairJournal } from './journal-repair.ts';
import { freeBytes, syncFolderSync } from '../service/files.ts';

/** Unit of `stat`'s `blocks`, on every disk. */
const BLOCK_BYTES = 512;

/** A callback that is waiting for the engine. */
export interface JournalEntry {
  task_id: string;
  /** When the webhook received it. ISO 8601, UTC. */
  received_at: string;
  callback: Callback;
}

/** Number of entries, and what they take on the disk. */
interface Size {
  entries: number;
  bytes: number;
}

/** Key of an entry: time of arrival in milliseconds, process that accepted it, number within that process, task. */
export type JournalKey = [received: number, process: string, count: number, task_id: string];

/** The journal is full, or its disk cannot be written to. */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable';
  /** Whether the journal's own limit was reached, not the disk's. */
  readonly isFull: boolean;

  constructor(message: string, { isFull = false, ...options }: ErrorOptions & { isFull?: boolean } = {}) {
    super(message, options);
    this.isFull = isFull;
  }
}

/** An entry that holds no callback: its bytes were corrupted. */
export class DamagedEntry extends Error {
  override readonly name = 'DamagedEntry';

  constructor(readonly bytes: Buffer) {
    super('the journal’s entry is damaged: it holds no callback');
  }
}

/**
 * Callbacks that were accepted and not delivered yet, on the webhook's disk: an LMDB store in its own folder. An entry's value is
 * the callback's body as it was received: in a flood nothing is made of it that the answer does not need.
 * Several processes may share a folder; each sees all entries.
 */
export class Journal {
  private store: RootDatabase<Buffer, JournalKey> | undefined;
  private readonly process = randomBytes(6).toString('hex');
  private count = 0;
  /** Latest time used in a key: a clock that is set back must not change the order. */
  private newest = 0;
  /** What is in the store, counted since the last of our writes. */
  private stored: Size | undefined;
  /** Entries that are being written. */
  private readonly pending: Size = { entries: 0, bytes: 0 };

  /** A store is checked for damage when it is opened for the first time. */
  private isChecked = false;

  /** @param maxBytes limit of all entries together; the file does not shrink. */
  constructor(
    readonly folder: string,
    readonly maxBytes: number,
    private readonly log: Logger = pino({ level: 'silent' }),
  ) {}

  /** Number of entries, and their bytes. */
  get size(): Size {
    // While one of ours is being written, what the store has counted is not asked for again: it also counts its free pages.
    this.stored = (this.pending.entries > 0 && this.stored) || measure(this.opened());
    const { entries, bytes } = this.stored;
    return { entries: entries + this.pending.entries, bytes: bytes + this.pending.bytes };
  }

  /** Room for more entries, in bytes: what is free on the disk, and free pages of the file. */
  async room(): Promise<number> {
    const [free, { blocks }] = await Promise.all([freeBytes(this.folder), stat(join(this.folder, 'data.mdb'))]);
    return free + Math.max(0, blocks * BLOCK_BYTES - this.size.bytes);
  }

  /** Number of damaged journals that were set aside and not removed since. */
  get setAside(): number {
    return countSetAside(this.folder);
  }

  /** Arrival of the oldest entry, in milliseconds since 1970; `undefined` if the journal is empty. */
  get oldest(): number | undefined {
    for (const [received] of this.opened().getKeys({ limit: 1 })) return received;
    return undefined;
  }

  /**
   * Stores a callback. It is on the disk when this returns; concurrent writes are synced together.
   *
   * @throws {JournalUnavailable}
   */
  async append(task_id: string, received_at: number, body: Buffer): Promise<void> {
    const store = this.opened();
    if (this.size.bytes + body.length > this.maxBytes) {
      throw new JournalUnavailable(
        `the journal ${this.folder} is full (KIMI_JOURNAL_MAX_BYTES=${this.maxBytes}): the callback of task ${task_id} was not stored`,
      );
    }
    this.newest = Math.max(this.newest, received_at);
    this.pending.entries += 1;
    this.pending.bytes += body.length;
    try {
      this.count += 1;
      await store.put([this.newest, this.process, this.count, task_id], body);
    } catch (error) {
      throw this.unavailable(await reasonOf(error));
    } finally {
      this.stored = undefined;
      this.pending.entries -= 1;
      this.pending.bytes -= body.length;
    }
  }

  /** Keys of all entries, oldest first, in groups of at most `count`; entries added meanwhile are included. */
  *keys(count: number): Generator<JournalKey[]> {
    let last: JournalKey | undefined;
    for (;;) {
      const keys = Array.from(
        this.opened().getKeys({ limit: count, ...(last && { start: last, exclusiveStart: true }) }),
      );
      if (keys.length === 0) return;
      yield keys;
      last = keys.at(-1);
    }
  }

  /**
   * @returns an entry, or `undefined` if another process has removed it.
   * @throws {DamagedEntry}
   */
  read(key: JournalKey): JournalEntry | undefined {
    const value = this.opened().get(key);
    if (!value) return undefined;
    const entry = asEntry(key, value);
    if (!entry) throw new DamagedEntry(value);
    return entry;
  }

  /** Removes an entry from the disk. */
  async remove(key: JournalKey): Promise<void> {
    try {
      await this.opened().remove(key);
    } catch (error) {
      throw this.unavailable(await reasonOf(error));
    }
  }

  /**
   * Checks that there is room and that the disk can be written to.
   *
   * @throws {JournalUnavailable}
   */
  async check(): Promise<void> {
    const store = this.opened();
    if (this.size.bytes >= this.maxBytes)
      throw new JournalUnavailable(`the journal ${this.folder} is full`, { isFull: true });
    const probe: JournalKey = [0, this.process, 0, 'probe'];
    try {
      // Written and removed in one transaction: no other process sees it.
      await store.batch(() => {
        void store.put(probe, Buffer.alloc(0));
        void store.remove(probe);
      });
    } catch (error) {
      throw this.unavailable(await reasonOf(error));
    }
  }

  async close(): Promise<void> {
    await this.store?.close();
    this.store = undefined;
  }

  /** Opened on first use, and retried: a disk may have been full or not mounted yet. */
  private opened(): RootDatabase<Buffer, JournalKey> {
    if (this.store) return this.store;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      if (!this.isChecked) this.repair();
      const store = open<Buffer, JournalKey>(this.folder, {
        encoding: 'binary',
        // By default a folder with a dot in its name is treated as a file.
        noSubdir: false,
        // A write resolves when it is on the disk; by default it resolves before, and a failed sync goes unnoticed.
        overlappingSync: false,
        // By default a failed write leaves a rejected promise that cannot be caught.
        eventTurnBatching: false,
      });
      for (const folder of [this.folder, dirname(this.folder)]) syncFolderSync(folder);
      for (const [received] of store.getKeys({ reverse: true, limit: 1 })) this.newest = received + 1;
      this.store = store;
      return store;
    } catch (error) {
      throw this.unavailable(error);
    }
  }

  private repair(): void {
    for (const { folder, copied } of repairJournal(this.folder)) {
      this.log.error(
        { folder, copied },
        `the journal was damaged and has been moved to ${folder}; ${copied} of its callbacks could be read and are delivered, others may be lost: ask the provider to send them again, then remove the folder`,
      );
    }
    this.isChecked = true;
  }

  private unavailable(cause: unknown): JournalUnavailable {
    if (cause instanceof JournalUnavailable) return cause;
    return new JournalUnavailable(
      `the journal ${this.folder} cannot be written to (${(cause as Error).message}); free its disk, or choose another folder with KIMI_JOURNAL_DIR`,
      { cause },
    );
  }
}

function asEntry([received, , , task_id]: JournalKey, body: Buffer): JournalEntry | undefined {
  try {
    const callback = { ...parseCallback(parseJson(body)), received_at: received };
    const isEntry = TASK_ID.test(task_id) && callback.metadata.task_id === task_id;
    return isEntry ? { task_id, received_at: new Date(received).toISOString(), callback } : undefined;
  } catch {
    return undefined;
  }
}

function measure(store: RootDatabase<Buffer, JournalKey>): Size {
  const { entryCount, pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } =
    store.getStats() as StoreStats;
  return { entries: entryCount, bytes: (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize };
}

interface StoreStats {
  pageSize: number;
  entryCount: number;
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

/** How long to wait for the reason of a failed write, in milliseconds; it follows immediately. */
const REASON_MS = 100;

/** LMDB reports the reason of a failed write in a second promise, a property of the error. */
async function reasonOf(failure: unknown): Promise<unknown> {
  const { commitError } = failure as { commitError?: Promise<never> };
  return await Promise.race([commitError?.catch((reason: unknown) => reason), pause(REASON_MS, failure)]);
}
