import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Lang } from '../shared/task.ts';
import { html, section, type Links, type Section } from './html.ts';
import { inFlightSection, tasksInFlight } from './in-flight.ts';
import { makeReport, type Report } from './make.ts';
import { pageOf } from './page.ts';
import { reportText } from './text/index.ts';

export interface LiveReportOptions {
  client: Client;
  taskQueue: string;
  /** Folder of the result files. */
  folder: string;
  lang: Lang;
  links: Links;
  log: Logger;
}

/** Period of the report: thirty days, in milliseconds. */
const SINCE_MS = 30 * 24 * 3600 * 1000;

/** Timeout for listing the tasks in flight, in milliseconds. */
const LIST_TIMEOUT_MS = 1_000;

/** How long a page is cached, in milliseconds. */
const PAGE_MS = 1_000;

/**
 * Results are read again after ten times as long as reading them took (so that readers use a tenth of one core), and not
 * within one second. Results older than a minute are not served. Milliseconds.
 */
const RESULTS = { rest: (tookMs: number) => Math.max(1_000, 10 * tookMs), stale: 60_000 };

/** The current report. It is rendered at a limited rate, however many clients request it. */
export class LiveReport {
  private readonly results: Cached<{ since: number; until: number; report: Report | undefined }>;
  private readonly pages: Cached<Buffer>;

  constructor(options: LiveReportOptions) {
    const { client, taskQueue, folder, lang, links, log } = options;
    this.results = new Cached(async () => {
      const until = Date.now();
      const since = until - SINCE_MS;
      const report = await makeReport({ folder, since, until, lang, links }).catch((error: Error) => {
        log.warn(`the results in ${folder} cannot be shown: ${error.message}`);
        return undefined;
      });
      return { since, until, report };
    }, RESULTS);
    this.pages = new Cached(
      async () => {
        const [{ since, report }, inFlight] = await Promise.all([
          this.results.get(),
          // The page reports an unreachable engine.
          tasksInFlight(client, taskQueue, LIST_TIMEOUT_MS).catch(() => undefined),
        ]);
        const now = Date.now();
        const sections = [inFlightSection(inFlight, lang, links, now), ...(report?.sections ?? [unreadable(lang)])];
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
interface CachePolicy {
  /** How long a value is fresh, given how long it took to make. */
  rest(tookMs: number): number;
  /** Up to what age a value is served while the next one is made. */
  stale: number;
}

/** Caches an expensive value: concurrent callers share one computation (stale-while-revalidate). */
export class Cached<T> {
  private cached: { value: T; since: number; freshUntil: number } | undefined;
  private making: Promise<T> | undefined;

  constructor(
    private readonly make: () => Promise<T>,
    private readonly policy: CachePolicy,
  ) {}

  /** @throws the error of `make`; the next call tries again. */
  async get(): Promise<T> {
    const now = performance.now();
    const { cached } = this;
    if (cached && now < cached.freshUntil) return cached.value;
    this.making ??= this.renew(now).finally(() => (this.making = undefined));
    if (cached && now - cached.since < this.policy.stale) {
      this.making.catch(() => {});
      return cached.value;
    }
    return await this.making;
  }

  private async renew(started: number): Promise<T> {
    const value = await this.make();
    const ended = performance.now();
    this.cached = { value, since: started, freshUntil: ended + this.policy.rest(ended - started) };
    return value;
  }
}
