/** Events of a task as server-sent events (HTML Standard, 9.2). */
import type { Request, Response } from 'express';
import type { Caller } from '../shared/access.ts';
import type { Standing } from '../tasks/tasks.ts';
import { callerOf } from './callers.ts';
import type { EventReader, TaskEvent, TaskEvents } from './task-events.ts';

/** How often an open stream gets a comment, in milliseconds: proxies close silent connections. Streams of revoked tokens are ended then. */
const HEARTBEAT_MS = 15_000;

/** After how long a client that lost the connection reconnects, in milliseconds. */
const RETRY_MS = 2_000;

/** A client that does not read is disconnected when this many bytes wait for it. It may reconnect, and misses nothing. */
const UNREAD_BYTES = 1024 * 1024;

/** @returns whether a caller's token is still valid. */
export type IsValid = (caller: Caller) => Promise<boolean>;

/** The streams of one server. */
export class EventStreams {
  private readonly open = new Map<Response, Caller>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly events: TaskEvents,
    private readonly isValid: IsValid = async () => true,
    private readonly heartbeatMs = HEARTBEAT_MS,
  ) {}

  /** Responds with the events of a task. @param now the task, which the caller may see */
  answer(now: Standing, request: Request, response: Response): void {
    // A response to HEAD has no body, so it must not stay open.
    if (request.method === 'HEAD') {
      response.type('text/event-stream').end();
      return;
    }
    const after = request.get('last-event-id');
    const reader: EventReader = {
      take: (events) => {
        if (!response.headersSent) this.beginTask(request, response);
        response.write(events.map(textOf).join(''));
        if (response.writableLength > UNREAD_BYTES) response.destroy();
      },
      end: () => response.end(),
    };
    const leave = this.events.follow(now, after, reader);
    // A client that has the end must not reconnect.
    if (!leave) response.status(204).end();
    else {
      if (!response.headersSent) this.beginTask(request, response);
      response.on('close', leave);
    }
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
    this.timer ??= setInterval(() => void this.beat(), this.heartbeatMs).unref();
  }

  /** Ends the streams of revoked tokens, and sends a comment on the others. */
  private async beat(): Promise<void> {
    const valid = new Map<string, Promise<boolean>>();
    for (const [response, caller] of this.open) {
      const key = JSON.stringify(caller);
      const check = valid.get(key) ?? this.isValid(caller).catch(() => false);
      valid.set(key, check);
      if (await check) response.write(':\n\n');
      else response.end();
    }
  }
}

function textOf({ id, name, data }: TaskEvent): string {
  return `id: ${id}\nevent: ${name}\ndata: ${data}\n\n`;
}
