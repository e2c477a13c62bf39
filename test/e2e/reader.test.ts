/**
 * The pages of tasks in a real browser: part of `npm run e2e:report`. With SCREENSHOTS=folder it saves screenshots there; docs/images has
 * two of them.
 */
import { readFile } from 'node:fs/promises';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Lang } from '../../src/shared/task.ts';
import { cleanHome, cli, resultsOf, up } from '../support/cli.ts';
import { launch } from '../support/service.ts';
import { SECRET, temporaryFolder, until } from '../support/resources.ts';
import { fillAnswers } from './answers.ts';
import { flawsOf, openBrowser, openPageOf, shoot } from './browser.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => await browser?.close());

const openPage = async (options?: BrowserContextOptions) => await openPageOf(browser, options);

const TOKEN = 'a-dashboard-token-of-its-own';
const LOGIN = { httpCredentials: { username: 'reader', password: TOKEN } };
const PHONE = 390;

/** The webhook over results with answers. @returns its address, and the task ids. */
async function openReader(lang: Lang, more: Record<string, string> = {}) {
  const folder = await temporaryFolder();
  const ids = await fillAnswers(folder);
  const webhook = await launch('webhook', {
    WEBHOOK_SECRET: SECRET,
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_RESULTS_DIR: folder,
    KIMI_LANG: lang,
    ...more,
  });
  return { url: `http://127.0.0.1:${(await webhook.says('ready')).port}`, ids };
}

/** A stack with answers, whose reader has the token. */
async function openStack(lang: Lang) {
  const env = await cleanHome({ KIMI_LANG: lang, KIMI_DASHBOARD_TOKEN: TOKEN, KIMI_CALLBACKS: 'relay' });
  const ids = await fillAnswers(resultsOf(env));
  const { state } = await up(env, '--simulate');
  return { env, url: state.webhook_url, ids };
}

async function isTooWide(page: Page): Promise<boolean> {
  return await page.evaluate<boolean>('document.documentElement.scrollWidth > innerWidth');
}

describe.each<Lang>(['zh-TW', 'en'])('an answer in %s', (lang) => {
  it(
    'is opened from the report, fits its window, light and dark, and is accessible',
    { timeout: 180_000 },
    async () => {
      const { url, ids } = await openStack(lang);
      for (const width of [1280, PHONE]) {
        for (const colorScheme of ['light', 'dark'] as const) {
          const { page, complaints, requests } = await openPage({
            viewport: { width, height: 900 },
            colorScheme,
            ...LOGIN,
          });
          await page.goto(`${url}/`);
          await page.locator(`#latest a[href="tasks/${ids[lang]}"]`).click();
          await page.locator('.answer h3').waitFor();
          await page.locator('form').waitFor();
          await shoot(page, `reader-${lang}-${colorScheme}-${width}`);
          expect(await isTooWide(page)).toBe(false);
          expect(await flawsOf(page)).toEqual([]);
          for (const summary of await page.locator('summary').all()) await summary.click();
          await shoot(page, `reader-open-${lang}-${colorScheme}-${width}`);
          expect(await isTooWide(page)).toBe(false);
          expect(await flawsOf(page)).toEqual([]);
          // On a phone table and code scroll by themselves.
          const scrolls = `[...document.querySelectorAll('.answer .scroll, .code pre')].every((region) => region.scrollWidth > region.clientWidth)`;
          expect((await page.evaluate(scrolls)) || width > PHONE).toBe(true);
          await page.getByRole('link', { name: lang === 'en' ? 'All tasks' : '所有任務' }).click();
          await page.locator('#overview').waitFor();
          expect(complaints).toEqual([]);
          expect(requests.filter((each) => !each.startsWith(url))).toEqual([]);
        }
      }
    },
  );
});

