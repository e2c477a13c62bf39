/** Starts Chromium, from PATH or CHROMIUM_PATH, and takes screenshots. */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

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
