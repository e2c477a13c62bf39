/** Answers as server-sent events. */
import { once } from 'node:events';
import type { Response } from 'express';

/** How often a comment is sent while there is no event, in milliseconds: proxies close connections that are silent for a minute. */
const COMMENT_MS = 15_000;

export class EventStream {
  private readonly comments: NodeJS.Timeout;

  constructor(
    private readonly response: Response,
    private readonly signal: AbortSignal,
  ) {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // nginx would collect the events.
      'x-accel-buffering': 'no',
    });
    response.flushHeaders();
    this.comments = setInterval(() => response.write(': waiting\n\n'), COMMENT_MS);
  }

  /** @param event its name; absent as in streams of chat completions */
  async send(data: object | '[DONE]', event?: string): Promise<void> {
    this.comments.refresh();
    const text = data === '[DONE]' ? data : JSON.stringify(data);
    const isTaken = this.response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`);
    if (!isTaken) await once(this.response, 'drain', { signal: this.signal });
  }

  end(): void {
    clearInterval(this.comments);
    this.response.end();
  }
}
