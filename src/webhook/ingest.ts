import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { MAX_CALLBACK_BYTES, isErrorCallback, type Callback } from '../shared/callback.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { writeDeadLetter, type DeadLetter } from './dead-letters.ts';
import { deliver, engineAnswers, EngineUnavailable, Undeliverable, type Delivered } from './signal.ts';
import { countDeadLetter } from './metrics.ts';
import { DamagedEntry, JournalUnavailable, type Journal, type JournalEntry, type JournalKey } from './journal.ts';

export interface CourierOptions {
  client: Client;
  journal: Journal;
  /** Folder for callbacks that nothing will take. */
  deadLetters: string;
  log: Logger;
  /** How long a worker is waited for, in milliseconds; 1000 if not given. */
  paceMs?: number | undefined;
}

/** What the webhook's `/readyz` says. */
export interface CourierStatus {
  /** Whether a callback would be accepted, in a burst too. */
  ready: boolean;
  /** Whether the engine answers. */
  engine: boolean;
  /** What waits in the journal; absent where the journal cannot be read. `disk_full`: its disk has
   *  no room for a callback. `set_aside`: damaged ones that lie beside it. */
  journal?: { entries: number; bytes: number; full?: true; disk_full?: true; set_aside?: number };
}

/** How many callbacks may be accepted at once with the engine's word; where there are more, all go to the journal. */
const DIRECT_AT_ONCE = 16;

/**
 * More than so many callbacks within so many milliseconds are a burst, and it lasts until there were none of them for a
 * while. Accepting comes first then: all go to the journal, and what is there waits for at most so long, since engine and worker
 * would take the processor.
 */
const BURST = { callbacks: 4, withinMs: 20, lastsMs: 100, waitMs: 2_000 };

/**
 * How many callbacks from the journal may be under way at once, a worker's work included: no more than it works on (40 workflow
 * tasks, the SDK's default).
 */
const CARRIED_AT_ONCE = 32;

/**
 * A worker takes some 150 MB and two seconds for an answer of 16 MiB. Callbacks from this size on, in UTF-16 units of their texts, are
 * delivered one after the other: each waits until the worker has dealt with the one before, or for so long. Where more than so many
 * wait for that, the next ones go to the journal. Other callbacks do not wait for them.
 */
const LARGE = { length: 1024 * 1024, waitMs: 30_000, waiting: 16 };

/** How long no worker is waited for where one did not answer in time, in milliseconds. */
const UNPACED_MS = 10_000;

/** How soon it is looked whether a worker has dealt with a callback, in milliseconds: then after twice as long, and so on. */
const LOOK_MS = 20;

/** Activities that have the whole answer in hand; a wake may take days. */
const SAVING = new Set(['verifyCallback', 'persist']);

/** How many entries are looked at together. */
const GROUP = 256;

/** How many callbacks of one task are delivered before it is the others' turn: a sender may repeat one a thousand times. */
const A_TURN = 8;

/**
 * How long the engine may take, in milliseconds: while the sender waits, while only the journal does, and to tell whether
 * it is there at all. Who asks `/readyz` often waits for a second only.
 */
const ENGINE_TIMEOUT_MS = { direct: 2_000, journal: 5_000, sign: 500 };

/**
 * How long the journal rests while nothing can be delivered, in milliseconds: doubled each time, up to the last. That the
 * engine is back should not go unnoticed for long.
 */
const BACKOFF_MS = { first: 100, longest: 2_000 };

/** How often an empty journal is looked at, in milliseconds: another process may have died and left entries. */
const IDLE_MS = 5_000;

/** How long an entry is tried that fails although the engine answers, in milliseconds: a day, as for a late answer. */
const GIVE_UP_MS = 86_400_000;

/** A large callback in the journal, while another one is under way. */
class NotItsTurn extends Error {
  override readonly name = 'NotItsTurn';
}

/**
 * Takes verified callbacks to the engine: straight away while that is quick, else by way of the journal. What it has
 * accepted is delivered, also after a kill -9, or ends as a dead letter.
 */
export class Courier {
  /** How many callbacks are being accepted. */
  private accepting = 0;
  /** When the latest callbacks came, as many as make a burst. Times here are those of `performance.now()`. */
  private readonly arrivals: number[] = [];
  private burst = { since: 0, until: 0 };
  /** How many callbacks from the journal are being delivered, or worked on. */
  private underWay = 0;
  /** Until when nobody waits for the worker. */
  private unpacedUntil = 0;
  /** Entries whose trouble is in the log already. */
  private readonly told = new Set<string>();
  private readonly stopping = new AbortController();
  /** Ends the rest of an empty journal. */
  private wake = new AbortController();
  private readonly running: Promise<void>;
  /** Settles when the worker has dealt with the large callbacks so far. */
  private large: Promise<unknown> = Promise.resolve();
  /** How many large callbacks wait for their turn, or for the worker. */
  private largeWaiting = 0;
  /** Entries of the journal that hold a large callback. */
  private readonly knownLarge = new Set<string>();

