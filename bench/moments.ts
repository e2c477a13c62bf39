import { EventEmitter, once } from 'node:events';

/** How long anything may take before the run is given up: a limit for what hangs. Milliseconds. */
const LIMIT_MS = 30_000;

/** Notes when something first happened, by a key, on this process's monotonic clock; lets others wait for it. */
export class Moments {
  constructor(private readonly limitMs = LIMIT_MS) {}

  private readonly times = new Map<string, number>();
  // Many may wait for one thing each.
  private readonly emitter = new EventEmitter().setMaxListeners(0);

  note(key: string): void {
    if (this.times.has(key)) return;
    this.times.set(key, performance.now());
    this.emitter.emit(key);
  }

  /** @returns whether it has happened. */
  has(key: string): boolean {
    return this.times.has(key);
  }

  /** @returns when it happened, in milliseconds, as soon as it has. */
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
