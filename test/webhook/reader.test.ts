/** The pages of tasks: who may read an answer, cancel a task and continue its conversation, and what is shown of each state. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { answerPage } from '../../src/report/answer.ts';
import { Reader, type ReaderOptions } from '../../src/report/reader.ts';
import { ResultStore } from '../../src/results/store.ts';
import { answerLink } from '../../src/webhook/answer-link.ts';
import { createWebhook } from '../../src/webhook/app.ts';
import { createDashboard } from '../../src/webhook/dashboard.ts';
import { createWebhookServer } from '../../src/webhook/server.ts';
import { rowTaskId } from '../../src/shared/task-id.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import { tasksOf } from '../support/api.ts';
import { refusal } from '../support/edge.ts';
import { MAX_PROMPT_BYTES } from '../../src/shared/task.ts';
import { SECRET, serve, silent, temporaryFolder, until } from '../support/resources.ts';
import { launch } from '../support/service.ts';
import { requestBytes, send, type Answer } from '../support/wire.ts';
import { engineClient, openIngest, openWorld, type World } from '../support/world.ts';

const TOKEN = 'a-dashboard-token-of-its-own';
const HERE = { host: 'localhost' };
const LOGIN = { authorization: `Basic ${Buffer.from(`anyone:${TOKEN}`).toString('base64')}` };
const OWN_PAGE = { ...HERE, ...LOGIN, origin: 'http://localhost' };

const ID = 'kimi-1764000001-7';
const RESULT = {
  task_id: ID,
  task_name: '合約 / 重點',
  status: 'done',
  model: 'kimi-k2.6',
  prompt: 'what was asked & how',
  output: '這是**「重點」**的說明 <script>x</script>',
  created_at: '2026-11-24T12:00:00Z',
  completed_at: '2026-11-24T12:00:48Z',
};

interface Opened {
  /** Default: a folder with {@link RESULT}, and more results. */
  world?: World;
  more?: object[];
  may?: ReaderOptions['may'];
  webUi?: string;
}

async function open({ world, more = [], may, webUi }: Opened = {}, token?: string) {
  const folder = world?.results.folder ?? (await temporaryFolder());
  for (const result of world ? [] : [RESULT, ...more]) {
    const { task_id } = result as typeof RESULT;
    await writeFile(join(folder, `${task_id}.json`), JSON.stringify(result));
  }
  const client = world?.client ?? (await engineClient());
  const tasks = async () => {
    if (!world) throw new Error('there is no service');
    return tasksOf(world);
  };
  const common = { client, tasks, folder, keys: new Map(), lang: 'en' as const, webUi, log: silent };
  const hasToken = token !== undefined;
  const reader = new Reader({ ...common, may: may ?? { cancel: hasToken, continue: hasToken } });
  const calls: string[] = [];
  const watched: Pick<Reader, 'may' | 'page' | 'markdown' | 'cancel' | 'continue'> = {
    may: reader.may,
    page: async (id, link) => (calls.push(`page ${id}`), await reader.page(id, link)),
    markdown: async (id) => (calls.push(`markdown ${id}`), await reader.markdown(id)),
    cancel: async (id) => (calls.push(`cancel ${id}`), await reader.cancel(id)),
    continue: async (id, ...rest) => (calls.push(`continue ${id}`), await reader.continue(id, ...rest)),
  };
  const report = { page: async () => Buffer.from('頁') };
  const linkSecrets = ['the one before', SECRET];
  const dashboard = createDashboard({ report, reader: watched, token, linkSecrets });
  const ingest = await openIngest(client);
  const url = await serve(createWebhookServer(createWebhook({ ingest, secrets: [SECRET], dashboard, log: silent })));
  const ask = async (target: string, headers: Record<string, string> = HERE, method = 'GET', body?: string) =>
    (await send(url, requestBytes({ method, target, headers, ...(body !== undefined && { body }) }))) as Answer;
  return { ask, calls };
}