  constructor(private readonly options: CourierOptions) {
    // Whatever waits listens to it.
    setMaxListeners(0, this.stopping.signal);
    this.running = this.drain();
  }

  /**
   * Accepts a callback.
   *
   * @returns `queued` where it is on the disk and will be delivered later.
   * @throws {Undeliverable} when nothing will ever take it.
   * @throws {@link JournalUnavailable} when it was not accepted and should be sent again.
   */
  async accept(callback: Callback): Promise<Delivered | 'queued'> {
    if (isLarge(callback)) return await this.acceptLarge(callback);
    this.noteArrival();
    this.accepting += 1;
    try {
      return (await this.deliverNow(callback)) ?? (await this.keep(callback));
    } finally {
      this.accepting -= 1;
    }
  }

  private async acceptLarge(callback: Callback): Promise<Delivered | 'queued'> {
    if (this.largeWaiting >= LARGE.waiting) return await this.keep(callback);
    return await this.inTurn(
      callback,
      async () => (await this.deliverNow(callback)) ?? (await this.keep(callback)),
      (status) => status === 'signalled',
    );
  }

  /**
   * @param isDelivered whether the worker has something to do now.
   * @returns what the work returns, before the worker has done its part.
   */
  private async inTurn<T>(
    { metadata: { task_id } }: Callback,
    work: () => Promise<T>,
    isDelivered: (result: T) => boolean,
  ): Promise<T> {
    this.largeWaiting += 1;
    const turn = this.large.then(work);
    this.large = turn
      .then(async (result) => isDelivered(result) && (await this.untilTaken(task_id, LARGE.waitMs)))
      .catch(() => {})
      .finally(() => {
        this.largeWaiting -= 1;
        // Those in the journal have their turn.
        this.wake.abort();
      });
    return await turn;
  }

  /** @returns nothing where the callback should go to the journal. */
  private async deliverNow(callback: Callback): Promise<Delivered | undefined> {
    const { client, log } = this.options;
    if (this.accepting > DIRECT_AT_ONCE || performance.now() < this.burst.until || !this.isJournalEmpty())
      return undefined;
    try {
      return await deliver(client, callback, ENGINE_TIMEOUT_MS.direct);
    } catch (error) {
      if (error instanceof Undeliverable) throw error;
      const { task_id } = callback.metadata;
      log.warn({ task_id }, `${(error as Error).message}; the callback of task ${task_id} goes to the journal`);
      return undefined;
    }
  }

  private async keep(callback: Callback): Promise<'queued'> {
    await this.options.journal.append(callback);
    this.wake.abort();
    return 'queued';
  }

  private noteArrival(): void {
    // One after the other is no burst, however fast.
    if (this.accepting === 0) return;
    const now = performance.now();
    const before = this.arrivals.length < BURST.callbacks ? 0 : (this.arrivals.shift() ?? 0);
    this.arrivals.push(now);
    if (now - before >= BURST.withinMs) return;
    this.burst = { since: now < this.burst.until ? this.burst.since : now, until: now + BURST.lastsMs };
  }

  async status(): Promise<CourierStatus> {
    const { client, journal } = this.options;
    const engine = await engineAnswers(client, ENGINE_TIMEOUT_MS.sign);
    try {
      // Proving that the disk takes it costs a write: only where the journal is what is left.
      if (!engine) await journal.check();
      const { size, setAside } = journal;
      // Asked of the system at every probe, since it costs no write. An embedded engine has the same disk.
      const isDiskFull = (await journal.room()) < MAX_CALLBACK_BYTES;
      const marks = { ...(isDiskFull && { disk_full: true as const }), ...(setAside > 0 && { set_aside: setAside }) };
      return { ready: !isDiskFull, engine, journal: { ...size, ...marks } };
    } catch (error) {
      const isFull = error instanceof JournalUnavailable && error.isFull;
      return { ready: engine, engine, ...(isFull && { journal: { ...journal.size, full: true as const } }) };
    }
  }

