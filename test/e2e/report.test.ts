/**
 * The report in a real browser: `npm run e2e:report`, with Chromium on PATH or at CHROMIUM_PATH. With SCREENSHOTS=folder it
 * saves screenshots there; docs/images has two of them.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Lang } from '../../src/shared/task.ts';
import { sign, SIGNATURE_HEADER } from '../../src/webhook/signature.ts';
import { callbackFor } from '../support/callback.ts';
import { cleanHome, cli, resultsOf, up } from '../support/cli.ts';
import { launch } from '../support/service.ts';
import { SECRET, temporaryFolder, until } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';
import { flawsOf, openBrowser, openPageOf, SCREENSHOTS, shoot } from './browser.ts';
import { fillBusyMonth, fillHostile } from './report-results.ts';

const MANY = Number(process.env['TASKS'] || 50_000);
const WIDTHS = [1280, 400];
const SCHEMES = ['light', 'dark'] as const;

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => await browser?.close());

const openPage = async (options?: BrowserContextOptions) => await openPageOf(browser, options);

/** Makes a report of a folder with the built command line. @returns its file, and the duration in milliseconds. */
async function reportOf(folder: string, lang: string): Promise<{ file: string; ms: number }> {
  const env = await cleanHome({ KIMI_RESULTS_DIR: folder, KIMI_LANG: lang, TEMPORAL_ADDRESS: '127.0.0.1:1' });
  const started = performance.now();
  expect(await cli(['report'], env)).toMatchObject({ code: 0, stderr: '' });
  return { file: join(env['HOME'] ?? '', 'report.html'), ms: performance.now() - started };
}

const FILLED: Record<string, (folder: string) => Promise<unknown>> = {
  busy: async (folder) => await fillBusyMonth(folder, 3_000),
  hostile: async (folder) => await fillHostile(folder),
  empty: async () => {},
};

describe.each(Object.keys(FILLED))('a report of %s results', (kind) => {
  it.each<Lang>(['zh-TW', 'en'])(
    'in %s fits its window, light and dark, and is accessible',
    { timeout: 180_000 },
    async (lang) => {
      const folder = await temporaryFolder();
      await FILLED[kind]?.(folder);
      const { file } = await reportOf(folder, lang);
      for (const width of WIDTHS) {
        for (const colorScheme of SCHEMES) {
          const { page, complaints, requests } = await openPage({ viewport: { width, height: 900 }, colorScheme });
          await page.goto(pathToFileURL(file).href);
          await shoot(page, `${kind}-${lang}-${colorScheme}-${width}`);
          expect(complaints).toEqual([]);
          expect(requests).toEqual([pathToFileURL(file).href]);
          // A page wider than its window would scroll horizontally as a whole.
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
          expect(await flawsOf(page)).toEqual([]);
          for (const summary of await page.locator('summary').all()) await summary.click();
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
        }
      }
    },
  );
});

it('hostile results stay text, even in a browser that ignores the policy', async () => {
  const folder = await temporaryFolder();
  await fillHostile(folder);
  const { file } = await reportOf(folder, 'en');
  const { page, complaints } = await openPage({ bypassCSP: true });
  await page.goto(pathToFileURL(file).href);
  // Triggers handlers of clicks and focus.
  for (const link of await page.locator('summary, .scroll').all()) await link.click({ position: { x: 3, y: 3 } });
  await page.keyboard.press('Tab');
  expect(await page.evaluate('window.pwned')).toBeUndefined();
  expect(await page.locator('script, img, iframe, object, [onload], [onerror], [onfocus]').count()).toBe(0);
  expect(await page.locator('bdi', { hasText: '</script><script>window.pwned=1</script>' }).count()).toBeGreaterThan(0);
  expect(await page.locator('bdi', { hasText: '&lt;script&gt;' }).count()).toBeGreaterThan(0);
  // The end of the page is intact.
  expect(await page.locator('#failures tbody tr').count()).toBeGreaterThan(5);
  const hrefs = await page.locator('a').evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''));
  for (const href of hrefs) expect(href).toMatch(/^(?:#|file:\/\/\/)/);
  expect(complaints).toEqual([]);
});

it('everything is reachable by keyboard, and the table behind each drawing opens', async () => {
  const folder = await temporaryFolder();
  await fillBusyMonth(folder, 300);
  const { page } = await openPage();
  await page.goto(pathToFileURL((await reportOf(folder, 'en')).file).href);
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.className')).toBe('skip');
  await page.locator('#over-time summary').focus();
  await page.keyboard.press('Enter');
  await page.locator('#over-time table').waitFor({ state: 'visible' });
});

