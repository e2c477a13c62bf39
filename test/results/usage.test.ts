/** `usage`: the sums over results. */
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isoSeconds } from '../../src/shared/format.ts';
import type { Cost, ResultFile } from '../../src/shared/result.ts';
import { readConfig } from '../../src/config/index.ts';
import { ResultStore } from '../../src/results/store.ts';
import { addUp, apart, pollingEstimate, type Usage } from '../../src/results/usage.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { temporaryFolder } from '../support/resources.ts';

const DAY = 24 * 3600 * 1000;
const NOW = Date.now();
const CNY = (amount: number): Cost => ({ amount, currency: 'CNY', price_date: '2026-09-01' });
const USD = (amount: number): Cost => ({ amount, currency: 'USD', price_date: '2026-09-29' });

/** Writes results of the given ages to a folder. */
async function folderOf(results: (Partial<ResultFile> & { ageMs?: number })[]): Promise<ResultStore> {
  const store = new ResultStore(await temporaryFolder());
  for (const [n, { ageMs = 0, ...changes }] of results.entries()) {
    const task_id = `kimi-1707654321-${n}`;
    const time = new Date(NOW - ageMs);
    const result: ResultFile = {
      task_id,
      task_name: 'calculator',
      status: 'done',
      model: 'kimi-k2.6',
      tokens: { prompt: 200, completion: 1300, total: 1500 },
      created_at: isoSeconds(time),
      completed_at: isoSeconds(time),
      ...changes,
    };
    await writeFile(store.resultPath(task_id), JSON.stringify(result));
    await utimes(store.resultPath(task_id), time, time);
  }
  return store;
}

const SOME: (Partial<ResultFile> & { ageMs?: number })[] = [
  { cost: CNY(0.1), completed_at: '2026-11-02T23:59:59Z' },
  { cost: CNY(0.2), completed_at: '2026-11-03T00:00:00Z', task_name: 'review' },
  {
    model: 'kimi-k3',
    tokens: { prompt: 93, completion: 54, total: 147, cached: 90, reasoning: 38 },
    cost: USD(0.0008379),
    completed_at: '2026-11-02T12:00:00Z',
  },
  // A model without a known price.
  { model: 'moonshot-v1-128k', completed_at: '2026-11-02T12:00:00Z' },
  { model: 'kimi-k3', status: 'failed', tokens: undefined, completed_at: '2026-11-03T12:00:00Z' } as never,
];

/** A result that was edited by hand. */
const DOCTORED = { task_id: 'kimi-1-5', status: 'done', completed_at: '2026-11-03T00:00:00Z' };

const NO_FILES = { count: 0, bytes: 0 };

const keysOf = ({ groups }: Usage): string[] => groups.map(({ key }) => key);

describe('the sums of results', () => {
  it('an interrupted answer counts in cost, but not as an answer', async () => {
    const results = await folderOf([{ status: 'failed', cost: CNY(0.1) }]);
    expect(addUp(results.savedSince(0), 'model').total).toMatchObject({
      tasks: 1,
      answered: 0,
      tokens: { total: 1500 },
      cost: [{ amount: 0.1, currency: 'CNY' }],
    });
  });

  it('by model, sorted by tokens', async () => {
    const usage = addUp((await folderOf(SOME)).savedSince(0), 'model');
    expect(usage.groups).toEqual([
      {
        key: 'kimi-k2.6',
        tasks: 2,
        answered: 2,
        tokens: { prompt: 400, cached: 0, completion: 2600, reasoning: 0, total: 3000 },
        // Not 0.30000000000000004.
        cost: [{ amount: 0.3, currency: 'CNY' }],
        unpriced: 0,
        files: NO_FILES,
      },
      {
        key: 'moonshot-v1-128k',
        tasks: 1,
        answered: 1,
        tokens: { prompt: 200, cached: 0, completion: 1300, reasoning: 0, total: 1500 },
        cost: [],
        unpriced: 1,
        files: NO_FILES,
      },
      {
        key: 'kimi-k3',
        tasks: 2,
        answered: 1,
        tokens: { prompt: 93, cached: 90, completion: 54, reasoning: 38, total: 147 },
        cost: [{ amount: 0.0008379, currency: 'USD' }],
        unpriced: 0,
        files: NO_FILES,
      },
    ]);
    expect(usage.total).toMatchObject({ tasks: 5, answered: 4, tokens: { total: 4647 }, unpriced: 1 });
    expect(usage.total.cost).toHaveLength(2);
    expect(usage.total.cost).toContainEqual({ amount: 0.3, currency: 'CNY' });
  });

  it('by day of UTC, in order', async () => {
    const usage = addUp((await folderOf(SOME)).savedSince(0), 'day');
    expect(usage.groups.map(({ key, tasks }) => [key, tasks])).toEqual([
      ['2026-11-02', 3],
      ['2026-11-03', 2],
    ]);
  });

  it('by name', async () => {
    expect(keysOf(addUp((await folderOf(SOME)).savedSince(0), 'name'))).toEqual(['calculator', 'review']);
  });

  it('since a time: neither older files, nor newer files of older results', async () => {
    const old = isoSeconds(NOW - 40 * DAY);
    const store = await folderOf([{ ageMs: 29 * DAY }, { ageMs: 31 * DAY }, { completed_at: old }]);
    expect(addUp(store.savedSince(NOW - 30 * DAY), 'model').total.tasks).toBe(1);
    expect(addUp(store.savedSince(NOW - 32 * DAY), 'model').total.tasks).toBe(2);
  });

  it('of an empty or missing folder are zero', async () => {
    const nothing = { groups: [], total: { tasks: 0, cost: [] }, polling_estimate: { tokens: 0, cost: 0 }, damaged: 0 };
    expect(addUp((await folderOf([])).savedSince(0), 'model')).toMatchObject(nothing);
    expect(addUp(new ResultStore('/nowhere').savedSince(0), 'model')).toMatchObject(nothing);
  });

  it('without damaged files, which are counted separately; other files are ignored', async () => {
    const store = await folderOf(SOME);
    for (const [name, content] of [
      ['kimi-1-1.json', ''],
      ['kimi-1-2.json', '{"task_id":"kimi-1-2"'],
      ['kimi-1-3.json', 'null'],
      ['kimi-1-4.json', '{"status":"done"}'],
      ['kimi-1-5.json', JSON.stringify({ ...DOCTORED, tokens: { prompt: 'many' } })],
      ['kimi-1-6.json', JSON.stringify({ ...DOCTORED, cost: { amount: null } })],
      ['pending-kimi-1-5.json', '{}'],
      ['latest.json', 'x'],
      ['notes.txt', 'x'],
    ] as const) {
      await writeFile(join(store.folder, name), content);
    }
    expect(addUp(store.savedSince(0), 'model')).toMatchObject({ damaged: 6, total: { tasks: 5 } });
  });
});

