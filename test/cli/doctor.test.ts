/** What `doctor` says about waiting callbacks, dead letters, and the secret that signs callbacks. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { serveAnswer } from '../support/answering.ts';
import { inProcess } from '../support/in-process.ts';
import { temporaryFolder } from '../support/resources.ts';

/** Runs `doctor` in a clean HOME, beside a webhook with this response of `/readyz`. */
async function doctor(
  status: number,
  readiness: object,
  lang: string,
  deadLetters: string[] = [],
  secretMode?: number,
  more: (url: string) => Record<string, string> = () => ({}),
): Promise<string> {
  const { url } = await serveAnswer(status, readiness, { 'content-type': 'application/json' });
  const home = await temporaryFolder();
  const folder = join(home, '.local/share/kimi-dispatch/dead-letters');
  await mkdir(folder, { recursive: true });
  for (const name of deadLetters) await writeFile(join(folder, name), '{}');
  const secret = join(folder, '../webhook-secret');
  if (secretMode !== undefined) await writeFile(secret, 'x'.repeat(16), { mode: secretMode });
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    KIMI_LANG: lang,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    WEBHOOK_PORT: new URL(url).port,
    ...more(url),
  };
  return (await inProcess(['doctor'], env)).stdout;
}

it.each([
  [
    'zh-TW',
    /✓ 沒有等待送進引擎的回呼/,
    /✗ 2 個回呼正在等待引擎（~.*\/journal）；.*up --detach/,
    /✗ .*\/journal 不能寫入.*KIMI_JOURNAL_DIR/,
  ],
  [
    'en',
    /✓ no callback waits/,
    /✗ callbacks that wait.*: 2 \(~.*\/journal\);.*up --detach/,
    /✗ cannot write to.*\/journal.*KIMI_JOURNAL_DIR/,
  ],
])('doctor in %s says whether callbacks wait, where, and what to do', async (lang, none, waiting, broken) => {
  expect(await doctor(200, { status: 'ok', engine: true, journal: { entries: 0, bytes: 0 } }, lang)).toMatch(none);
  expect(await doctor(200, { status: 'ok', engine: false, journal: { entries: 2, bytes: 1 } }, lang)).toMatch(waiting);
  expect(await doctor(503, { status: 'not ready', engine: false }, lang)).toMatch(broken);
});

it.each([
  ['zh-TW', /✗ 2 個已收下的回呼沒有對應的任務（~.*\/dead-letters）/],
  ['en', /✗ accepted callbacks without a task: 2 \(~.*\/dead-letters\)/],
])('doctor in %s names the dead letters and their folder', async (lang, sentence) => {
  const ready = { status: 'ok', engine: true, journal: { entries: 0, bytes: 0 } };
  expect(await doctor(200, ready, lang, ['kimi-1-1-a.json', 'kimi-1-1-b.json'])).toMatch(sentence);
  expect(await doctor(200, ready, lang)).not.toContain('dead-letters');
});

it.each([
  [
    'zh-TW',
    /✓ 沒有 WEBHOOK_SECRET；.*up/,
    /✓ webhook 的密鑰只有你讀得到：~/,
    /✗ webhook 的密鑰其他使用者也讀得到；請執行 chmod 600 ~/,
  ],
  [
    'en',
    /✓ there is no WEBHOOK_SECRET;.*up/,
    /✓ only you can read .*: ~/,
    /✗ .* readable by other users; run chmod 600 ~/,
  ],
])('doctor in %s says who can read the secret', async (lang, none, kept, open) => {
  const ready = { status: 'ok', engine: true, journal: { entries: 0, bytes: 0 } };
  expect(await doctor(200, ready, lang)).toMatch(none);
  expect(await doctor(200, ready, lang, [], 0o600)).toMatch(kept);
  expect(await doctor(200, ready, lang, [], 0o644)).toMatch(open);
});

it.each([
  ['zh-TW', /✗ 不知道 kimi-k2\.6 在 127[^，]* 的價格，所以無法守住預算；請改用.*不設預算$/m],
  ['en', /✗ .*price of kimi-k2\.6 at 127\S* is not known, so no budget can be kept; use .* leave the budget out$/m],
])('doctor in %s says that a budget cannot be kept', async (lang, sentence) => {
  const said = await doctor(200, { data: [] }, lang, [], undefined, (url) => ({
    KIMI_API_URL: `${url}/v1`,
    KIMI_API_KEY: 'sk-test',
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_BUDGET_PER_DAY: '3',
  }));
  expect(said).toMatch(sentence);
});
