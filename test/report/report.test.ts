/** `report`: figures over results; and text from results is never interpreted as markup. */
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isoSeconds } from '../../src/shared/format.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { DIST } from '../../src/service/files.ts';
import { entriesOf, figuresOf, type Figures } from '../../src/report/data.ts';
import { compact, elapsed, inSeconds, price, share } from '../../src/report/format.ts';
import { escapeHtml, html, trusted } from '../../src/report/html.ts';
import { pageOf } from '../../src/report/page.ts';
import { sectionsOf } from '../../src/report/sections.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { temporaryFolder, until } from '../support/resources.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const UNTIL = Date.parse('2026-11-24T12:30:00Z');

let made = 0;
function result(changes: Partial<ResultFile> = {}): ResultFile {
  made += 1;
  return {
    task_id: `kimi-1707654321-${made}`,
    task_name: 'calculator',
    status: 'done',
    model: 'kimi-k2.6',
    output: 'x',
    tokens: { prompt: 200, completion: 1300, total: 1500 },
    created_at: '2026-11-24T12:00:00Z',
    completed_at: '2026-11-24T12:00:30Z',
    acknowledged: true,
    ...changes,
  };
}

/** One without an answer. */
function ended(status: ResultFile['status'], type: string, changes: Partial<ResultFile> = {}): ResultFile {
  const { output: _output, tokens: _tokens, ...rest } = result({ status, error: { type, message: `said ${type}` } });
  return { ...rest, ...changes };
}

function figures(results: unknown[], days = 30): Figures {
  return figuresOf(entriesOf(results), UNTIL - days * DAY, UNTIL);
}

/** The page of such results. */
function page(results: unknown[], links = { results: '/results', webUi: 'http://127.0.0.1:8233/x' }): string {
  const sections = sectionsOf(figures(results), 'en', links);
  return pageOf({ lang: 'en', since: UNTIL - 30 * DAY, until: UNTIL, sections, live: false });
}