it('polling is estimated: 30 tasks of 1500 tokens', () => {
  // 45,000 tokens against 75,000, ¥27 against ¥45, 40 % less.
  const estimate = pollingEstimate({
    answered: 30,
    tokens: { prompt: 6_000, cached: 0, completion: 39_000, reasoning: 0, total: 45_000 },
  });
  expect(estimate).toEqual({ tokens: 75_000, cost: 45, own_cost: 27 });
});

/** @returns the last column of a table. */
function lastColumn(stdout: string): (string | undefined)[] {
  const lines = stdout.split('\n').slice(0, 4);
  return lines.map((line) => line.split(/ {2,}/).at(-1));
}

describe('files', () => {
  const FILE = {
    name: 'report.pdf',
    kind: 'document',
    bytes: 4_000_000,
    stored_bytes: 9,
    sha256: 'x',
    claim: 'y',
  } as const;
  const NOTE = { ...FILE, name: 'note.txt', kind: 'text', bytes: 500 } as const;
  const ASKED = { prompt: 'x', timeout_ms: 1 };

  it('are summed by number and size', async () => {
    const results = await folderOf([
      { ...ASKED, files: [FILE, NOTE] },
      { ...ASKED, files: [NOTE], task_name: 'b' },
      {},
    ]);
    const { groups, total } = addUp(results.savedSince(0), 'name');
    expect(total.files).toEqual({ count: 3, bytes: 4_001_000 });
    expect(groups.map(({ key, files }) => [key, files.count])).toEqual([
      ['calculator', 2],
      ['b', 1],
    ]);
    const doctored = [{ ...DOCTORED, files: [{ bytes: 'many' }] }] as never[];
    expect(addUp(doctored, 'model')).toMatchObject({ damaged: 1, total: { files: { count: 0 } } });
  });

  it('are shown by usage, those of encrypted questions too where there is the key', async () => {
    const { folder } = await folderOf([{ ...ASKED, files: [FILE] }, {}]);
    const KIMI_PAYLOAD_KEYS = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
    const store = new ResultStore(folder, readConfig({ KIMI_PAYLOAD_KEYS }).KIMI_PAYLOAD_KEYS);
    const task = { task_id: 'kimi-1707654321-9', task_name: 'b', status: 'done', model: 'kimi-k2.6' } as const;
    const tokens = { prompt: 1, completion: 1, total: 2 };
    await store.persist({ ...task, ...ASKED, tokens, files: [NOTE], created_at: isoSeconds(NOW) });
    const env = await cleanHome({ KIMI_LANG: 'en', KIMI_RESULTS_DIR: folder });
    const withKey = await inProcess(['usage', '--by', 'name'], { ...env, KIMI_PAYLOAD_KEYS });
    expect(lastColumn(withKey.stdout)).toEqual(['Files', '1 (4 MB)', '1 (500 B)', '2 (4 MB)']);
    const without = await inProcess(['usage', '--by', 'name'], env);
    expect(lastColumn(without.stdout)[3]).toBe('1 (4 MB)');
    const { stdout } = await inProcess(['usage', '--json'], { ...env, KIMI_PAYLOAD_KEYS });
    expect(JSON.parse(stdout)).toMatchObject({ total: { files: { count: 2, bytes: 4_000_500 } } });
  });

  it('have no column if there are none; fallbacks are counted', async () => {
    const fallback = { asked_model: 'kimi-k3', model: 'kimi-k2.6', overloaded_ms: 1 };
    const { folder } = await folderOf([{ fallback }, {}, { fallback }]);
    const env = await cleanHome({ KIMI_LANG: 'en', KIMI_RESULTS_DIR: folder });
    const { stdout } = await inProcess(['usage'], env);
    expect(stdout).not.toContain('Files');
    expect(stdout).toContain('as Kimi was overloaded (KIMI_FALLBACK): 2.');
  });
});