it(`${MANY} results: time and memory`, { timeout: 300_000 }, async () => {
  const folder = await temporaryFolder();
  await fillBusyMonth(folder, MANY);
  const env = await cleanHome({ KIMI_RESULTS_DIR: folder });
  await up(env, '--simulate');
  for (const name of ['quarterly-report', '整理訪談逐字稿']) {
    await cli(['dispatch', '-p', 'x [[simulate: drop=1]]', '-n', name], env);
  }
  const made = async (lang: string): Promise<{ file: string; ms: number }> => {
    const started = performance.now();
    const file = join(env['HOME'] ?? '', `${lang}.html`);
    const { code } = await cli(['report', '-o', file], { ...env, KIMI_LANG: lang });
    expect(code).toBe(0);
    return { file, ms: performance.now() - started };
  };
  const english = await made('en');
  const { file, ms } = await made('zh-TW');
  const { size } = await stat(file);
  for (const [name, path, colorScheme] of [
    ['report-zh-light', file, 'light'],
    ['report-en-dark', english.file, 'dark'],
  ] as const) {
    const { page } = await openPage({ viewport: { width: 1280, height: 900 }, colorScheme });
    await page.goto(pathToFileURL(path).href);
    await shoot(page, name, 1_640);
  }
  const loads: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const { page } = await openPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(pathToFileURL(file).href);
    // Until its first paint.
    loads.push(
      await page.evaluate<number>(
        `new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))))`,
      ),
    );
  }
  loads.sort((a, b) => a - b);
  console.log(
    `${MANY} results: made in ${(ms / 1000).toFixed(1)} s (whole command), ${Math.round(size / 1024)} KB, loads in ${Math.round(loads[2] ?? 0)} ms (median of 5)`,
  );
  const { page } = await openPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(pathToFileURL(file).href);
  const pdf = await page.pdf({ format: 'A4', ...(SCREENSHOTS && { path: join(SCREENSHOTS, 'report.pdf') }) });
  const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0;
  console.log(`printed: ${pages} pages, ${Math.round(pdf.length / 1024)} KB`);
  expect(pages).toBeGreaterThan(0);
  expect(size).toBeLessThan(512 * 1024);
});

it(`callbacks are accepted while ten readers watch ${MANY} results`, { timeout: 300_000 }, async () => {
  const world = await openWorld();
  const folder = await temporaryFolder();
  await fillBusyMonth(folder, MANY);
  const webhook = await launch('webhook', {
    WEBHOOK_SECRET: SECRET,
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_RESULTS_DIR: folder,
  });
  const url = `http://127.0.0.1:${(await webhook.says('ready')).port}`;
  const { task_id } = await world.start('x [[simulate: drop=1]]');
  const body = JSON.stringify(callbackFor(task_id));
  const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, SECRET) };
  /** The first is accepted, the others are duplicates: all reach the engine, or the journal (202) if it is busy. */
  const callbacks = async (done: (count: number) => boolean): Promise<string> => {
    const times: number[] = [];
    while (!done(times.length)) {
      const sent = performance.now();
      const { status } = await fetch(`${url}/kimi/webhook/${task_id}`, { method: 'POST', headers, body });
      expect([200, 202]).toContain(status);
      times.push(performance.now() - sent);
    }
    times.sort((a, b) => a - b);
    const [median, p99] = [0.5, 0.99].map((share) => times[Math.floor(times.length * share)]?.toFixed(1));
    return `${times.length}, median ${median} ms, p99 ${p99} ms`;
  };
  await callbacks((count) => count === 200);
  const alone = await callbacks((count) => count === 1_000);
  let pages = 0;
  const enough = new AbortController();
  const readers = Array.from({ length: 10 }, async () => {
    while (!enough.signal.aborted) {
      expect((await fetch(`${url}/`)).status).toBe(200);
      pages += 1;
      await pause(200);
    }
  });
  const first = await callbacks(() => pages > 0);
  const until = performance.now() + 15_000;
  const later = await callbacks(() => performance.now() > until);
  enough.abort();
  await Promise.all(readers);
  console.log(`callbacks alone: ${alone}; while the first page is made: ${first}; while ${pages} are read: ${later}`);
});

