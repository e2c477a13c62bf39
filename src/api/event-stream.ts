/** Events of a task as server-sent events (HTML Standard, 9.2). */
import { once } from 'node:events';
import type { Request, Response } from 'express';
import type { Caller } from '../shared/access.ts';
import type { Standing } from '../tasks/tasks.ts';
import { callerOf } from './callers.ts';
import type { EventReader, TaskEvents } from './task-events.ts';
import { placeIn, TextReader, type TextSource } from './task-text.ts';

/** How often an open stream gets a comment, in milliseconds: proxies close silent connections. Streams of revoked tokens are ended then. */
const HEARTBEAT_MS = 15_000;

/** After how long a client that lost the connection reconnects, in milliseconds. */
const RETRY_MS = 2_000;

/** A client that does not read is disconnected when this many bytes wait for it. It may reconnect, and misses nothing. */
const UNREAD_BYTES = 1024 * 1024;

interface StreamOptions {
  /** @returns whether a caller's token is still valid. */
  isValid?: (caller: Caller) => Promise<boolean>;
  heartbeatMs?: number;
  /** Follows what is received of a task's answer on this machine. */
  live?: (task_id: string) => NonNullable<TextSource['live']>;
}

/** The streams of one server. */
export class EventStreams {
  private readonly open = new Map<Response, Caller>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly events: TaskEvents,
    private readonly options: StreamOptions = {},
  ) {}

  /**
   * Responds with the events of a task.
   *
   * @param now the task, which the caller may see
   * @param whole returns the text of the task's result; absent if the text is not asked for
   */
  answer(now: Standing, request: Request, response: Response, whole?: TextSource['whole']): void {
    // A response to HEAD has no body, so it must not stay open.
    if (request.method === 'HEAD') {
      response.type('text/event-stream').end();
      return;
    }
    const write = (events: readonly SentEvent[]): boolean => {
      if (!response.headersSent) this.beginTask(request, response);
      const isTaken = response.write(events.map(textOf).join(''));
      if (response.writableLength > UNREAD_BYTES) response.destroy();
      return isTaken;
    };
    const id = request.get('last-event-id');
    if (!whole) {
      this.follow(now, id, { take: write, end: () => response.end() }, response);
      return;
    }
    const place = placeIn(id);
    const leaving = new AbortController();
    response.on('close', () => leaving.abort());
    const { signal } = leaving;
    const reader = new TextReader(place, { live: this.options.live?.(now.task_id), whole }, async (event) => {
      signal.throwIfAborted();
      if (!write([event])) await once(response, 'drain', { signal });
    });
    if (!this.follow(now, place.event, reader, response)) return;
    // A client that could not be sent all of it reconnects.
    reader.run(signal).then(
      () => response.end(),
      () => response.destroy(),
    );
  }

  /** @returns whether there is anything to send. */
  private follow(now: Standing, after: string | undefined, reader: EventReader, response: Response): boolean {
    const leave = this.events.follow(now, after, reader);
    // A client that has the end must not reconnect.
    if (!leave) response.status(204).end();
    else {
      if (!response.headersSent) this.beginTask(response.req, response);
      response.on('close', leave);
    }
    return leave !== undefined;
  }

  private beginTask(request: Request, response: Response): void {
    this.begin(request, response);
    response.write(`retry: ${RETRY_MS}\n\n`);
  }

  /** Begins a stream. It is kept open, and ended when the caller's token is revoked. */
  begin(request: Request, response: Response): void {
    response.status(200).set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // nginx would buffer it.
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    this.open.set(response, callerOf(request));
    response.on('close', () => this.open.delete(response));
    this.timer ??= setInterval(() => void this.beat(), this.options.heartbeatMs ?? HEARTBEAT_MS).unref();
  }

  /** Ends the streams of revoked tokens, and sends a comment on the others. */
  private async beat(): Promise<void> {
    const { isValid = async () => true } = this.options;
    const valid = new Map<string, Promise<boolean>>();
    for (const [response, caller] of this.open) {
      const key = JSON.stringify(caller);
      const check = valid.get(key) ?? isValid(caller).catch(() => false);
      valid.set(key, check);
      if (await check) response.write(':\n\n');
      else response.end();
    }
  }
}

interface SentEvent {
  id: string;
  name: string;
  data: string;
}

function textOf({ id, name, data }: SentEvent): string {
  return `id: ${id}\nevent: ${name}\ndata: ${data}\n\n`;
}