describe('figures', () => {
  it('without results are zero', () => {
    const none = figures([]);
    expect(none).toMatchObject({ tasks: 0, untimed: 0, slowest: [], dearest: [], failures: [] });
    expect(none.outcomes).toEqual({ done: 0, failed: 0, timed_out: 0, cancelled: 0 });
    expect(none.latencies.map(({ tasks, times }) => [tasks, times])).toEqual(
      Array.from({ length: 5 }, () => [0, undefined]),
    );
  });

  it('count outcomes in every interval, empty ones included', () => {
    const { span, overTime, outcomes } = figures(
      [
        result(),
        result({ completed_at: '2026-11-22T23:59:59Z' }),
        ended('failed', 'x', { completed_at: '2026-11-22T00:00:00Z' }),
        ended('timed_out', 'timed_out'),
        ended('cancelled', 'cancelled'),
      ],
      3,
    );
    expect(span).toBe('day');
    expect(outcomes).toEqual({ done: 2, failed: 1, timed_out: 1, cancelled: 1 });
    expect(overTime).toEqual([
      { key: '2026-11-21', counts: { done: 0, failed: 0, timed_out: 0, cancelled: 0 } },
      { key: '2026-11-22', counts: { done: 1, failed: 1, timed_out: 0, cancelled: 0 } },
      { key: '2026-11-23', counts: { done: 0, failed: 0, timed_out: 0, cancelled: 0 } },
      { key: '2026-11-24', counts: { done: 1, failed: 0, timed_out: 1, cancelled: 1 } },
    ]);
  });

  it.each([
    [1, 'hour', 25, '2026-11-24T12'],
    [30, 'day', 31, '2026-11-24'],
    [365, 'month', 13, '2026-11'],
  ])('of %i days are grouped by the %s', (days, span, spans, last) => {
    const { overTime, ...cut } = figures([result()], days);
    expect(cut.span).toBe(span);
    expect(overTime).toHaveLength(spans);
    expect(overTime.at(-1)).toMatchObject({ key: last, counts: { done: 1 } });
    expect(cut.byTime.groups).toMatchObject([{ key: last, tasks: 1 }]);
  });

  it('hold the duration of each step against its target, and the number of results without timings', () => {
    const timed = Array.from({ length: 100 }, (_, n) =>
      result({ timings: { queued_ms: n, dispatch_ms: 150, kimi_ms: 30_000, save_ms: n < 95 ? 20 : 200, wake_ms: 15 } }),
    );
    const { latencies, untimed } = figures([
      ...timed,
      result(),
      // Timed out: it has no time of Kimi.
      ended('timed_out', 'timed_out', { timings: { queued_ms: 1_000, dispatch_ms: 150 } }),
    ]);
    expect(untimed).toBe(1);
    const [queued, , kimi, save] = latencies;
    expect(queued).toEqual({
      step: 'queued_ms',
      tasks: 101,
      times: { p5: 5, p25: 25, p50: 50, p75: 75, p95: 95, p99: 99, max: 1_000 },
    });
    expect(kimi).toMatchObject({ step: 'kimi_ms', tasks: 100 });
    expect(save).toMatchObject({ step: 'save_ms', target: 100, met: 0.95, times: { p50: 20, p95: 20, p99: 200 } });
  });

  it('leave simulated tasks out, unless there are no others; the page says so', () => {
    const simulated = result({ simulated: true, task_name: 'made-up' });
    expect(figures([result(), simulated])).toMatchObject({ tasks: 1, simulated: 1, isSimulation: false });
    expect(page([result(), simulated])).toContain('1 simulated task is not counted');
    expect(page([result(), simulated])).not.toContain('made-up');
    expect(figures([simulated])).toMatchObject({ tasks: 1, simulated: 1, isSimulation: true });
    expect(page([simulated])).toMatch(/All of these are simulated tasks.*made-up/s);
  });

  it('list the slowest tasks, and the most expensive ones in each currency', () => {
    const cny = { cost: { amount: 0.5, currency: 'CNY' as const, price_date: '2026-09-01' } };
    const usd = { cost: { amount: 0.1, currency: 'USD' as const, price_date: '2026-09-29' } };
    const slow = result({ completed_at: '2026-11-24T12:20:00Z' });
    const dear = result(cny);
    const many = Array.from({ length: 20 }, () => result(usd));
    const { slowest, dearest } = figures([...many, dear, slow]);
    expect(slowest).toHaveLength(10);
    expect(slowest[0]?.task_id).toBe(slow.task_id);
    expect(dearest.map(({ by, entries }) => [by, entries.length])).toEqual([
      ['CNY', 1],
      ['USD', 10],
    ]);
    expect(figures([result()]).dearest).toMatchObject([{ by: 'tokens', entries: [{ task_name: 'calculator' }] }]);
  });

  it('group failures by their reason, with the last error message', () => {
    const { failures } = figures([
      ended('failed', 'content_filter', { error: { type: 'content_filter', message: 'newer' } }),
      ended('failed', 'content_filter', { completed_at: '2026-11-20T00:00:00Z' }),
      ended('timed_out', 'timed_out'),
      // Cancelled by its user.
      ended('cancelled', 'cancelled'),
    ]);
    expect(failures.map(({ type, tasks, message }) => [type, tasks, message])).toEqual([
      ['content_filter', 2, 'newer'],
      ['timed_out', 1, 'said timed_out'],
    ]);
  });

  it('accept results of the original design, and count damaged files separately', () => {
    const { created_at: _created, acknowledged: _acknowledged, ...original } = result();
    const broken = [
      undefined,
      { ...original, task_name: 7 },
      { ...original, status: 'great' },
      { ...original, completed_at: 'yesterday' },
      { ...original, completed_at: ['2026-11-24T12:00:00Z'] },
      { ...original, tokens: { prompt: 'many' } },
      { ...original, cost: { amount: null } },
      { ...original, model: { toString: 1 } },
    ];
    // They are in no inbox.
    const others = [
      { ...original, row: { map: 'kimi-1707654321-1', number: 1 } },
      { ...original, wake: false },
    ];
    const { tasks, unacknowledged, slowest, byModel, byTime } = figures([original, ...others, ...broken]);
    expect({ tasks, unacknowledged, slowest, damaged: [byModel.damaged, byTime.damaged] }).toEqual({
      tasks: 3,
      unacknowledged: 1,
      slowest: [],
      damaged: [broken.length, broken.length],
    });
    // A result with damaged timings is still a result.
    expect(figures([{ ...original, timings: { save_ms: 'soon' } }]).latencies[3]).toMatchObject({ tasks: 0 });
    expect(figures([{ ...original, timings: 7 }])).toMatchObject({ tasks: 1, untimed: 1 });
  });
});

