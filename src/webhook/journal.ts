import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { open, type RootDatabase } from 'lmdb';
import { pino, type Logger } from 'pino';
import type { Callback } from '../shared/callback.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { countSetAside, repairJournal } from './journal-repair.ts';
import { freeBytes, syncFolderSync } from '../service/files.ts';

/** What `stat` counts a file's blocks in, whatever its disk has. */
const BLOCK_BYTES = 512;

/** A callback that waits for the engine. */
export interface JournalEntry {
  task_id: string;
  /** When the webhook accepted it. ISO 8601, UTC. */
  received_at: string;
  callback: Callback;
}

/** Where an entry stands: when it came in milliseconds, which process took it, that process's count, its task. */
export type JournalKey = [received: number, process: string, count: number, task_id: string];

/** The journal is full, or its disk does not take what is written. */
export class JournalUnavailable extends Error {
  override readonly name = 'JournalUnavailable';
  /** Whether it is the journal's own bound that was reached, and not the disk. */
  readonly isFull: boolean;

  constructor(message: string, { isFull = false, ...options }: ErrorOptions & { isFull?: boolean } = {}) {
    super(message, options);
    this.isFull = isFull;
  }
}

/** An entry that holds no callback: its bytes are not those that were written. */
export class DamagedEntry extends Error {
  override readonly name = 'DamagedEntry';

  constructor(readonly bytes: Buffer) {
    super('the journal’s entry is damaged: it holds no callback');
  }
}

/**
 * Callbacks that were accepted and not delivered yet, on the webhook's own disk: an LMDB store in a folder of its own.
 * Several processes may share a folder; each sees the entries of all.
 */
export class Journal {
  private store: RootDatabase<Buffer, JournalKey> | undefined;
  private readonly process = randomBytes(6).toString('hex');
  private count = 0;
  /** The newest time given to an entry, or the next one after what was found: a clock that is set back must not change the order. */
  private newest = 0;
  /** What is being written: neither in the store nor refused yet. */
  private readonly pending = { entries: 0, bytes: 0 };

  /** A damaged store is found when it is opened for the first time. */
  private isChecked = false;

  /** @param maxBytes how much the entries may take together; the file keeps the size it once had. */
  constructor(
    readonly folder: string,
    readonly maxBytes: number,
    private readonly log: Logger = pino({ level: 'silent' }),
  ) {}

  /** How many entries there are, and the bytes they take. */
  get size(): { entries: number; bytes: number } {
    const { entryCount, pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } =
      this.opened().getStats() as StoreStats;
    const pages = treeBranchPageCount + treeLeafPageCount + overflowPages;
    return { entries: entryCount + this.pending.entries, bytes: pages * pageSize + this.pending.bytes };
  }

  /** How much it can still grow: what is free on its disk, and free pages of its file. Bytes. */
  async room(): Promise<number> {
    const [free, { blocks }] = await Promise.all([freeBytes(this.folder), stat(join(this.folder, 'data.mdb'))]);
    return free + Math.max(0, blocks * BLOCK_BYTES - this.size.bytes);
  }

  /** How many damaged journals were set aside and not removed since. */
  get setAside(): number {
    return countSetAside(this.folder);
  }

  /** When the oldest entry came, in milliseconds since 1970; `undefined` where there is none. */
  get oldest(): number | undefined {
    for (const [received] of this.opened().getKeys({ limit: 1 })) return received;
    return undefined;
  }

  /**
   * Keeps a callback. It is on the disk when this returns; what many ask for at once is synced together.
   *
   * @throws {JournalUnavailable}
   */
  async append(callback: Callback): Promise<void> {
    const { task_id } = callback.metadata;
    const entry: JournalEntry = { task_id, received_at: new Date().toISOString(), callback };
    const value = Buffer.from(JSON.stringify(entry));
    const store = this.opened();
    if (this.size.bytes + value.length > this.maxBytes) {
      throw new JournalUnavailable(
        `the journal ${this.folder} is full (KIMI_JOURNAL_MAX_BYTES=${this.maxBytes}): the callback of task ${task_id} was not kept`,
      );
    }
    this.newest = Math.max(this.newest, Date.now());
    this.pending.entries += 1;
    this.pending.bytes += value.length;
    try {
      this.count += 1;
      await written(store.put([this.newest, this.process, this.count, task_id], value));
    } catch (error) {
      throw this.unavailable(error);
    } finally {
      this.pending.entries -= 1;
      this.pending.bytes -= value.length;
    }
  }

  /** Where the entries stand, oldest first, in groups of at most `count`; those that come meanwhile are included. */
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
   * @returns an entry, or `undefined` where another process has delivered it.
   * @throws {DamagedEntry}
   */
  read(key: JournalKey): JournalEntry | undefined {
    const value = this.opened().get(key);
    if (!value) return undefined;
    const entry = asEntry(value);
    if (!entry) throw new DamagedEntry(value);
    return entry;
  }

  /** Removes an entry. It is gone from the disk when this returns. */
  async remove(key: JournalKey): Promise<void> {
    try {
      await written(this.opened().remove(key));
    } catch (error) {
      throw this.unavailable(error);
    }
  }

  /**
   * Proves that there is room and that the disk takes what is written.
   *
   * @throws {JournalUnavailable}
   */
  async check(): Promise<void> {
    const store = this.opened();
    if (this.size.bytes >= this.maxBytes)
      throw new JournalUnavailable(`the journal ${this.folder} is full`, { isFull: true });
    const probe: JournalKey = [0, this.process, 0, 'probe'];
    try {
      // Written and removed in one transaction: nobody sees it, and nothing of it is left.
      await written(
        store.batch(() => {
          void store.put(probe, Buffer.alloc(0));
          void store.remove(probe);
        }),
      );
    } catch (error) {
      throw this.unavailable(error);
    }
  }

  async close(): Promise<void> {
    await this.store?.close();
    this.store = undefined;
  }

  /** Opened when it is needed: a disk that is full or not there yet may be so no more. */
  private opened(): RootDatabase<Buffer, JournalKey> {
    if (this.store) return this.store;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      if (!this.isChecked) this.repair();
      const store = open<Buffer, JournalKey>(this.folder, {
        encoding: 'binary',
        // Otherwise a folder with a dot in its name is taken for a file.
        noSubdir: false,
        // A write is done when it is on the disk; otherwise it would be done before, and a sync that fails goes unnoticed.
        overlappingSync: false,
        // Otherwise a write that fails leaves a rejected promise behind that nobody can catch.
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
        `the journal was damaged and lies in ${folder} now; ${copied} of its callbacks could be read and are delivered, others may be lost: ask the provider to send them again, then remove the folder`,
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

function asEntry(value: Buffer): JournalEntry | undefined {
  try {
    const entry = JSON.parse(value.toString()) as JournalEntry | null;
    const isEntry = entry && TASK_ID.test(entry.task_id) && entry.callback.metadata.task_id === entry.task_id;
    return isEntry && Date.parse(entry.received_at) > 0 ? entry : undefined;
  } catch {
    return undefined;
  }
}

interface StoreStats {
  pageSize: number;
  entryCount: number;
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

/** How long the reason of a failed write may take to follow, in milliseconds: it comes at once. */
const REASON_MS = 100;

/** A failed write rejects a second promise that hangs on its error, with the reason. */
async function written(write: Promise<boolean>): Promise<void> {
  try {
    await write;
  } catch (error) {
    const { commitError } = error as { commitError?: Promise<never> };
    throw await Promise.race([commitError?.catch((reason: unknown) => reason), pause(REASON_MS, error)]);
  }
}
