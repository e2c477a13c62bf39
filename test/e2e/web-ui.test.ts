/**
 * The Temporal Web UI in a real browser, as an inspector uses it: `npm run e2e:web-ui`, with Chromium on PATH or at
 * CHROMIUM_PATH. With SCREENSHOTS=docs/images it renews the README's pictures, which need a font for Chinese
 * (fonts-noto-cjk).
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import type { StackState } from '../../src/stack/state.ts';
import { BLOCKED_PORTS } from '../../src/stack/ui-proxy.ts';
import { cleanHome, cli, up } from '../support/cli.ts';
import { listeningPorts } from '../support/listening.ts';
import { until } from '../support/resources.ts';
import { openBrowser, shoot } from './browser.ts';

const CODEC_TOKEN = 'a-token-of-at-least-16-characters';

/** Large enough for the payload store: the engine has only a reference (STORED_FROM_BYTES). */
const LARGE = `大 ${'prompt '.repeat(45_000)}`;

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => await browser?.close());

async function openPage(): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  onTestFinished(async () => await context.close());
  return await context.newPage();
}

type Env = Record<string, string>;

/** @returns the task id, which the command line writes to standard error. */
async function dispatch(env: Env, name: string, prompt: string, ...options: string[]): Promise<string> {
  const { stdout, stderr } = await cli(['dispatch', '-p', '-', '-n', name, '--json', ...options], env, prompt);
  expect(stdout, stderr).toContain('task_id');
  return (JSON.parse(stdout) as { task_id: string }).task_id;
}

async function reaches(env: Env, task_id: string, look: (view: Record<string, unknown>) => boolean): Promise<void> {
  await until(async () => {
    const { stdout } = await cli(['status', task_id, '--json'], env);
    return stdout !== '' && look(JSON.parse(stdout) as Record<string, unknown>);
  });
}

/** Enters the codec server, as described in the README. */
async function decodeWith(page: Page, { ui_url, worker_health_url }: StackState): Promise<void> {
  await page.goto(`${ui_url}/namespaces/default/workflows`);
  await page.getByTestId('data-encoder-status').click();
  await page.getByText('Use my browser setting').click();
  await page.getByLabel('Codec Server browser endpoint').fill(`${worker_health_url}/codec/${CODEC_TOKEN}`);
  await page.getByTestId('confirm-modal-button').locator('visible=true').click();
}

/** Adds our search attributes as columns, as described in docs/operations.md. */
async function addColumns(page: Page): Promise<void> {
  await page.getByTestId('workflows-summary-table-configuration-button').click();
  for (const name of [
    'Run ID',
    'Type',
    'End',
    'KimiTaskName',
    'KimiStatus',
    'KimiModel',
    'KimiTokens',
    'KimiSchedule',
    'KimiOwner',
  ]) {
    await page.getByTestId(`orderable-list-item-${name}`).getByRole('button').last().click();
  }
  // The browser stores them.
  await page.reload();
}

const rows = (page: Page) => page.getByTestId('workflows-summary-configurable-table-row');

async function openTask(page: Page, { ui_url }: StackState, task_id: string, tab: string): Promise<void> {
  await page.goto(`${ui_url}/namespaces/default/workflows/${task_id}`);
  await page
    .getByRole('tab', { name: tab })
    .or(page.getByRole('link', { name: tab }))
    .first()
    .click();
}

/** Opens the tab with the details and the state of a task, which a worker answers. Markdown is shown in frames. */
async function showsDetails(page: Page, stack: StackState, task_id: string, words: (string | RegExp)[]): Promise<void> {
  await openTask(page, stack, task_id, 'User Metadata');
  for (const word of words) await showsSomewhere(page, word);
}

/** Fails with the content of the page if the text does not appear. */
async function showsSomewhere(page: Page, word: string | RegExp): Promise<void> {
  const text = async (): Promise<string> => {
    const all = page.frames().map(async (frame) => await frame.innerText('body').catch(() => ''));
    return (await Promise.all(all)).join('\n');
  };
  await expect.poll(text, { timeout: 20_000 }).toMatch(word);
}

/** The links of docs/operations.md and their queries. */
function documentedViews(): string[] {
  const page = readFileSync(join(PACKAGE_ROOT, 'docs/operations.md'), 'utf8');
  return [...page.matchAll(/\/namespaces\/default\/workflows\?query=(?<query>[^)\s]+)/g)].map(({ groups }) =>
    decodeURIComponent(groups?.['query'] ?? ''),
  );
}

