/** Starts Chromium, from PATH or CHROMIUM_PATH, and takes screenshots. */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

/** Folder of screenshots; without it none are taken. */
export const SCREENSHOTS = process.env['SCREENSHOTS'];

/** @param args more arguments of Chromium */
export async function openBrowser(...args: string[]): Promise<Browser> {
  const executablePath =
    process.env['CHROMIUM_PATH'] ?? execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim();
  return await chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid?.() !== 0,
    args: ['--disable-gpu', ...args],
  });
}

/** @param height of the screenshot, from the top of the page; default: the whole page */
export async function shoot(page: Page, name: string, height?: number): Promise<void> {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  const width = page.viewportSize()?.width ?? 0;
  const path = join(SCREENSHOTS, `${name}.png`);
  await page.screenshot({ path, fullPage: true, ...(height && { clip: { x: 0, y: 0, width, height } }) });
}

/** A page, with its unexpected console messages and requests. */
export async function openPageOf(browser: Browser, options: BrowserContextOptions = {}) {
  const context = await browser.newContext(options);
  onTestFinished(async () => await context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => complaints.push(`dialog ${dialog.message()}`));
  page.on('requestfailed', (request) => complaints.push(`failed ${request.url()}`));
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  return { page, complaints, requests };
}

/** Violations of WCAG 2.2 AA found by axe, contrast included. Its script bypasses the page's policy. */
export async function flawsOf(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axe.source });
  const { result } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then(({ violations }) =>
      violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 200) + failureSummary)))`,
    awaitPromise: true,
    returnByValue: true,
  });
  return result.value as string[];
}