describe('an answer', () => {
  it('is shown with its question, as sanitised Markdown under the policy of the page', async () => {
    const { ask } = await open();
    const { status, headers, body } = await ask(`/tasks/${ID}`);
    expect(status).toBe(200);
    expect(body).toContain('what was asked &amp; how');
    expect(body).toContain('<strong>「重點」</strong>的說明 &lt;script&gt;x&lt;/script&gt;');
    expect(body).toContain(`href="${ID}/answer.md"`);
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringMatching(/^default-src 'none'; script-src 'sha256-[^']+'; connect-src/),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });

  it('is downloaded as it is, as a file', async () => {
    const { ask } = await open();
    expect(await ask(`/tasks/${ID}/answer.md`)).toMatchObject({
      status: 200,
      body: RESULT.output,
      headers: {
        'content-type': 'text/markdown; charset=utf-8',
        'content-disposition': `attachment; filename="??-??.md"; filename*=UTF-8''${encodeURIComponent('合約-重點.md')}`,
        'content-security-policy': "default-src 'none'; sandbox",
        'cache-control': 'no-store',
      },
    });
  });

  it('of a map links its rows, and says which have none; a row links its map', async () => {
    const failures = [
      { number: 3, task_id: rowTaskId(ID, 3), status: 'failed', error: { type: 'x', message: 'no <b>' } },
    ];
    const counts = { rows: 3, done: 2, failed: 1, timed_out: 0, cancelled: 0 };
    const { output: _, ...asked } = RESULT;
    const map = { ...asked, status: 'failed', map: { ...counts, tokens: {}, cost: [], failures } };
    const row = { ...RESULT, task_id: rowTaskId(ID, 1), row: { map: ID, number: 1 } };
    const { ask } = await open({ more: [map, row] });
    const { body } = await ask(`/tasks/${ID}`);
    expect(body).toContain('2 of 3 done, 1 failed');
    for (const number of [1, 2, 3]) expect(body).toContain(`<a href="${rowTaskId(ID, number)}">${number}</a>`);
    expect(body).toContain('no &lt;b&gt;');
    expect((await ask(`/tasks/${row.task_id}`)).body).toContain(`Row 1 of <a href="${ID}">`);
  });

  it('that cannot be rendered is offered as a download', () => {
    const turn = { task: { ...RESULT, status: 'done' as const }, isLocked: false };
    const page = answerPage(turn, { lang: 'en', webUi: undefined, mayContinue: false });
    expect(page).toContain('too complex to be shown here');
    expect(page).toContain(`href="${ID}/answer.md"`);
    expect(page).not.toContain('data-copy="source"');
  });

  it.each(['kimi-1-1', 'latest', 'x', '..%2f..%2fetc%2fpasswd', `${ID}%00`, `${ID}.json`, '%E0%A4%A'])(
    'of “%s” does not exist',
    async (id) => {
      const { ask } = await open();
      const { status } = await ask(`/tasks/${id}`);
      expect(status).toBe(id === '%E0%A4%A' ? 400 : 404);
      expect((await ask(`/tasks/${id}/answer.md`)).status).toBe(status);
    },
  );
});

/** What readers do. */
const ACTIONS = ['cancel', 'continue'];

describe('a stranger', () => {
  const PATHS = [`/tasks/${ID}`, `/tasks/${ID}/answer.md`];

  it.each([
    [{ host: 'attacker.example' }],
    [{ host: 'localhost', 'x-forwarded-for': '192.0.2.1' }],
    [{ host: 'localhost', origin: 'https://attacker.example' }],
  ])('reads nothing of this machine’s page: %j', async (headers) => {
    const { ask, calls } = await open();
    for (const path of PATHS) expect(await ask(path, headers)).toMatchObject(refusal(403, 'not_this_machine'));
    expect(calls).toEqual([]);
  });

  it('reads, cancels and asks nothing without the token', async () => {
    const { ask, calls } = await open({}, TOKEN);
    const wrong = { ...OWN_PAGE, authorization: `Basic ${Buffer.from('anyone:wrong').toString('base64')}` };
    for (const headers of [HERE, wrong]) {
      for (const path of PATHS) expect(await ask(path, headers)).toMatchObject(refusal(401, 'bad_dashboard_token'));
      for (const what of ACTIONS) {
        expect(await ask(`/tasks/${ID}/${what}`, headers, 'POST', 'x')).toMatchObject(
          refusal(401, 'bad_dashboard_token'),
        );
      }
    }
    expect(calls).toEqual([]);
  });

  it.each([
    [{}],
    [{ origin: 'https://attacker.example' }],
    [{ origin: 'null' }],
    [{ origin: 'http://localhost:1' }],
    [{ origin: 'http://localhost', 'sec-fetch-site': 'cross-site' }],
    [{ origin: 'http://localhost', 'sec-fetch-site': 'same-site' }],
    [{ 'sec-fetch-site': 'none' }],
  ])('’s page cancels and asks nothing with the reader’s password: %j', async (headers) => {
    const { ask, calls } = await open({}, TOKEN);
    for (const what of ACTIONS) {
      const sent = { ...HERE, ...LOGIN, 'content-type': 'text/plain', ...(headers as Record<string, string>) };
      expect(await ask(`/tasks/${ID}/${what}`, sent, 'POST', 'x')).toMatchObject(refusal(403, 'foreign_page'));
    }
    expect(calls).toEqual([]);
  });

  it.each(['PUT', 'DELETE', 'POST', 'OPTIONS'])('%s is refused', async (method) => {
    const { ask, calls } = await open({}, TOKEN);
    expect(await ask(`/tasks/${ID}`, OWN_PAGE, method)).toMatchObject(refusal(405, 'method_not_allowed'));
    for (const what of ACTIONS) {
      const other = method === 'POST' ? 'GET' : method;
      expect(await ask(`/tasks/${ID}/${what}`, OWN_PAGE, other)).toMatchObject(refusal(405, 'method_not_allowed'));
    }
    expect(calls).toEqual([]);
  });
});

describe('a link to an answer', () => {
  const OTHER = 'kimi-1764000001-8';
  const DAY_MS = 24 * 3600 * 1000;
  const ELSEWHERE = { host: 'kimi.example.com', 'x-forwarded-for': '192.0.2.1' };
  const link = (id = ID, now = Date.now(), secret = SECRET) => answerLink('', id, secret, now).replace('/tasks/', '');

  it('shows that answer to readers elsewhere without the password, and lets them download it', async () => {
    const { ask } = await open({ webUi: 'https://ui.example.com', more: CHAIN }, TOKEN);
    const { status, body } = await ask(`/tasks/${link()}`, ELSEWHERE);
    expect(status).toBe(200);
    expect(body).toContain('<strong>「重點」</strong>的說明');
    expect(body).not.toContain(TOKEN);
    // Its reader can open no other page.
    expect(body).not.toMatch(
      /href="\.\.\/"|ui\.example\.com|data-confirm|<form|the first question|href="kimi-\d+-[56]/,
    );
    const [, download = ''] = /href="([^"]+)" download/.exec(body) ?? [];
    expect(await ask(`/tasks/${download.replaceAll('&amp;', '&')}`, ELSEWHERE)).toMatchObject({
      status: 200,
      body: RESULT.output,
    });
  });

  it('opens nothing else', async () => {
    const { ask, calls } = await open({}, TOKEN);
    const query = link().slice(ID.length);
    for (const what of ACTIONS) {
      const own = { ...ELSEWHERE, origin: 'http://kimi.example.com' };
      expect(await ask(`/tasks/${ID}/${what}${query}`, own, 'POST', 'x')).toMatchObject(
        refusal(401, 'bad_dashboard_token'),
      );
    }
    for (const path of ['/', `/tasks/${OTHER}`, `/tasks/${OTHER}/answer.md`])
      expect(await ask(`${path}${query}`, ELSEWHERE)).toMatchObject(refusal(401, 'bad_dashboard_token'));
    expect(calls).toEqual([]);
  });

  it('works for a week, and its end cannot be moved', async () => {
    const { ask } = await open({}, TOKEN);
    expect(await ask(`/tasks/${link(ID, Date.now() - 6.9 * DAY_MS)}`, ELSEWHERE)).toMatchObject({ status: 200 });
    const old = link(ID, Date.now() - 7.1 * DAY_MS);
    const later = String(Math.floor(Date.now() / 1000) + 3600);
    for (const path of [old, old.replace(/until=\d+/, `until=${later}`), old.replace(/until=\d+/, 'until=NaN')])
      expect(await ask(`/tasks/${path}`, ELSEWHERE)).toMatchObject(refusal(401, 'bad_dashboard_token'));
  });

  it.each([
    ['of another secret', link(ID, Date.now(), 'not-the-secret')],
    ['without a signature', link().replace(/&signature=.*/, '')],
    ['with an empty signature', link().replace(/signature=.*/, 'signature=')],
  ])('%s opens nothing', async (_how, path) => {
    const { ask, calls } = await open({}, TOKEN);
    expect(await ask(`/tasks/${path}`, ELSEWHERE)).toMatchObject(refusal(401, 'bad_dashboard_token'));
    expect(calls).toEqual([]);
  });

  it('to a task without an answer says so, and asks no engine', async () => {
    const { ask } = await open({}, TOKEN);
    const { status, body } = await ask(`/tasks/${link(OTHER)}`, ELSEWHERE);
    expect(status).toBe(404);
    expect(body).not.toContain('href="../"');
  });
});