describe('the Web UI', () => {
  it(
    'shows the details and the state of each task, although the payloads are encrypted',
    { timeout: 300_000 },
    async () => {
      const env = await cleanHome({
        KIMI_MAX_CONCURRENT_TASKS: '2',
        KIMI_MAX_TASKS_PER_MINUTE: '0',
        KIMI_CODEC_TOKEN: CODEC_TOKEN,
        KIMI_PAYLOAD_KEYS: `2026-11:${randomBytes(32).toString('base64')}`,
      });
      const { state: stack } = await up(env, '--simulate');
      const done = await dispatch(env, 'calculator', '寫一個 Python 計算器，包含測試');
      const failed = await dispatch(env, 'fails', '失敗 [[simulate: fail=1 type=content_filter]]');
      const timedOut = await dispatch(env, 'too-slow', '逾時 [[simulate: drop=1]]', '--timeout', '1s');
      const cancelled = await dispatch(env, 'not-wanted', '取消 [[simulate: drop=1]]');
      await reaches(env, cancelled, ({ api_id }) => api_id !== undefined);
      await cli(['cancel', cancelled], env);
      const large = await dispatch(env, 'large-prompt', LARGE);
      for (const task of [done, failed, timedOut, cancelled, large])
        await reaches(env, task, ({ acknowledged }) => acknowledged === true);
      const waiting = await dispatch(env, '整理訪談逐字稿', '等 [[simulate: delay=600000]]', '--timeout', '15m');
      await dispatch(env, 'quarterly-report', '等 [[simulate: delay=600000]]', '--timeout', '15m');
      await reaches(env, waiting, ({ step }) => step === 'waiting');
      const queued = await dispatch(env, 'contract', '翻譯這份合約');
      await reaches(env, queued, ({ state }) => state === 'queued');

      const page = await openPage();
      await decodeWith(page, stack);
      await addColumns(page);
      // The tasks, and the limiter.
      await expect.poll(async () => await rows(page).count(), { timeout: 20_000 }).toBe(9);
      const row = (task: string) => rows(page).filter({ hasText: task });
      for (const [task, name, status] of [
        [done, 'calculator', 'done'],
        [failed, 'fails', 'failed'],
        [timedOut, 'too-slow', 'timed_out'],
        [cancelled, 'not-wanted', 'cancelled'],
        [waiting, '整理訪談逐字稿', 'dispatched'],
        [queued, 'contract', 'queued'],
      ] as const) {
        const cells = await row(task).innerText();
        for (const word of [name, status, 'kimi-k2.6']) expect(cells).toContain(word);
      }
      await page.setViewportSize({ width: 1_700, height: 900 });
      await shoot(page, 'web-ui-list', 620);
      await page.setViewportSize({ width: 1_400, height: 900 });

      const accepted = /Kimi 已收下：\s*cmpl-\S+/;
      await showsDetails(page, stack, queued, [
        'contract · kimi-k2.6',
        '翻譯這份合約',
        /排隊等候派發 · 第 1 位/,
        '排隊中',
      ]);
      await showsDetails(page, stack, waiting, [
        accepted,
        /等待 Kimi 回呼 · 最長 15:00，到 \d{4}-\d\d-\d\dT[\d:]+Z 為止/,
      ]);
      await shoot(page, 'web-ui-waiting', 860);
      await showsDetails(page, stack, failed, ['Kimi 的內容審查擋下了提示或答案；改寫提示詞後重新派發', '✓ 已儲存，']);
      await showsDetails(page, stack, timedOut, [
        '逾時',
        'Kimi 沒有在 1 秒內回呼',
        '仍接受遲到的答案',
        '該怎麼做',
        '--timeout',
      ]);
      await showsDetails(page, stack, cancelled, ['已取消', '任務已被取消']);
      await showsDetails(page, stack, done, [
        'calculator · kimi-k2.6',
        '寫一個 Python 計算器，包含測試',
        accepted,
        /✓ Kimi 已回呼，用了 0:\d\d（最長 2:00）/,
        /✓ 已儲存，\d{4}-/,
        /✓ 已喚醒 Agent，\d{4}-/,
        '✓ 已確認',
        /Token: \d+/,
        `results/${done}.json`,
      ]);
      await shoot(page, 'web-ui-details', 860);

      await openTask(page, stack, done, 'Event History');
      const summaries = [
        '交給 Kimi（kimi-k2.6）',
        '等待回呼，最長 120 秒',
        '儲存結果：完成',
        '喚醒 Agent',
        '標記為已通知',
      ];
      for (const summary of summaries) await showsSomewhere(page, summary);
      await showsSomewhere(page, '"prompt": "寫一個 Python 計算器');
      await page.setViewportSize({ width: 1400, height: 1250 });
      await shoot(page, 'web-ui-history', 1_250);
      await openTask(page, stack, large, 'Event History');
      await showsSomewhere(page, '"prompt": "大 prompt prompt');

      const views = documentedViews();
      expect(views).toHaveLength(5);
      const found = [];
      for (const view of views) {
        const query = view.replace(/\d{4}-\d\d-\d\dT/, `${new Date().toISOString().slice(0, 10)}T`);
        await page.goto(`${stack.ui_url}/namespaces/default/workflows?query=${encodeURIComponent(query)}`);
        await page.getByTestId('workflow-count').waitFor();
        await rows(page).first().waitFor();
        found.push((await rows(page).allInnerTexts()).map((text) => /kimi-\d+-\d+/.exec(text)?.[0]));
      }
      const [ofTimedOut, ofTokens, ofName, inFlight, toldInVain] = found;
      expect([ofTimedOut, ofTokens, ofName]).toEqual([[timedOut], [large], [done]]);
      expect(inFlight).toHaveLength(3);
      expect(inFlight).toEqual(expect.arrayContaining([waiting, queued]));
      expect(toldInVain).toEqual([timedOut]);
    },
  );

  it('shows why the agent has not been woken yet', { timeout: 120_000 }, async () => {
    const env = await cleanHome({ OPENCLAW_WAKE_URL: 'http://127.0.0.1:1/hooks/wake' });
    const { state: stack } = await up(env, '--simulate');
    const task = await dispatch(env, 'calculator', 'x [[simulate: delay=0]]');
    await reaches(env, task, ({ retrying }) => retrying !== undefined);
    const page = await openPage();
    await showsDetails(page, stack, task, [/✓ 已儲存，/, '喚醒 Agent', '完成']);
    await openTask(page, stack, task, 'Pending Activities');
    await showsSomewhere(page, 'ECONNREFUSED');
    expect(await page.getByText('WakeFailed').count()).toBeGreaterThan(0);
    await shoot(page, 'web-ui-pending-wake', 660);
  });

  it(
    'shows nothing to a page whose host name was rebound to this machine (DNS rebinding)',
    { timeout: 120_000 },
    async () => {
      const { state: stack } = await up(await cleanHome(), '--simulate');
      const rebound = await openBrowser('--host-resolver-rules=MAP evil.test 127.0.0.1');
      onTestFinished(async () => await rebound.close());
      const shown = async (url: string): Promise<string> => {
        // Navigation to the error page may still be in progress when the next page is opened.
        const page = await rebound.newPage();
        try {
          const response = await page.goto(url);
          return response?.ok() ? `${url}: ${await response.text()}` : 'refused';
        } catch (error) {
          // Ports that browsers block, and servers that do not speak HTTP/1.
          return (
            /ERR_UNSAFE_PORT|ERR_INVALID_HTTP_RESPONSE|ERR_EMPTY_RESPONSE/.exec(String(error))?.[0] ?? String(error)
          );
        } finally {
          await page.close();
        }
      };
      const behind = await Promise.all(BLOCKED_PORTS.map(async (port) => await shown(`http://evil.test:${port}/`)));
      expect(behind).toEqual(BLOCKED_PORTS.map(() => 'ERR_UNSAFE_PORT'));
      const answers = new Set<string>();
      for (const port of listeningPorts(stack)) {
        for (const path of ['/', '/api/v1/namespaces']) answers.add(await shown(`http://evil.test:${port}${path}`));
      }
      expect([...answers].toSorted()).toEqual(['ERR_INVALID_HTTP_RESPONSE', 'ERR_UNSAFE_PORT', 'refused']);
      // The same browser shows it under this machine's own name.
      expect(await shown(`${stack.ui_url}/api/v1/namespaces`)).toContain('"default"');
    },
  );
});
