import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { backoffMs } from '../shared/backoff.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { writeDeadLetter, type DeadLetter } from './dead-letters.ts';
import { DamagedEntry, type Journal, type JournalEntry, type JournalKey } from './journal.ts';
import { countDeadLetter } from './metrics.ts';
import { withProof } from './proof.ts';
import { POLL_MS, isLarge, rest, type BurstDetector, type LargeCallbacks, type WorkerPace } from './pace.ts';
import { EngineUnavailable, Undeliverable, engineAnswers, signalTask } from './signal.ts';

export interface DrainOptions {
  client: Client;
  journal: Journal;
  /** Folder of dead letters: callbacks that no task accepts. */
  deadLetters: string;
  /** Makes the callbacks' proofs. */
  secret: string;
  log: Logger;
  burst: BurstDetector;
  large: LargeCallbacks;
  pace: WorkerPace;
  /** Aborted when the webhook stops. */
  stopping: AbortSignal;
}

/**
 * How many entries may be in progress, the worker's part included. More of them are no faster on two cores, and each takes longer
 * (600 callbacks after kill -9: 15–17 s with 16, 16–19 s with 32).
 */
const MAX_IN_PROGRESS = 16;

/** How many entries are read from the journal per batch. */
const BATCH = 256;

/** How many callbacks of one task are signalled per round: a sender may repeat one a thousand times. */
const PER_TASK = 8;

/** How long the engine may take to accept a signal, in milliseconds. */
const SIGNAL_TIMEOUT_MS = 5_000;

/**
 * Backoff while no entry can be signalled, in milliseconds: doubled each time, up to `longest`. It is short, so that callbacks
 * are resumed soon after the engine is back.
 */
const BACKOFF_MS = { first: 100, longest: 2_000 };

/** How often an empty journal is checked, in milliseconds: another process may have died and left entries. */
const IDLE_MS = 5_000;

/** How long an entry is retried that fails although the engine answers, in milliseconds: a day, as for a late answer. */
const GIVE_UP_MS = 86_400_000;

/** A large callback in the journal, while another one is being processed. */
class NotItsTurn extends Error {
  override readonly name = 'NotItsTurn';
}

/** What one pass over the journal did. */
interface Round {
  done: number;
  left: number;
  /** Tasks whose remaining entries wait for the next round. */
  readonly waiting: Set<string>;
  /** How many entries of each task were tried. */
  readonly tried: Map<string, number>;
  isEngineGone: boolean;
}

/** Signals the journal's callbacks to their tasks, again and again until the webhook stops. */
export class JournalDrain {
  /** One slot for each entry that is being signalled, or processed by a worker. */
  private readonly slots = pLimit(MAX_IN_PROGRESS);
  /** Entries whose failure has been logged. */
  private readonly reported = new Set<string>();
  /** Entries that are known to be large: they may have 16 MiB, and are not read again to find out. */
  private readonly knownLarge = new Set<string>();
  /** Ends the wait of an empty journal. */
  private wakeUp = new AbortController();
  private readonly running: Promise<void>;

  constructor(private readonly options: DrainOptions) {
    this.running = this.run();
  }

  /** Ends the wait of an empty journal. */
  wake(): void {
    // A signal that is aborted again makes another error, with its stack.
    if (!this.wakeUp.signal.aborted) this.wakeUp.abort();
  }

  /** Resolves when nothing is in progress; `stopping` has to be aborted before. */
  async stopped(): Promise<void> {
    this.wake();
    await this.running;
    // A call to the engine must not outlive the connection.
    while (this.slots.activeCount > 0) await pause(POLL_MS);
  }

  private async run(): Promise<void> {
    const { log, stopping } = this.options;
    let retries = 0;
    while (!stopping.aborted) {
      this.wakeUp = new AbortController();
      let problem = 'callbacks wait in the journal: the engine does not accept them';
      const { done, left } = await this.round().catch((error: unknown) => {
        problem = (error as Error).message;
        return { done: 0, left: 1 };
      });
      if (done > 0) {
        retries = 0;
      } else if (left === 0) {
        retries = 0;
        await rest(IDLE_MS, this.wakeUp.signal);
      } else {
        // Logged once per outage.
        if (retries === 0) log.warn(problem);
        await rest(backoffMs(BACKOFF_MS, retries) * (0.5 + Math.random() / 2), stopping);
        retries += 1;
      }
    }
  }

  /** Tries every entry once, oldest first. If an entry of a task has to wait, the later ones of that task wait with it. */
  private async round(): Promise<Pick<Round, 'done' | 'left'>> {
    const { journal, stopping } = this.options;
    const round: Round = { done: 0, left: 0, waiting: new Set(), tried: new Map(), isEngineGone: false };
    for (const keys of journal.keys(BATCH)) {
      const drainTask = async (keysOfTask: JournalKey[]): Promise<void> => {
        for (const key of keysOfTask) await this.inSlot(key, round);
      };
      await Promise.all([...byTask(keys).values()].map(drainTask));
      if (round.isEngineGone || stopping.aborted) break;
    }
    return round;
  }