  /** Ends what is under way and closes the journal. Nothing may be given to `accept` any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.wake.abort();
    await this.running;
    // A question to the engine that is still open must not outlive the connection.
    while (this.underWay > 0) await pause(LOOK_MS);
    await this.options.journal.close();
  }

  private isJournalEmpty(): boolean {
    try {
      return this.options.journal.size.entries === 0;
    } catch {
      // One that cannot be read holds nobody up.
      return true;
    }
  }

  /** Works through the journal again and again until told to stop. */
  private async drain(): Promise<void> {
    const { log } = this.options;
    let backoff = BACKOFF_MS.first;
    while (!this.stopping.signal.aborted) {
      this.wake = new AbortController();
      let trouble = 'callbacks wait in the journal: the engine does not take them';
      const { done, left } = await this.round().catch((error: unknown) => {
        trouble = (error as Error).message;
        return { done: 0, left: 1 };
      });
      if (done > 0) {
        backoff = BACKOFF_MS.first;
      } else if (left === 0) {
        backoff = BACKOFF_MS.first;
        await rest(IDLE_MS, this.wake.signal);
      } else {
        // Once for each time of trouble.
        if (backoff === BACKOFF_MS.first) log.warn(trouble);
        await rest(backoff * (0.5 + Math.random() / 2), this.stopping.signal);
        backoff = Math.min(backoff * 2, BACKOFF_MS.longest);
      }
    }
  }

  /**
   * Tries every entry once, the oldest first. The callbacks of one task take turns: where one has to wait, or there were many,
   * the later ones wait with it, and nobody else does.
   */
  private async round(): Promise<{ done: number; left: number }> {
    const { client, journal } = this.options;
    const count = { done: 0, left: 0 };
    const waiting = new Set<string>();
    const turns = new Map<string, number>();
    let isEngineGone = false;

    const carry = async (key: JournalKey): Promise<void> => {
      const task_id = key[3];
      const turn = turns.get(task_id) ?? 0;
      if (waiting.has(task_id) || turn === A_TURN || isEngineGone || this.stopping.signal.aborted) {
        count.left += 1;
        return;
      }
      turns.set(task_id, turn + 1);
      try {
        await this.carry(key);
        count.done += 1;
      } catch (error) {
        waiting.add(task_id);
        // The drain is woken when it is its turn.
        if (error instanceof NotItsTurn) return;
        count.left += 1;
        // Is it the engine, or this callback?
        if (!(error instanceof EngineUnavailable)) this.tell(key, error as Error);
        else if (!(await engineAnswers(client, ENGINE_TIMEOUT_MS.sign))) isEngineGone = true;
      }
    };
    for (const keys of journal.keys(GROUP)) {
      const tasks = byTask(keys).values();
      const carryTasks = async (): Promise<void> => {
        for (let task = tasks.next(); !task.done; task = tasks.next()) {
          for (const key of task.value) await carry(key);
        }
      };
      await Promise.all(Array.from({ length: CARRIED_AT_ONCE }, carryTasks));
      if (isEngineGone || this.stopping.signal.aborted) break;
    }
    return count;
  }

  /** Deals with one entry when there is room for it; what a worker has to do then is not waited for. @throws when it has to wait. */
  private async carry(key: JournalKey): Promise<void> {
    await this.untilThereIsRoom();
    this.underWay += 1;
    let working: Promise<void> | undefined;
    try {
      if (await this.deliverEntry(key)) working = this.untilTaken(key[3]);
    } finally {
      void Promise.resolve(working).finally(() => (this.underWay -= 1));
    }
  }

  private async untilThereIsRoom(): Promise<void> {
    while (this.mustWait() && !this.stopping.signal.aborted) await pause(LOOK_MS);
  }

  private mustWait(): boolean {
    const { since, until } = this.burst;
    return this.underWay >= CARRIED_AT_ONCE || performance.now() < Math.min(until, since + BURST.waitMs);
  }

  /** Delivers one entry, or makes it a dead letter, then removes it. @returns whether the engine has it. @throws when it has to wait. */
  private async deliverEntry(key: JournalKey): Promise<boolean> {
    const { client, journal, log } = this.options;
    // Not read again and again: it may be 16 MiB.
    if (this.largeWaiting > 0 && this.knownLarge.has(String(key))) throw new NotItsTurn();
    const entry = await this.read(key);
    if (entry && isLarge(entry.callback)) {
      this.knownLarge.add(String(key));
      if (this.largeWaiting > 0) throw new NotItsTurn();
    }
    let isDelivered = false;
    if (entry) {
      const { task_id } = entry;
      try {
        const work = async (): Promise<Delivered> => await deliver(client, entry.callback, ENGINE_TIMEOUT_MS.journal);
        const status = await (isLarge(entry.callback)
          ? this.inTurn(entry.callback, work, (result) => result === 'signalled')
          : work());
        isDelivered = true;
        log.info({ task_id, status, waited_ms: ageOf(entry) }, 'callback');
      } catch (error) {
        await this.giveUp(key, entry, error as Error);
      }
    }
    await journal.remove(key);
    this.told.delete(String(key));
    this.knownLarge.delete(String(key));
    return isDelivered;
  }

