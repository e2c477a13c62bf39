/** Events of tasks, for any number of readers: one watcher polls a task for all of them. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { StreamProgress } from '../shared/relay.ts';
import { Problem } from '../tasks/problem.ts';
import type { Standing, Tasks } from '../tasks/tasks.ts';
import { isOver } from '../tasks/view.ts';
import { onceSaved } from '../tasks/worker-here.ts';

/**
 * `state`: the task, whenever its state, step, position in the queue or rows change. `progress`: how far its answer is. `end`: the task with
 * its outcome; nothing follows.
 */
export interface TaskEvent {
  name: 'state' | 'progress' | 'end';
  /** `<number>-<digest>`. The digest, of name and data, recognizes the event after a restart. */
  id: string;
  number: number;
  /** JSON. */
  data: string;
}

/** Receives events, in order. */
export interface EventReader {
  take(events: readonly TaskEvent[]): void;
  /** Nothing follows. */
  end(): void;
}

/**
 * Interval at which a task is polled, in milliseconds: after a change, and the longest without one. The engine reports
 * no changes to its clients. A result that the worker of this process saves is not waited for so long.
 */
const LOOK_MS = { quick: 500, slow: 2_000 };

/** Tasks that are polled at the same time: many may be watched. */
const LOOKS = 10;

/** Events that are kept for a reader that reconnects. */
const KEPT = 200;

/** How long a task is watched without a reader, in milliseconds. */
const LINGER_MS = 30_000;

export class TaskEvents {
  private readonly watchers = new Map<string, Watcher>();
  private readonly few = pLimit(LOOKS);

  constructor(private readonly open: () => Promise<Pick<Tasks, 'find'>>) {}

  /**
   * Reports the events after a given one; without one, the present state and the events after it. A reader whose event is no longer kept
   * gets the present state, unless it has it.
   *
   * @param now the task, as the reader was just shown it
   * @param after id of the last event that the reader has
   * @returns what stops the reports; `undefined` if the reader has the end
   */
  follow(now: Standing, after: string | undefined, reader: EventReader): (() => void) | undefined {
    const { task_id } = now;
    let watcher = this.watchers.get(task_id);
    if (!watcher) {
      watcher = new Watcher(now, async () => await this.few(async () => await (await this.open()).find(task_id)));
      this.watchers.set(task_id, watcher);
      void watcher.done.then(() => this.watchers.delete(task_id));
    }
    return watcher.add(reader, after);
  }

  /** Yields a task whenever it has changed, until it has ended or all readers are ended. @param signal ends the events with an error */
  async *changes(now: Standing, signal: AbortSignal): AsyncGenerator<Standing, void> {
    const queue = new Readable({ objectMode: true, read() {}, signal });
    const take = (events: readonly TaskEvent[]): void => events.forEach((event) => void queue.push(event));
    const leave = this.follow(now, undefined, { take, end: () => void queue.push(null) });
    let task = now;
    try {
      for await (const { name, data } of queue as AsyncIterable<TaskEvent>) {
        const content: unknown = JSON.parse(data);
        task = name === 'progress' ? { ...task, progress: content as StreamProgress } : (content as Standing);
        yield task;
      }
    } finally {
      leave?.();
    }
  }

  /** Ends all readers. */
  stop(): void {
    for (const watcher of this.watchers.values()) watcher.stop();
  }
}

class Watcher {
  /** Resolves once the task is no longer watched. */
  readonly done: Promise<void>;
  private events: TaskEvent[] = [];
  private number = 0;
  private readonly readers = new Set<EventReader>();
  private readonly said = new Map<'state' | 'progress', string>();
  private idleSince = performance.now();
  private isStopped = false;
  /** Ends the pause before the next look. */
  private waking = new AbortController();

  constructor(
    now: Standing,
    private readonly look: () => Promise<Standing>,
  ) {
    this.see(now);
    const forget = onceSaved(now.task_id, () => this.waking.abort());
    this.done = this.watch().finally(forget);
  }

  add(reader: EventReader, after: string | undefined): (() => void) | undefined {
    const from = this.positionOf(after);
    const missed = this.events.filter(({ number }) => number > from);
    if (this.hasEnded && missed.length === 0) return undefined;
    reader.take(missed);
    if (this.hasEnded) {
      reader.end();
      return () => {};
    }
    this.readers.add(reader);
    return () => {
      this.readers.delete(reader);
      this.idleSince = performance.now();
    };
  }

  stop(): void {
    this.isStopped = true;
    this.waking.abort();
  }

  /** @returns the number of the event that a reader has; without one, that before the newest state. */
  private positionOf(after: string | undefined): number {
    const digest = after?.split('-')[1];
    const known =
      this.events.find(({ id }) => id === after) ?? this.events.findLast(({ id }) => id.split('-')[1] === digest);
    return known?.number ?? (this.events.findLast(({ name }) => name !== 'progress')?.number ?? 0) - 1;
  }

  private get hasEnded(): boolean {
    return this.events.at(-1)?.name === 'end';
  }

  private async watch(): Promise<void> {
    let waitMs = LOOK_MS.quick;
    while (!this.isStopped) {
      await pause(waitMs, undefined, { signal: this.waking.signal, ref: false }).catch(() => {});
      const isIdle = this.readers.size === 0 && performance.now() - this.idleSince > LINGER_MS;
      if (this.isStopped || isIdle) break;
      // The task itself may learn of its result a moment later.
      const isWoken = this.waking.signal.aborted;
      if (isWoken) this.waking = new AbortController();
      const changes = this.hasEnded ? [] : await this.changes();
      waitMs = changes.length > 0 || isWoken ? LOOK_MS.quick : Math.min(waitMs * 1.5, LOOK_MS.slow);
      if (changes.length > 0) for (const reader of this.readers) reader.take(changes);
      if (this.hasEnded) this.endReaders();
    }
    this.endReaders();
  }

  private endReaders(): void {
    for (const reader of this.readers) reader.end();
    this.readers.clear();
  }

  /** Polls the task. @returns the new events; none while the engine is unreachable */
  private async changes(): Promise<TaskEvent[]> {
    const before = this.number;
    try {
      this.see(await this.look());
    } catch (error) {
      // It was removed.
      if (error instanceof Problem && error.code === 'unknown_task') this.stop();
    }
    return this.events.filter(({ number }) => number > before);
  }

  /** The delivery of its event goes on after the end, so it is not reported. */
  private see({ progress, events: _events, ...task }: Standing): void {
    const mark = markOf(task);
    if (mark !== this.said.get('state')) {
      this.said.set('state', mark);
      this.say(isOver(task) ? 'end' : 'state', task);
    }
    const far = JSON.stringify(progress);
    if (progress && !this.hasEnded && far !== this.said.get('progress')) {
      this.said.set('progress', far);
      this.say('progress', progress);
    }
  }

  private say(name: TaskEvent['name'], content: object): void {
    this.number += 1;
    const data = JSON.stringify(content);
    const id = `${this.number}-${createHash('sha256').update(`${name} ${data}`).digest('hex').slice(0, 16)}`;
    this.events = [...this.events.slice(1 - KEPT), { name, id, number: this.number, data }];
  }
}

/** @returns what a new `state` event depends on. The expected wait in the queue is not part of it. */
function markOf(task: Standing): string {
  const { state, step, queue, map, retrying, live } = task;
  return JSON.stringify([isOver(task), state, step, queue?.place, map, retrying?.attempt, live]);
}
