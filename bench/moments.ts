import { EventEmitter, once } from 'node:events';

/** Timeout of every wait, in milliseconds. */
const LIMIT_MS = 30_000;

/** Records when an event first happened, by key, on the monotonic clock of this process; callers can wait for it. */
export class Moments {
  constructor(private readonly limitMs = LIMIT_MS) {}

  private readonly times = new Map<string, number>();
  // One listener per waiting caller.
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  note(key: string): void {
    if (this.times.has(key)) return;
    this.times.set(key, performance.now());
    this.emitter.emit(key);
  }

  /** @returns whether the event has happened. */
  has(key: string): boolean {
    return this.times.has(key);
  }

  /** Waits for the event. @returns its time in milliseconds. */
  async of(key: string): Promise<number> {
    const noted = this.times.get(key);
    if (noted !== undefined) return noted;
    try {
      await once(this.emitter, key, { signal: AbortSignal.timeout(this.limitMs) });
    } catch (error) {
      throw new Error(`waited ${this.limitMs / 1000} s in vain for: ${key}`, { cause: error });
    }
    return await this.of(key);
  }
}