  /** @returns the entry; nothing where there is none any more, or where it was damaged and is a dead letter now. */
  private async read(key: JournalKey): Promise<JournalEntry | undefined> {
    try {
      return this.options.journal.read(key);
    } catch (error) {
      if (!(error instanceof DamagedEntry)) throw error;
      const [received, , , task_id] = key;
      await this.bury(key, {
        task_id: TASK_ID.test(task_id) ? task_id : 'unknown',
        reason: 'damaged',
        message: error.message,
        received_at: new Date(received).toISOString(),
        damaged: error.bytes.toString(),
      });
      return undefined;
    }
  }

  /**
   * Waits until the worker has dealt with a callback: until the task has no workflow task to be done. The engine takes
   * callbacks several times as fast as a worker does, and one that lies there for over 2 s (temporal-worker.ts) costs the
   * worker a replay. Where there is no worker, or it is too slow, the engine keeps what comes.
   *
   * The task itself is not asked: it may have ended by then, and a query would have it replayed.
   */
  private async untilTaken(task_id: string, waitMs = this.options.paceMs ?? 1_000): Promise<void> {
    const { connection, workflowService, options } = this.options.client;
    const giveUpAt = performance.now() + waitMs;
    if (waitMs < LARGE.waitMs && performance.now() < this.unpacedUntil) return;
    const request = { namespace: options.namespace, execution: { workflowId: task_id } };
    try {
      for (let wait = LOOK_MS; performance.now() + wait < giveUpAt; wait *= 2) {
        await rest(wait, this.stopping.signal);
        if (this.stopping.signal.aborted) return;
        const task = await connection.withDeadline(
          Date.now() + giveUpAt - performance.now(),
          async () => await workflowService.describeWorkflowExecution(request),
        );
        const isSaving = task.pendingActivities?.some(({ activityType }) => SAVING.has(activityType?.name ?? ''));
        if (!task.pendingWorkflowTask && !isSaving) return;
      }
    } catch {
      // Whatever keeps the engine from saying so: it is not waited for.
    }
    this.unpacedUntil = performance.now() + UNPACED_MS;
  }

  /** Makes a dead letter of what nothing will take. @throws the error itself where there is still hope. */
  private async giveUp(key: JournalKey, entry: JournalEntry, error: Error): Promise<void> {
    const isHopeless = error instanceof Undeliverable;
    if (!isHopeless && (error instanceof EngineUnavailable || ageOf(entry) < GIVE_UP_MS)) throw error;
    const reason = isHopeless ? error.reason : 'refused';
    await this.bury(key, { reason, message: error.message, ...entry });
  }

  private async bury([received, process, count]: JournalKey, letter: DeadLetter): Promise<void> {
    const { deadLetters, log } = this.options;
    const { task_id, reason, message } = letter;
    countDeadLetter(reason);
    await writeDeadLetter(deadLetters, `${received}-${process}-${count}`, letter);
    log.error({ task_id, reason }, `a callback cannot be delivered and lies in ${deadLetters}: ${message}`);
  }

  /** Says once what is wrong with an entry that is tried again and again. */
  private tell(key: JournalKey, error: Error): void {
    if (this.told.has(String(key))) return;
    this.told.add(String(key));
    const [, , , task_id] = key;
    this.options.log.error(
      { task_id, err: error },
      `the callback of task ${task_id} cannot be delivered and is tried again`,
    );
  }
}

/** Rests for so many milliseconds, or until the signal. */
async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal, ref: false }).catch(() => {});
}

/** How long ago an entry came, in milliseconds; never below 0, since the clock may have been set back. */
function ageOf({ received_at }: JournalEntry): number {
  return Math.max(0, Date.now() - Date.parse(received_at));
}

function byTask(keys: JournalKey[]): Map<string, JournalKey[]> {
  const tasks = new Map<string, JournalKey[]>();
  for (const key of keys) {
    const task_id = key[3];
    const others = tasks.get(task_id);
    if (others) others.push(key);
    else tasks.set(task_id, [key]);
  }
  return tasks;
}

function isLarge(callback: Callback): boolean {
  const texts = isErrorCallback(callback)
    ? [callback.partial, callback.partial_reasoning]
    : callback.choices.flatMap(({ message }) => [message.content, message.reasoning_content]);
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0) >= LARGE.length;
}