describe('a task in flight', () => {
  it('has a page with its state, then with its answer', async () => {
    const world = await openWorld({ delayMs: 1_500 });
    const { ask } = await open({ world });
    const files = [await tasksOf(world).keep({ name: '合約.txt', content: Buffer.from('甲方'.repeat(200)) })];
    const { task_id } = await world.start('what is asked', { task_name: 'watched', files, continues: ID });
    const { status, body } = await ask(`/tasks/${task_id}`);
    expect(status).toBe(200);
    expect(body).toContain('id="progress"');
    expect(body).toContain('watched');
    expect(body).toContain('data-lost=');
    expect(body).toContain('合約.txt (1.2 KB)');
    expect(body).toContain(`<a href="${ID}">${ID}</a>`);
    // Without a token it is read only.
    expect(body).not.toContain('data-confirm');
    expect(await ask(`/tasks/${task_id}/answer.md`)).toMatchObject({ status: 404 });
    for (const what of ACTIONS) {
      const own = { ...HERE, origin: 'http://localhost' };
      expect(await ask(`/tasks/${task_id}/${what}`, own, 'POST', 'x')).toMatchObject(refusal(404, 'not_found'));
    }
    await world.handle({ task_id }).result();
    const ended = await until(async () => {
      const page = await ask(`/tasks/${task_id}`);
      return page.body.includes('id="answer"') && page.body;
    });
    expect(ended).toContain('what is asked');
    expect(ended).toContain('模擬的 Kimi');
  });

  it('is cancelled by a reader with the token, once', async () => {
    const world = await openWorld();
    const { ask } = await open({ world }, TOKEN);
    const { task_id } = await world.start('x [[simulate: drop=1]]');
    expect((await ask(`/tasks/${task_id}`, { ...HERE, ...LOGIN })).body).toContain('data-confirm=');
    const cancelled = await ask(`/tasks/${task_id}/cancel`, OWN_PAGE, 'POST');
    expect(cancelled).toMatchObject({ status: 200, body: '{"status":"cancelled"}' });
    expect(await world.results.read(task_id)).toMatchObject({ status: 'cancelled' });
    const again = await ask(`/tasks/${task_id}/cancel`, { ...HERE, ...LOGIN, 'sec-fetch-site': 'same-origin' }, 'POST');
    expect(again).toMatchObject(refusal(409, 'already_ended'));
    expect(await ask('/tasks/kimi-1-1/cancel', OWN_PAGE, 'POST')).toMatchObject(refusal(404, 'unknown_task'));
    expect((await ask(`/tasks/${task_id}`, { ...HERE, ...LOGIN })).body).not.toContain('data-confirm=');
  });
});