it('its Markdown and its code are copied, and downloaded, as they are', { timeout: 60_000 }, async () => {
  const { url, ids } = await openReader('zh-TW');
  const { page, complaints } = await openPage({ permissions: ['clipboard-read', 'clipboard-write'] });
  await page.goto(`${url}/tasks/${ids['zh-TW']}`);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: '下載 Markdown' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('台灣半導體產業的歷史.md');
  const markdown = await readFile(await download.path(), 'utf8');
  expect(markdown).toContain('# 台灣半導體產業的歷史\n\n台灣的半導體產業從**「技術移轉」**開始');

  const clipboard = async (): Promise<string> => await page.evaluate('navigator.clipboard.readText()');
  await page.getByRole('button', { name: '複製 Markdown' }).click();
  await page.getByRole('button', { name: '已複製' }).waitFor();
  expect(await clipboard()).toBe(markdown);
  await page.locator('.code button').click();
  await until(async () => (await clipboard()).startsWith('from math import exp\n'));
  expect(await clipboard()).toMatch(/# 90\.5%\n$/);
  expect(complaints).toEqual([]);
});

it(
  'a hostile answer stays text and calls nobody, even in a browser that ignores the policy',
  { timeout: 60_000 },
  async () => {
    const { url, ids } = await openReader('en');
    for (const bypassCSP of [false, true]) {
      const { page, complaints, requests } = await openPage({ bypassCSP });
      await page.goto(`${url}/tasks/${ids.hostile}`);
      for (const summary of await page.locator('summary').all()) await summary.click();
      for (const button of await page.locator('.code button').all()) await button.click();
      expect(await page.evaluate('window.pwned')).toBeUndefined();
      expect(await page.locator('img, iframe, [onerror], main script, a[href^="javascript"]').count()).toBe(0);
      expect(await page.locator('script').count()).toBe(1);
      expect(requests.every((each) => each.startsWith(url))).toBe(true);
      expect(await flawsOf(page)).toEqual([]);
      // Without the policy Chromium asks for an icon, and there is none. Nothing may be written to the clipboard here.
      expect(complaints.filter((each) => !/clipboard|404/i.test(each))).toEqual([]);
    }
  },
);

it('an answer of 5 million characters is bounded, and says where the rest is', { timeout: 60_000 }, async () => {
  const { url, ids } = await openReader('zh-TW');
  const { page } = await openPage();
  const started = performance.now();
  await page.goto(`${url}/tasks/${ids.huge}`);
  await page.getByText('太長了，這裡只顯示開頭 200,000 個字；下載的檔案有全文。').waitFor();
  console.log(`5 million characters: shown in ${Math.round(performance.now() - started)} ms`);
  await page.getByText('太長了，這裡只顯示開頭 20,000 個字；kimi-dispatch export 有全文。').waitFor();
  // What would be copied is not the answer.
  expect(await page.getByRole('button', { name: '複製 Markdown' }).count()).toBe(0);
  const text = await (await fetch(`${url}/tasks/${ids.huge}/answer.md`)).text();
  expect(text).toHaveLength(5_200_000);
});

it(
  'the progress of an answer that streams is shown, then the answer; a reader with the token asks on, and cancels',
  { timeout: 180_000 },
  async () => {
    const { env, url, ids } = await openStack('zh-TW');
    const dispatch = async (prompt: string, name: string): Promise<string> => {
      const { code, stdout } = await cli(['dispatch', '--json', '-p', prompt, '-n', name], env);
      expect(code).toBe(0);
      return (JSON.parse(stdout) as { task_id: string }).task_id;
    };
    const { page, complaints } = await openPage({ viewport: { width: PHONE, height: 844 }, ...LOGIN });
    await dispatch('費波那契 [[simulate: chunks=40 chunk-delay=250 size=4000]]', 'streams');
    await page.goto(`${url}/`);
    await page.locator('#in-flight').getByRole('link', { name: 'streams' }).click();
    await page.getByText(/Kimi 正在(?:思考|回答)，目前約 \d+ 個 Token/).waitFor({ timeout: 30_000 });
    await page.getByRole('heading', { name: '目前寫到' }).waitFor({ timeout: 30_000 });
    await shoot(page, 'reader-progress');
    expect(await flawsOf(page)).toEqual([]);
    await page.locator('.answer').waitFor({ timeout: 60_000 });
    await page.getByText('費波那契').first().waitFor();

    await page.getByLabel('下一個問題').fill('再短一點 [[simulate: chunks=20 chunk-delay=250 size=2000]]');
    await page.getByRole('button', { name: '送出' }).click();
    await page.locator('#progress').waitFor();
    await page.getByText(/^接續 kimi-/).waitFor();
    await shoot(page, 'reader-follow-up-progress');
    expect(await flawsOf(page)).toEqual([]);
    await page.locator('#earlier summary').click({ timeout: 60_000 });
    await page.locator('#question').getByText('再短一點').waitFor();
    await page.locator('#earlier').getByText('費波那契').first().waitFor();
    expect(await flawsOf(page)).toEqual([]);

    await page.goto(`${url}/tasks/${ids['zh-TW']}`);
    await page.getByLabel('下一個問題').fill('那麼韓國呢？');
    await page.getByRole('button', { name: '送出' }).click();
    await page.getByText('不能與模擬的 Kimi 接續，所以沒有派發').waitFor();
    await shoot(page, 'reader-not-sent');
    expect(await flawsOf(page)).toEqual([]);

    const endless = await dispatch('不會結束 [[simulate: chunks=400 chunk-delay=1000 size=4000]]', 'endless');
    await page.goto(`${url}/tasks/${endless}`);
    page.on('dialog', (dialog) => void dialog.accept());
    await page.getByRole('button', { name: '取消任務' }).click();
    await page.locator('#answer').getByText('任務已被取消').waitFor({ timeout: 30_000 });
    await page.goto(`${url}/tasks/kimi-1-1`);
    await page.getByText('沒有這個任務，或它的結果已經刪除。').waitFor();
    // Chromium reports each status of an error.
    expect(complaints.filter((each) => !/^dialog|404|409/.test(each))).toEqual([]);
  },
);
