import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MAX_CALLBACK_BYTES, type Callback } from '../shared/callback.ts';
import { JournalDrain, type DrainOptions } from './drain.ts';
import { JournalUnavailable } from './journal.ts';
import { BurstDetector, LargeCallbacks, WorkerPace, isLarge } from './pace.ts';
import { withProof } from './proof.ts';
import { Undeliverable, engineAnswers, signalTask, type Signalled } from './signal.ts';

export interface IngestOptions extends Pick<DrainOptions, 'client' | 'journal' | 'deadLetters' | 'secret' | 'log'> {
  /** How long one callback waits for a worker, in milliseconds. */
  paceMs?: number | undefined;
}

/** A callback, and when it arrived. */
type ReceivedCallback = Callback & { received_at: number };

/** Answer of the webhook's `/readyz`. */
export interface IngestStatus {
  /** Whether a callback would be accepted, also in a burst. */
  ready: boolean;
  /** Whether the engine answers. */
  engine: boolean;
  /** Size of the journal; absent if it cannot be read. `disk_full`: its disk has no room for a callback. `set_aside`: number of
   *  damaged journals beside it. */
  journal?: { entries: number; bytes: number; full?: true; disk_full?: true; set_aside?: number };
}

/** How many callbacks may be signalled concurrently while their senders wait; with more, all are journaled. */
const MAX_DIRECT = 16;

/** How long the engine may take to accept a signal while the sender waits, in milliseconds. */
const DIRECT_TIMEOUT_MS = 2_000;

/**
 * Accepts verified callbacks: signals the task directly if that is quick, else writes the callback to the journal. An accepted
 * callback reaches its task, also after a kill -9, or becomes a dead letter.
 */
export class Ingest {
  /** Number of callbacks that are being accepted. */
  private accepting = 0;
  private readonly stopping = new AbortController();
  private readonly burst = new BurstDetector();
  private readonly large: LargeCallbacks;
  private readonly drain: JournalDrain;

  constructor(private readonly options: IngestOptions) {
    const { client, paceMs } = options;
    // Every waiting callback listens to this signal.
    setMaxListeners(0, this.stopping.signal);
    const pace = new WorkerPace(client, this.stopping.signal, paceMs);
    this.large = new LargeCallbacks(pace, () => this.drain.wake());
    this.drain = new JournalDrain({
      ...options,
      burst: this.burst,
      large: this.large,
      pace,
      stopping: this.stopping.signal,
    });
  }

  /**
   * Accepts a callback.
   *
   * @param body its bytes, which the journal keeps
   * @returns `queued` if it is in the journal and will be signalled later.
   * @throws {Undeliverable} if no task will ever accept it.
   * @throws {@link JournalUnavailable} if it was not accepted and should be sent again.
   */
  async accept(callback: ReceivedCallback, body: Buffer): Promise<Signalled | 'queued'> {
    if (isLarge(callback)) return await this.acceptLarge(callback, body);
    // Callbacks one after the other are no burst, however fast.
    if (this.accepting > 0) this.burst.noteArrival();
    this.accepting += 1;
    try {
      return await this.signalOrKeep(callback, body);
    } finally {
      this.accepting -= 1;
    }
  }

  private async acceptLarge(callback: ReceivedCallback, body: Buffer): Promise<Signalled | 'queued'> {
    if (this.large.isFull) return await this.keep(callback, body);
    return await this.large.inTurn(callback.metadata.task_id, async () => await this.signalOrKeep(callback, body));
  }

  private async signalOrKeep(callback: ReceivedCallback, body: Buffer): Promise<Signalled | 'queued'> {
    // The others that have arrived by now are counted first: if it is a burst, a signal's task would take the processor from them.
    if (this.accepting > 1 && this.isDirect) await nextTurn();
    return (this.isDirect ? await this.signalNow(callback) : undefined) ?? (await this.keep(callback, body));
  }

  private get isDirect(): boolean {
    return this.accepting <= MAX_DIRECT && !this.burst.isBurst && this.isJournalEmpty();
  }

  /** @returns `undefined` if the callback should be journaled. */
  private async signalNow(callback: Callback): Promise<Signalled | undefined> {
    const { client, secret, log } = this.options;
    try {
      return await signalTask(client, withProof(callback, secret), DIRECT_TIMEOUT_MS);
    } catch (error) {
      if (error instanceof Undeliverable) throw error;
      const { task_id } = callback.metadata;
      log.warn({ task_id }, `${(error as Error).message}; the callback of task ${task_id} goes to the journal`);
      return undefined;
    }
  }

  private async keep({ metadata, received_at }: ReceivedCallback, body: Buffer): Promise<'queued'> {
    await this.options.journal.append(metadata.task_id, received_at, body);
    this.drain.wake();
    return 'queued';
  }

  private isJournalEmpty(): boolean {
    try {
      return this.options.journal.size.entries === 0;
    } catch {
      // An unreadable journal does not delay callbacks that the engine accepts.
      return true;
    }
  }

  async status(): Promise<IngestStatus> {
    const { client, journal } = this.options;
    const engine = await engineAnswers(client);
    try {
      // This check writes to the disk, so it is only made when the journal is needed.
      if (!engine) await journal.check();
      const { size, setAside } = journal;
      // This one does not write. An embedded engine shares the disk.
      const isDiskFull = (await journal.room()) < MAX_CALLBACK_BYTES;
      const marks = { ...(isDiskFull && { disk_full: true as const }), ...(setAside > 0 && { set_aside: setAside }) };
      return { ready: !isDiskFull, engine, journal: { ...size, ...marks } };
    } catch (error) {
      const isFull = error instanceof JournalUnavailable && error.isFull;
      return { ready: engine, engine, ...(isFull && { journal: { ...journal.size, full: true as const } }) };
    }
  }

  /** Finishes what is in progress and closes the journal. `accept` must not be called any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.drain.stopped();
    await this.options.journal.close();
  }
}
