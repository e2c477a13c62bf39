/** Milliseconds. */
export interface Keeping {
  /** How long to rest after work that took so long. */
  rest(tookMs: number): number;
  /** Up to what age a value is given out while the next is made. */
  stale: number;
}

/** A value that takes work: made when somebody wants it, once for all who want it, and never without rest. */
export class Kept<T> {
  private kept: { value: T; since: number; until: number } | undefined;
  private making: Promise<T> | undefined;

  constructor(
    private readonly make: () => Promise<T>,
    private readonly keeping: Keeping,
  ) {}

  /** @throws what making it threw; the next one to ask tries again. */
  async get(): Promise<T> {
    const now = performance.now();
    const { kept } = this;
    if (kept && now < kept.until) return kept.value;
    this.making ??= this.renew(now).finally(() => (this.making = undefined));
    if (kept && now - kept.since < this.keeping.stale) {
      this.making.catch(() => {});
      return kept.value;
    }
    return await this.making;
  }

  private async renew(started: number): Promise<T> {
    const value = await this.make();
    const ended = performance.now();
    this.kept = { value, since: started, until: ended + this.keeping.rest(ended - started) };
    return value;
  }
}
