/** The text of an answer among the events of a task, for one reader: as it is received, and at last the rest of it. */
import { setTimeout as pause } from 'node:timers/promises';
import { READ_MS, type LiveAnswer } from '../relay/recordings.ts';
import { cutAt } from '../shared/format.ts';
import type { EventReader, TaskEvent } from './task-events.ts';

/** Longest text of an event, in UTF-16 units: a long answer is not sent faster than its reader reads. */
const MAX_UNITS = 16 * 1024;

/** Id of the last event that a reader has, and how many UTF-16 units of the text. */
export interface TextPlace {
  event: string | undefined;
  offset: number;
}

/** @param id of an event of a reader with the text: `<id of an event>@<offset>` */
export function placeIn(id: string | undefined): TextPlace {
  const [, event = id, offset = '0'] = /^(.*)@(\d{1,10})$/.exec(id ?? '') ?? [];
  return { event, offset: Number(offset) };
}

export interface TextSource {
  /** What is received of the answer; absent if it is received elsewhere. */
  live: Pick<LiveAnswer, 'read'> | undefined;
  /** The text of the result; `undefined` if there is none. */
  whole: () => Promise<string | undefined>;
}

/** Sends an event. @returns once the client may be sent more */
type Send = (
  event: Pick<TaskEvent, 'id' | 'name' | 'data'> | { id: string; name: 'text'; data: string },
) => Promise<void>;

/** Reads the events of a task, and sends them with the text: the end after all of it. */
export class TextReader implements EventReader {
  private event: string;
  private offset: number;
  private received = '';
  private ended: TaskEvent | undefined;
  private isOver = false;

  constructor(
    place: TextPlace,
    private readonly source: TextSource,
    private readonly send: Send,
  ) {
    this.event = place.event ?? '';
    this.offset = place.offset;
  }

  take(events: readonly TaskEvent[]): void {
    for (const event of events) {
      if (event.name === 'end') this.ended = event;
      else {
        this.event = event.id;
        void this.send({ ...event, id: this.id }).catch(() => {});
      }
    }
  }

  end(): void {
    this.isOver = true;
  }

  /** Sends the text until the task has ended. @param signal aborted when the client has left */
  async run(signal: AbortSignal): Promise<void> {
    const { live, whole } = this.source;
    for (;;) {
      this.received += (await live?.read())?.content ?? '';
      await this.sendUpTo(this.received);
      if (this.isOver) break;
      await pause(READ_MS, undefined, { signal });
    }
    if (!this.ended) return;
    await this.sendRest((await whole()) ?? '');
    await this.send({ ...this.ended, id: `${this.ended.id}@${this.offset}` });
  }

  private get id(): string {
    return `${this.event}@${this.offset}`;
  }

  private async sendRest(whole: string): Promise<void> {
    // The result of a task that was cancelled, or ran out of time, may be saved before the part that was received.
    if (this.received.startsWith(whole)) return;
    if (!whole.startsWith(this.received)) this.offset = 0;
    await this.sendUpTo(whole);
  }

  private async sendUpTo(text: string): Promise<void> {
    while (this.offset < text.length) {
      const from = this.offset;
      this.offset = cutAt(text, Math.min(from + MAX_UNITS, text.length));
      const data = JSON.stringify({ offset: from, text: text.slice(from, this.offset) });
      await this.send({ id: this.id, name: 'text', data });
    }
  }
}