/** A chain of three tasks, the last of which is {@link RESULT}'s. */
const FIRST = 'kimi-1764000001-5';
const SECOND = 'kimi-1764000001-6';
const CHAIN = [
  { ...RESULT, task_id: FIRST, prompt: 'the first question', output: 'the **first** <b>answer</b>' },
  { ...RESULT, task_id: SECOND, prompt: 'the second question', output: 'second', continues: FIRST },
  { ...RESULT, continues: SECOND },
];

const id = (n: number): string => `kimi-1764000002-${n}`;

describe('a conversation', () => {
  it('is shown before the answer, each answer as sanitised Markdown', async () => {
    const { ask } = await open({ more: CHAIN });
    const { body } = await ask(`/tasks/${ID}`);
    const places = ['the first question', 'the second question', 'what was asked', 'id="answer"'].map((words) =>
      body.indexOf(words),
    );
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(Math.min(...places)).toBeGreaterThan(0);
    expect(body).toContain('the <strong>first</strong> &lt;b&gt;answer&lt;/b&gt;');
    expect(body).toContain(`<a href="${SECOND}">Open this task</a>`);
    // The first page of it has none.
    expect((await ask(`/tasks/${FIRST}`)).body).not.toContain('id="earlier"');
  });

  it('is shown as far as it is there: the rest is a link', async () => {
    const [, ...rest] = CHAIN;
    const { body } = await (await open({ more: rest })).ask(`/tasks/${ID}`);
    expect(body).toContain('the second question');
    expect(body).toContain(`Continues <a href="${FIRST}">`);
  });

  it('that leads back to itself, or out of the folder, ends', async () => {
    const loop = await open({
      more: [
        { ...RESULT, task_id: FIRST, continues: ID },
        { ...RESULT, continues: FIRST },
      ],
    });
    expect((await loop.ask(`/tasks/${ID}`)).body.match(/<details>/g)).toHaveLength(1);
    const out = await open({ more: [{ ...RESULT, continues: '../../x' }] });
    expect(await out.ask(`/tasks/${ID}`)).toMatchObject({ status: 404 });
  });

  it('of many turns shows the newest twenty', async () => {
    const more = Array.from({ length: 30 }, (_, n) => ({
      ...RESULT,
      task_id: id(n),
      prompt: `question ${n}`,
      ...(n > 0 && { continues: id(n - 1) }),
    }));
    const { body } = await (await open({ more })).ask(`/tasks/${id(29)}`);
    expect(body.match(/<details>/g)).toHaveLength(20);
    expect(body).toContain('question 9');
    expect(body).not.toContain('question 8<');
    expect(body).toContain(`Continues <a href="${id(8)}">`);
  });

  it('is continued by a reader with the token; the same question with the same key is one task', async () => {
    const world = await openWorld();
    const { ask } = await open({ world }, TOKEN);
    const { task_id: first } = await world.start('the first question', { task_name: 'talk' });
    await world.handle({ task_id: first }).result();
    expect((await ask(`/tasks/${first}`, OWN_PAGE)).body).toContain('<form');
    const sent = { ...OWN_PAGE, 'content-type': 'text/plain;charset=UTF-8', 'idempotency-key': newKey() };
    const send = async (words: string, more = {}) =>
      await ask(`/tasks/${first}/continue`, { ...sent, ...more }, 'POST', words);

    const answer = await send('再說一次');
    expect(answer.status).toBe(201);
    const { task_id } = JSON.parse(answer.body) as { task_id: string };
    expect(await send('再說一次')).toMatchObject({ status: 201, body: answer.body });
    expect(await send('別的問題')).toMatchObject(refusal(422, 'key_reused'));
    await world.handle({ task_id }).result();
    expect(await world.results.read(task_id)).toMatchObject({
      prompt: '再說一次',
      continues: first,
      task_name: 'talk',
    });
    const { body } = await ask(`/tasks/${task_id}`, OWN_PAGE);
    expect(body).toContain('id="earlier"');
    expect(body.indexOf('the first question')).toBeLessThan(body.indexOf('再說一次'));
    expect(world.counts.billed).toBe(2);

    expect(await send(' \n')).toMatchObject(refusal(422, 'no_prompt'));
    expect(await send('x', { 'content-type': 'application/json' })).toMatchObject(refusal(422, 'no_prompt'));
    expect(await send('x', { 'idempotency-key': 'not a key' })).toMatchObject(refusal(400, 'invalid_request'));
    expect(await send('x'.repeat(MAX_PROMPT_BYTES + 1))).toMatchObject(refusal(413, 'body_too_large'));
    expect(await ask('/tasks/kimi-1-1/continue', sent, 'POST', 'x')).toMatchObject(refusal(404, 'unknown_task'));
  });

  it('without an answer is not continued, and has no form', async () => {
    const world = await openWorld();
    const { ask } = await open({ world }, TOKEN);
    const { task_id } = await world.start('x [[simulate: fail=1 type=content_filter]]');
    await world.handle({ task_id }).result();
    const page = await until(async () => {
      const { body } = await ask(`/tasks/${task_id}`, OWN_PAGE);
      return body.includes('id="answer"') && body;
    });
    expect(page).not.toContain('<form');
    const sent = { ...OWN_PAGE, 'content-type': 'text/plain' };
    expect(await ask(`/tasks/${task_id}/continue`, sent, 'POST', 'y')).toMatchObject(refusal(409, 'no_answer'));
  });

  it('is not continued where the tasks of the services are started in another way', async () => {
    const world = await openWorld();
    const { ask } = await open({ world, may: { cancel: true, continue: false } }, TOKEN);
    const { task_id } = await world.start('x');
    await world.handle({ task_id }).result();
    expect((await ask(`/tasks/${task_id}`, OWN_PAGE)).body).not.toContain('<form');
    expect(await ask(`/tasks/${task_id}/continue`, OWN_PAGE, 'POST', 'y')).toMatchObject(refusal(404, 'not_found'));
  });
});