  /** Tries an entry in a slot, which it holds until the worker has processed it. Does not wait for the worker itself. */
  private async inSlot(key: JournalKey, round: Round): Promise<void> {
    const { burst, pace, stopping } = this.options;
    await new Promise<void>((resolve, reject) => {
      this.slots(async () => {
        while (burst.holdsJournal && !stopping.aborted) await pause(POLL_MS);
        const isSignalled = await this.tryEntry(key, round);
        resolve();
        const [, , , task_id] = key;
        if (isSignalled) await pace.untilProcessed(task_id);
      }).catch(reject);
    });
  }

  /** @returns whether the engine has it. */
  private async tryEntry(key: JournalKey, round: Round): Promise<boolean> {
    const [, , , task_id] = key;
    const tried = round.tried.get(task_id) ?? 0;
    if (round.waiting.has(task_id) || tried === PER_TASK || round.isEngineGone || this.options.stopping.aborted) {
      round.left += 1;
      return false;
    }
    round.tried.set(task_id, tried + 1);
    try {
      const isSignalled = await this.signalEntry(key);
      round.done += 1;
      return isSignalled;
    } catch (error) {
      round.waiting.add(task_id);
      // Not counted as left: the drain is woken when it is this entry's turn.
      if (error instanceof NotItsTurn) return false;
      round.left += 1;
      // The cause is either the engine or this callback.
      if (!(error instanceof EngineUnavailable)) this.reportOnce(key, error as Error);
      else if (!(await engineAnswers(this.options.client))) round.isEngineGone = true;
      return false;
    }
  }

  /** Signals one entry, or makes it a dead letter, then removes it. @returns whether the engine has it. @throws if it has to wait. */
  private async signalEntry(key: JournalKey): Promise<boolean> {
    const { large, journal } = this.options;
    if (!large.isIdle && this.knownLarge.has(String(key))) throw new NotItsTurn();
    const entry = await this.read(key);
    if (entry && isLarge(entry.callback)) {
      this.knownLarge.add(String(key));
      if (!large.isIdle) throw new NotItsTurn();
    }
    const isSignalled = entry !== undefined && (await this.signalOrBury(key, entry));
    await journal.remove(key);
    this.reported.delete(String(key));
    this.knownLarge.delete(String(key));
    return isSignalled;
  }

  /** @returns whether the engine has the callback; false if it is a dead letter. @throws if it has to wait. */
  private async signalOrBury(key: JournalKey, entry: JournalEntry): Promise<boolean> {
    const { client, secret, large, log } = this.options;
    const { task_id, callback } = entry;
    const signal = async () => await signalTask(client, withProof(callback, secret), SIGNAL_TIMEOUT_MS);
    try {
      const status = await (isLarge(callback) ? large.inTurn(callback.metadata.task_id, signal) : signal());
      log.info({ task_id, status, waited_ms: ageOf(entry) }, 'callback');
      return true;
    } catch (error) {
      const isFinal = error instanceof Undeliverable;
      if (!isFinal && (error instanceof EngineUnavailable || ageOf(entry) < GIVE_UP_MS)) throw error;
      const reason = isFinal ? error.reason : 'refused';
      await this.bury(key, { reason, message: (error as Error).message, ...entry });
      return false;
    }
  }

  /** @returns `undefined` if another process has removed the entry, or if it was damaged and is a dead letter now. */
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

  private async bury([received, process, count]: JournalKey, letter: DeadLetter): Promise<void> {
    const { deadLetters, log } = this.options;
    const { task_id, reason, message } = letter;
    countDeadLetter(reason);
    await writeDeadLetter(deadLetters, `${received}-${process}-${count}`, letter);
    log.error({ task_id, reason }, `a callback cannot be delivered and was written to ${deadLetters}: ${message}`);
  }

  /** Logs an entry's failure the first time it is tried. */
  private reportOnce(key: JournalKey, error: Error): void {
    if (this.reported.has(String(key))) return;
    this.reported.add(String(key));
    const [, , , task_id] = key;
    this.options.log.error(
      { task_id, err: error },
      `the callback of task ${task_id} cannot be delivered and is retried`,
    );
  }
}

/** Age of an entry, in milliseconds; never below 0, since the clock may have been set back. */
function ageOf({ received_at }: JournalEntry): number {
  return Math.max(0, Date.now() - Date.parse(received_at));
}

function byTask(keys: JournalKey[]): Map<string, JournalKey[]> {
  const tasks = new Map<string, JournalKey[]>();
  for (const key of keys) {
    const [, , , task_id] = key;
    const others = tasks.get(task_id);
    if (others) others.push(key);
    else tasks.set(task_id, [key]);
  }
  return tasks;
}