/** A month with 30 tasks. */
async function month(): Promise<ResultStore> {
  return await folderOf(Array.from({ length: 30 }, () => ({ cost: CNY(0.0364) })));
}

describe('the command', () => {
  it('shows a table, and marks the estimate as such, in both languages', async () => {
    const env = await cleanHome({ KIMI_RESULTS_DIR: (await month()).folder });
    const chinese = await inProcess(['usage'], env);
    expect(chinese).toMatchObject({ code: 0, stderr: '' });
    expect(chinese.stdout).toMatch(/^模型 .*\nkimi-k2\.6 +30 +6000 +0 +39000 +0 +45000 +¥1\.092\n總計 /);
    expect(chinese.stdout).toMatch(/\n估計（不是帳單）：.*75000；.*¥45\.00，現在是 ¥27\.00，省 40%/);
    const english = await inProcess(['usage', '--by', 'name', '--since', '1h'], { ...env, KIMI_LANG: 'en' });
    expect(english.stdout).toMatch(/^Name .*\ncalculator +30 /);
    expect(english.stdout).toMatch(/\nEstimate, not a bill: .*¥45\.00 against ¥27\.00, 40% saved/);
  });

  it('prints JSON', async () => {
    const env = await cleanHome({ KIMI_RESULTS_DIR: (await month()).folder });
    const { stdout } = await inProcess(['usage', '--by', 'day', '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject({
      by: 'day',
      since: expect.stringMatching(/Z$/),
      groups: [{ key: isoSeconds(NOW).slice(0, 10), tasks: 30 }],
      total: { cost: [{ amount: 1.092, currency: 'CNY' }] },
      polling_estimate: { tokens: 75_000, cost: 45, own_cost: 27 },
      damaged: 0,
    });
  });

  it('says that there are no results, which are damaged, and which have no price', async () => {
    const env = await cleanHome();
    expect(await inProcess(['usage'], env)).toMatchObject({ code: 0, stdout: '這段時間沒有結果。\n' });
    const store = await folderOf([{}]);
    await writeFile(join(store.folder, 'kimi-1-1.json'), '');
    const damaged = await inProcess(['usage'], { ...env, KIMI_RESULTS_DIR: store.folder });
    expect(damaged).toMatchObject({ code: 0, stderr: '有 1 個檔案損壞，沒有算進去。\n' });
    expect(damaged.stdout).toContain('（1 個沒有價格）');
  });

  it.each([
    ['--since', '30', '必須有單位'],
    ['--since', '0d', '必須有單位'],
    ['--since', 'soon', '必須有單位'],
    ['--by', 'year', '必須是 model、day 或 name'],
  ])('refuses %s %s', async (option, value, sentence) => {
    const refused = await inProcess(['usage', option, value], await cleanHome());
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(sentence) });
  });
});

describe('simulated tasks', () => {
  const SIMULATED = { simulated: true, task_name: 'made-up' } as const;

  it('are not counted beside others, and counted if there are no others', async () => {
    const mixed = apart((await folderOf([{}, SIMULATED, SIMULATED])).savedSince(0));
    expect(mixed).toMatchObject({ simulated: 2, isSimulation: false });
    expect(addUp(mixed.counted, 'name').groups).toMatchObject([{ key: 'calculator', tasks: 1 }]);
    const alone = apart((await folderOf([SIMULATED])).savedSince(0));
    expect(alone).toMatchObject({ simulated: 1, isSimulation: true });
    expect(addUp(alone.counted, 'name').groups).toMatchObject([{ key: 'made-up', tasks: 1 }]);
    expect(apart([undefined])).toEqual({ counted: [undefined], simulated: 0, isSimulation: false });
  });

  it.each([
    ['zh-TW', [{}, SIMULATED], '另有 1 個模擬的任務，不收費，沒有算進去。\n'],
    ['zh-TW', [SIMULATED], '這些都是模擬的任務：不收費，token 數也是模擬的。\n'],
    ['en', [{}, SIMULATED], '1 simulated task is not counted: nothing was paid for.\n'],
  ])('usage says so, in %s', async (KIMI_LANG, results, said) => {
    const { folder } = await folderOf(results);
    const env = await cleanHome({ KIMI_LANG, KIMI_RESULTS_DIR: folder });
    const { code, stdout, stderr } = await inProcess(['usage', '--json'], env);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ simulated: 1, total: { tasks: 1 } });
    expect(stderr).toBe('');
    expect((await inProcess(['usage'], env)).stderr).toBe(said);
  });
});