it(
  'a real stack: its tasks change while the page is open, and the report shows the outcome',
  { timeout: 300_000 },
  async () => {
    const env = await cleanHome({ KIMI_MAX_CONCURRENT_TASKS: '2', KIMI_MAX_TASKS_PER_MINUTE: '0' });
    const { state } = await up(env, '--simulate');
    const dispatch = async (prompt: string, name: string): Promise<void> => {
      expect((await cli(['dispatch', '-p', prompt, '-n', name], env)).code).toBe(0);
    };
    const { page, complaints } = await openPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(`${state.webhook_url}/`);
    await page.evaluate('window.sameDocument = true');
    await page.locator('#over-time', { hasText: '這段期間沒有結果' }).waitFor();

    await dispatch('費波那契 [[simulate: delay=8000]]', 'slow-one');
    await dispatch('計算器 [[simulate: delay=8000]]', 'slow-two');
    await dispatch('排隊', 'queued-one');
    const inFlight = page.locator('#in-flight tbody tr');
    await page.locator('#in-flight tr', { hasText: 'slow-one' }).getByText('等待回覆').waitFor();
    await page.locator('#in-flight tr', { hasText: 'queued-one' }).getByText('排隊中').waitFor();
    await shoot(page, 'live-in-flight');
    await page.locator('#slowest tr', { hasText: 'slow-one' }).waitFor({ timeout: 60_000 });
    await until(async () => (await inFlight.count()) === 0);
    // Open details stay open, and the focus is kept.
    await page.locator('#over-time summary').focus();
    await page.keyboard.press('Enter');
    await dispatch('失敗 [[simulate: fail=1 type=content_filter]]', 'fails');
    await page.locator('#failures tr', { hasText: 'fails' }).waitFor({ timeout: 60_000 });
    expect(await page.locator('#over-time details').getAttribute('open')).not.toBeNull();
    expect(await page.evaluate('document.activeElement.closest("section")?.id')).toBe('over-time');
    expect(await page.evaluate('window.sameDocument')).toBe(true);
    expect(await flawsOf(page)).toEqual([]);
    await shoot(page, 'live-ended');

    await page.locator('#slowest a').first().click();
    const href = await page.getByRole('link', { name: '在 Web UI 查看' }).getAttribute('href');
    expect(href).toMatch(new RegExp(`^${state.ui_url}/namespaces/default/workflows/kimi-`));
    const { page: webUi } = await openPage();
    await webUi.goto(href ?? '');
    await webUi.getByText('kimiTask').first().waitFor();

    expect(await cli(['report'], env)).toMatchObject({ code: 0, stderr: '' });
    const { page: report } = await openPage();
    await report.goto(pathToFileURL(join(env['HOME'] ?? '', 'report.html')).href);
    await shoot(report, 'stack');
    expect(await report.locator('#latency tbody tr').nth(3).locator('td').first().textContent()).toBe('4');
    const file = (await report.locator('#slowest a[href^="file:"]').first().getAttribute('href')) ?? '';
    expect(new URL(file).pathname.startsWith(resultsOf(env))).toBe(true);
    expect(JSON.parse(await readFile(new URL(file), 'utf8'))).toHaveProperty('timings.save_ms');
    expect(complaints).toEqual([]);
  },
);

it('a foreign page cannot read, frame or load what this machine’s dashboard shows', { timeout: 120_000 }, async () => {
  const env = await cleanHome();
  const { state } = await up(env, '--simulate');
  const { page } = await openPage();
  await page.route('http://attacker.example/', async (route) => {
    await route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>x</title>' });
  });
  await page.goto('http://attacker.example/');
  const { page: own } = await openPage();
  await own.goto(`${state.webhook_url}/`);
  expect(await own.title()).toContain('Kimi Dispatch');
  const read = await page.evaluate(
    `fetch('${state.webhook_url}/').then((answer) => answer.text(), (error) => error.name)`,
  );
  expect(read).toBe('TypeError');
  const blind = await page.evaluate(
    `fetch('${state.webhook_url}/', { mode: 'no-cors' }).then((answer) => answer.type, (error) => error.name)`,
  );
  expect(blind).toBe('TypeError');
  await page.evaluate(
    `new Promise((resolve) => { const frame = document.createElement('iframe'); frame.onload = resolve; frame.src = '${state.webhook_url}/'; document.body.append(frame); })`,
  );
  expect(page.frames().at(-1)?.url()).not.toBe(`${state.webhook_url}/`);
});
