import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Lang } from '../shared/task.ts';
import { html, section, type Links, type Section } from './html.ts';
import { inFlightSection, tasksInFlight } from './in-flight.ts';
import { makeReport, type Made } from './make.ts';
import { pageOf } from './page.ts';
import { reportText } from './text/index.ts';

export interface LiveReportOptions {
  client: Client;
  taskQueue: string;
  /** Of the result files. */
  folder: string;
  lang: Lang;
  links: Links;
  log: Logger;
}

/** How far back it looks: thirty days, in milliseconds. */
const SINCE_MS = 30 * 24 * 3600 * 1000;

/** How long the engine may take to list what is in flight, in milliseconds. */
const LIST_TIMEOUT_MS = 1_000;

/** How long a page is served before another is made, in milliseconds. */
const PAGE_MS = 1_000;

/**
 * The results are read again after ten times as long as it took, so that whoever watches takes a tenth of one core, and
 * after a second at least. Who comes after a minute waits for what is new. Milliseconds.
 */
const RESULTS = { rest: (tookMs: number) => Math.max(1_000, 10 * tookMs), stale: 60_000 };

/** The report as it is now, for any number of readers: whatever they ask, the work is done once and not all the time. */
export class LiveReport {
  private readonly results: Kept<{ since: number; until: number; made: Made | undefined }>;
  private readonly pages: Kept<Buffer>;

  constructor(options: LiveReportOptions) {
    const { client, taskQueue, folder, lang, links, log } = options;
    this.results = new Kept(async () => {
      const until = Date.now();
      const since = until - SINCE_MS;
      const made = await makeReport({ folder, since, until, lang, links }).catch((error: Error) => {
        log.warn(`the results in ${folder} cannot be shown: ${error.message}`);
        return undefined;
      });
      return { since, until, made };
    }, RESULTS);
    this.pages = new Kept(
      async () => {
        const [{ since, made }, inFlight] = await Promise.all([
          this.results.get(),
          // While the engine is away, the page says so.
          tasksInFlight(client, taskQueue, LIST_TIMEOUT_MS).catch(() => undefined),
        ]);
        const now = Date.now();
        const sections = [inFlightSection(inFlight, lang, links, now), ...(made?.sections ?? [unreadable(lang)])];
        return Buffer.from(pageOf({ lang, since, until: now, sections, live: true }));
      },
      { rest: () => PAGE_MS, stale: PAGE_MS },
    );
  }

  /** @returns the page, in UTF-8. */
  async page(): Promise<Buffer> {
    return await this.pages.get();
  }
}

function unreadable(lang: Lang): Section {
  const say = reportText(lang);
  return section('overview', say.overview.heading, html`<p class="warn">${say.unreadable}</p>`);
}

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