describe('numbers are formatted for reading', () => {
  it.each([
    [elapsed(22), '22 ms'],
    [elapsed(1_440), '1.4 s'],
    [elapsed(210_000), '3.5 min'],
    [elapsed(5 * HOUR), '5 h'],
    [inSeconds(999), '< 1 s'],
    [inSeconds(1_999), '1 s'],
    [share(0.9996, 'en'), '99.9%'],
    [share(1, 'en'), '100%'],
    [share(0.0001, 'en'), '0.1%'],
    [share(0, 'en'), '0%'],
    [compact(45_000, 'en'), '45K'],
    [compact(45_000, 'zh-TW'), '4.5萬'],
    [price({ amount: 4956.052642, currency: 'CNY' }), '¥4,956.05'],
    [price({ amount: 0.036401, currency: 'USD' }), '$0.0364'],
  ])('%s', (said, wanted) => {
    expect(said).toBe(wanted);
  });
});

describe('text is escaped', () => {
  it('in generated HTML', () => {
    const hostile = `<script>alert(1)</script> & "quoted" 'single'`;
    expect(html`<p title="${hostile}">${hostile}${[1, undefined, false, html`<b>${'<'}</b>`]}</p>`.source).toBe(
      `<p title="${escapeHtml(hostile)}">${escapeHtml(hostile)}1<b>&lt;</b></p>`,
    );
    expect(escapeHtml(hostile)).toBe('&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot; &#39;single&#39;');
    expect(html`${trusted('<br>')}`.source).toBe('<br>');
    // Characters that are not allowed in HTML.
    expect(escapeHtml('a\u0000\u0007\uD800\u0085b\n😀')).toBe('a\uFFFD\uFFFD\uFFFD\uFFFDb\n😀');
  });

  it('on the page, wherever it comes from other parties', () => {
    const attack = '</script><script>pwned()</script><img src=x onerror="pwned()">\'';
    const hostile = page([
      result({ task_name: attack, model: attack, finish_reason: attack, output: attack }),
      ended('failed', attack, { task_name: attack, model: attack }),
      ended('failed', '__proto__', { task_name: attack }),
    ]);
    expect(hostile).not.toMatch(/<script|<img|onerror="/);
    expect(hostile).toContain('&lt;script&gt;');
    // No picture contains it: pictures contain only our own texts.
    for (const [svg] of hostile.matchAll(/<svg[\s\S]*?<\/svg>/g)) expect(svg).not.toContain('script');
    expect(hostile).toContain(`<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;`);
  });

  it('and truncated', () => {
    const long = 'W'.repeat(1_000_000);
    const size = page([ended('failed', long, { task_name: long, model: long })]).length;
    expect(size).toBeLessThan(page([ended('failed', 'x')]).length + 5_000);
  });
});

describe('the page', () => {
  it('lists a map in place of its rows, with how many are done and what they cost', () => {
    const rows = [1, 2].map((number) => result({ task_name: 'a row', row: { map: 'kimi-1707654321-1', number } }));
    const { output: _, acknowledged: __, tokens, ...of } = result({ task_name: 'of rows' });
    const cost = [{ amount: 0.5, currency: 'CNY', price_date: '2026-09-01' }];
    const map = { ...of, map: { rows: 3, done: 2, failed: 1, timed_out: 0, cancelled: 0, tokens, cost, failures: [] } };
    expect(figures([...rows, map])).toMatchObject({ tasks: 2, unacknowledged: 1 });
    const [, latest = ''] = /id="latest"([\s\S]*?)<\/table>/.exec(page([...rows, map])) ?? [];
    expect(latest).toMatch(/of rows[\s\S]*2\/3[\s\S]*¥0\.50/);
    expect(latest).not.toContain('a row');
  });

  it('is self-contained, and hardly grows with the number of tasks', () => {
    const one = page([result()]);
    expect(one).not.toMatch(/(?:src|href)="(?!#|http:\/\/127\.0\.0\.1:8233\/x\/kimi-|file:\/\/\/results\/kimi-)/);
    expect(one).not.toMatch(/url\(|@import|<link/);
    const many = page(Array.from({ length: 5_000 }, () => result()));
    expect(many.length).toBeLessThan(one.length * 1.5);
  });

  it('has each figure as text too, and ordered headings', () => {
    const all = page([result({ timings: { save_ms: 20 } }), ended('timed_out', 'timed_out')]);
    for (const [svg] of all.matchAll(/<svg[^>]*>/g)) expect(svg).toContain('aria-hidden="true"');
    const drawings = [...all.matchAll(/<figure>[\s\S]*?<\/figure>/g)].flat();
    // The drawings of tokens and cost share the table of their days.
    for (const drawing of drawings.filter((figure) => !figure.includes('<h3>'))) expect(drawing).toContain('<table>');
    expect([...all.matchAll(/<h(\d)/g)].map(([, level]) => level).join('')).toMatch(/^1(?:2(?:3)*)+$/);
  });

  it('says that there are no results, which are damaged, and what is missing', () => {
    expect(page([])).toContain('There are no results in this period.');
    const some = page([result(), undefined, undefined]);
    expect(some).toContain('2 files are damaged and not counted.');
    expect(some).toContain('1 result does not say how long the steps took and is not in here.');
  });

  it('counts the files that went with questions, if there were any', () => {
    const file = {
      name: 'a.pdf',
      bytes: 1_200_000,
      kind: 'document',
      stored_bytes: 1,
      sha256: 'x',
      claim: 'y',
    } as const;
    expect(page([result({ files: [file, file] }), result()])).toMatch(
      /<th scope="col"[^>]*>Files<[\s\S]*>2 <small>2\.4 MB</,
    );
    expect(page([result()])).not.toContain('>Files<');
    // A file that was edited by hand.
    expect(page([result({ files: [{ ...file, bytes: 'many' as never }] })])).not.toContain('>Files<');
  });

  it('says what batches saved, and how often a fallback was asked, if they were', () => {
    const cost = { amount: 0.6, saved: 0.4, currency: 'CNY', price_date: '2026-09-01' } as const;
    const fallback = { asked_model: 'kimi-k3', model: 'kimi-k2.6', overloaded_ms: 1 };
    const shown = page([result({ cost, fallback }), result({ cost })]);
    expect(shown).toContain('Batches saved ¥0.80.');
    expect(shown).toContain('as Kimi was overloaded (KIMI_FALLBACK): 1.');
    expect(page([result()])).not.toMatch(/Batches saved|KIMI_FALLBACK/);
  });

  it('marks the estimate as such', () => {
    expect(page(Array.from({ length: 30 }, () => result()))).toContain(
      'Estimate: polling would take 1000 more tokens for each answer, 75,000 in all; at the original design’s ¥0.6 for 1000 tokens that is ¥45.00 against ¥27.00, 40% saved.',
    );
  });

  it('gives reasons in the user’s language, and details only on a local page', () => {
    const failed = [ended('failed', 'content_filter', { error: { type: 'content_filter', message: 'about <you>' } })];
    expect(page(failed)).toMatch(/content filter rejected .*<br \/><small>about &lt;you&gt;<\/small>/);
    const abroad = page(failed, {} as never);
    expect(abroad).toContain('content filter rejected');
    expect(abroad).not.toMatch(/about|file:/);
  });
});

async function folderOf(...results: ResultFile[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const one of results) await writeFile(join(folder, `${one.task_id}.json`), JSON.stringify(one));
  return folder;
}
const recent = (ageMs = 0): ResultFile =>
  result({ created_at: isoSeconds(Date.now() - ageMs - 5_000), completed_at: isoSeconds(Date.now() - ageMs) });

describe('the command', () => {
  it('writes report.html into the current folder, without the engine, in both languages', async () => {
    const env = await cleanHome({ KIMI_RESULTS_DIR: await folderOf(recent()), TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect(await inProcess(['report'], env)).toEqual({
      code: 0,
      stdout: '已寫入報告：~/report.html（1 個任務）\n',
      stderr: '',
    });
    const chinese = await readFile(join(env['HOME'] ?? '', 'report.html'), 'utf8');
    expect(chinese).toMatch(/<html lang="zh-Hant-TW">[\s\S]*calculator/);
    expect(chinese).toContain('連不上引擎');
    expect(await inProcess(['report'], { ...env, KIMI_LANG: 'en' })).toMatchObject({
      stdout: 'Report written: ~/report.html (1 task)\n',
    });
    expect(await readFile(join(env['HOME'] ?? '', 'report.html'), 'utf8')).toMatch(/<html lang="en">/);
  });

  it('honours --since and -o, and reports damaged files', async () => {
    const folder = await folderOf(recent(), recent(2 * DAY));
    await writeFile(join(folder, 'kimi-1-1.json'), '{');
    const env = await cleanHome({ KIMI_RESULTS_DIR: folder, TEMPORAL_ADDRESS: '127.0.0.1:1', KIMI_LANG: 'en' });
    expect(await inProcess(['report', '--since', '1d', '-o', 'of a day.html'], env)).toMatchObject({
      code: 0,
      stdout: 'Report written: ~/of a day.html (1 task)\n',
      stderr: '1 file is damaged and not counted.\n',
    });
    const { stdout } = await inProcess(['report', '--since', '3d', '-o', '-'], env);
    expect(stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\s*$/);
  });

  it('opens it with the program of the system, or says that it cannot', async () => {
    const env = await cleanHome({ TEMPORAL_ADDRESS: '127.0.0.1:1', KIMI_LANG: 'en' });
    const bin = await temporaryFolder();
    const { PATH: _path, ...bare } = env;
    expect(await inProcess(['report', '--open'], { ...bare, PATH: bin })).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(
        /^Cannot open a browser, since (?:xdg-)?open is missing; open ~\/report\.html yourself\.\n$/,
      ),
    });
    const opened = join(bin, 'opened');
    for (const opener of ['open', 'xdg-open']) {
      await writeFile(
        join(bin, opener),
        `#!/bin/sh\necho "$1" > '${opened}.new'\n/bin/mv '${opened}.new' '${opened}'\n`,
      );
      await chmod(join(bin, opener), 0o755);
    }
    expect(await inProcess(['report', '--open'], { ...bare, PATH: bin })).toMatchObject({ code: 0, stderr: '' });
    expect(await until(async () => await readFile(opened, 'utf8').catch(() => false))).toMatch(/\/report\.html\n$/);
  });

  it.each([
    [['--since', '30'], 2, '必須有單位'],
    [['-o', 'nowhere/report.html'], 3, '報告不能寫到 ~/nowhere/report.html（不存在）'],
    [['-o', '.'], 3, '報告不能寫到'],
    [['-o', '-', '--open'], 2, '--open'],
  ])('refuses %j', async (args, code, sentence) => {
    const env = await cleanHome({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    const refused = await inProcess(['report', ...args], env);
    expect(refused).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(sentence) });
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  });

  it('says why results cannot be read, and writes nothing', async () => {
    const folder = join(await temporaryFolder(), 'results');
    await writeFile(folder, 'no folder');
    const env = await cleanHome({ KIMI_RESULTS_DIR: folder, TEMPORAL_ADDRESS: '127.0.0.1:1', KIMI_LANG: 'en' });
    expect(await inProcess(['report'], env)).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(
        /^Cannot read the results in .*results \(its path leads through a file\), so no report was written\./,
      ),
    });
  });
});

it('only one file of the build contains the drawing library', async () => {
  const scripts = (await readdir(DIST)).filter((name) => name.endsWith('.js'));
  const drawing = await Promise.all(
    scripts.map(async (name) => (await readFile(join(DIST, name), 'utf8')).includes('zrender')),
  );
  expect(scripts.filter((_, n) => drawing[n])).toEqual(['report-thread.js']);
});
