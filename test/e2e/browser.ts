/** Chromium, from PATH or at CHROMIUM_PATH, and the pictures of it that are kept. */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

/** Where pictures are left; none are taken where it is not set. */
export const SCREENSHOTS = process.env['SCREENSHOTS'];

/** @param args more of Chromium's own */
export async function openBrowser(...args: string[]): Promise<Browser> {
  const executablePath =
    process.env['CHROMIUM_PATH'] ?? execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim();
  return await chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid?.() !== 0,
    args: ['--disable-gpu', ...args],
  });
}

/** @param height how much of the page, from its top; all of it where it is not said. */
export async function shoot(page: Page, name: string, height?: number): Promise<void> {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  const width = page.viewportSize()?.width ?? 0;
  const path = join(SCREENSHOTS, `${name}.png`);
  await page.screenshot({ path, fullPage: true, ...(height && { clip: { x: 0, y: 0, width, height } }) });
}