const KEYS = `k1:${Buffer.alloc(32, 7).toString('base64')}`;

async function openProcess(env: Record<string, string>) {
  const folder = await temporaryFolder();
  const { KIMI_PAYLOAD_KEYS: keys } = readConfig({ KIMI_PAYLOAD_KEYS: env['KIMI_PAYLOAD_KEYS'] });
  const store = new ResultStore(folder, keys);
  await store.prepare();
  const { completed_at: _completed, ...result } = RESULT;
  await store.persist({ ...result, status: 'done' });
  const { says } = await launch('webhook', {
    WEBHOOK_SECRET: SECRET,
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_RESULTS_DIR: folder,
    KIMI_LANG: 'en',
    ...env,
  });
  const url = `http://127.0.0.1:${(await says('ready')).port}`;
  return async (target: string, headers: Record<string, string>) =>
    (await send(url, requestBytes({ method: 'GET', target, headers }))) as Answer;
}

describe('the process', () => {
  it('shows answers to this machine', async () => {
    const ask = await openProcess({});
    expect((await ask('/', HERE)).body).toContain(`href="tasks/${ID}"`);
    expect((await ask(`/tasks/${ID}`, HERE)).body).toContain('what was asked');
    expect(await ask(`/tasks/${ID}`, { host: 'x.example' })).toMatchObject(refusal(403, 'not_this_machine'));
  });

  it('shows what is encrypted only to readers with the token', async () => {
    const closed = await openProcess({ KIMI_PAYLOAD_KEYS: KEYS });
    expect((await closed('/', HERE)).body).not.toContain('href="tasks/');
    expect(await closed(`/tasks/${ID}`, HERE)).toMatchObject(refusal(404, 'not_found'));
    const ask = await openProcess({ KIMI_PAYLOAD_KEYS: KEYS, KIMI_DASHBOARD_TOKEN: TOKEN });
    expect(await ask(`/tasks/${ID}`, HERE)).toMatchObject(refusal(401, 'bad_dashboard_token'));
    expect((await ask(`/tasks/${ID}`, { host: 'x.example', ...LOGIN })).body).toContain('what was asked');
  });

  it('says that the engine is out of reach', async () => {
    const ask = await openProcess({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    expect((await ask('/tasks/kimi-1-1', HERE)).body).toContain('The engine is out of reach');
    expect((await ask(`/tasks/${ID}`, HERE)).status).toBe(200);
  });
});
