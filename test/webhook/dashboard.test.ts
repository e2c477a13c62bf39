/** The report that the webhook serves: who may read it, and that it is current. */
import type { RequestListener } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { describe, expect, inject, it } from 'vitest';
import { answerLink } from '../../src/webhook/answer-link.ts';
import { createDashboard } from '../../src/webhook/dashboard.ts';
import { Cached, LiveReport } from '../../src/report/live.ts';
import { createWebhook } from '../../src/webhook/app.ts';
import { createWebhookServer } from '../../src/webhook/server.ts';
import { refusal } from '../support/edge.ts';
import { launch } from '../support/service.ts';
import { requestBytes, send, type Answer } from '../support/wire.ts';
import { SECRET, serve, silent, temporaryFolder, until } from '../support/resources.ts';
import { engineClient, openIngest, openWorld } from '../support/world.ts';

const TOKEN = 'a-dashboard-token-of-its-own';

/** The webhook with a dashboard whose page is one word. */
async function openDashboard(token?: string): Promise<string> {
  return await serveWith(createDashboard({ report: { page: async () => Buffer.from('頁') }, token }));
}

async function serveWith(dashboard: ReturnType<typeof createDashboard> | undefined, engine?: Client): Promise<string> {
  const ingest = await openIngest(engine ?? (await engineClient()));
  const app: RequestListener = createWebhook({ ingest, secrets: [SECRET], dashboard, log: silent });
  return await serve(createWebhookServer(app));
}

async function get(url: string, headers: Record<string, string>, target = '/', method = 'GET') {
  return (await send(url, requestBytes({ method, target, headers }))) as Answer;
}

const basic = (password: string, user = 'anyone'): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

describe('on this machine', () => {
  it.each(['localhost:9001', 'LOCALHOST', '127.0.0.1:9001', '127.1.2.3', '[::1]:9001'])(
    'is shown at %s, and only the browser may cache it',
    async (host) => {
      const answer = await get(await openDashboard(), { host });
      expect(answer).toMatchObject({
        status: 200,
        body: '頁',
        headers: {
          'content-type': 'text/html; charset=utf-8',
          'content-security-policy': expect.stringMatching(
            /^default-src 'none'; script-src 'sha256-[^']+'; connect-src 'self'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
          ),
          'cache-control': 'no-store',
          'cross-origin-resource-policy': 'same-origin',
          'x-content-type-options': 'nosniff',
        },
      });
      expect(
        Object.keys(answer.headers).filter((name) => /^access-control|^www-auth|^set-cookie|^etag/.test(name)),
      ).toEqual([]);
    },
  );

  it.each([
    'attacker.example',
    'attacker.example:9001',
    'localhost.attacker.example',
    '127.0.0.1.attacker.example',
    '127.0.0.1:9001@attacker.example',
    'attacker.example#127.0.0.1',
    'localhost:9001:9001',
    '192.168.1.7:9001',
    '0.0.0.0:9001',
    '',
  ])('is not shown to a page that calls this machine “%s”', async (host) => {
    expect(await get(await openDashboard(), { host })).toMatchObject(refusal(403, 'not_this_machine'));
  });

  it('is not shown to requests without a host name, or through a proxy', async () => {
    const url = await openDashboard();
    expect(await send(url, 'GET / HTTP/1.1\r\n\r\n')).toMatchObject(refusal(403, 'not_this_machine'));
    for (const header of ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']) {
      const headers = { host: 'localhost', [header]: '192.0.2.1' };
      expect(await get(url, headers)).toMatchObject(refusal(403, 'not_this_machine'));
    }
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is refused', async (method) => {
    const answer = await get(await openDashboard(), { host: 'localhost' }, '/', method);
    expect(answer).toMatchObject({ ...refusal(405, 'method_not_allowed'), headers: { allow: 'GET' } });
  });
});

describe('with a token', () => {
  it('is shown to any client that has the token, wherever it is', async () => {
    const url = await openDashboard(TOKEN);
    const shown = await get(url, { host: 'kimi.example.com', 'x-forwarded-for': '192.0.2.1', ...basic(TOKEN) });
    expect(shown).toMatchObject({ status: 200, body: '頁' });
    expect(shown.headers).not.toHaveProperty('www-authenticate');
    expect(await get(url, { host: 'localhost', ...basic(TOKEN, '') })).toMatchObject({ status: 200 });
  });

  it.each([
    [{}],
    [basic('wrong')],
    [basic('')],
    [basic(`${TOKEN} `)],
    [{ authorization: `Bearer ${TOKEN}` }],
    [{ authorization: TOKEN }],
    [{ authorization: 'Basic' }],
    [{ authorization: `Basic ${Buffer.from(TOKEN).toString('base64')}` }],
    [{ cookie: `token=${TOKEN}` }],
  ])('is refused without it, on this machine too: %j', async (headers) => {
    const url = await openDashboard(TOKEN);
    const answer = await get(url, { host: 'localhost', ...headers });
    expect(answer).toMatchObject({
      ...refusal(401, 'bad_dashboard_token'),
      headers: { 'www-authenticate': 'Basic realm="Kimi Dispatch", charset="UTF-8"' },
    });
    expect(await get(url, { host: 'localhost' }, `/?token=${TOKEN}`)).toMatchObject({ status: 401 });
  });
});

it('is 404 if it is disabled', async () => {
  expect(await get(await serveWith(undefined), { host: 'localhost' })).toMatchObject(refusal(404, 'not_found'));
});

describe('a value that is expensive to compute', () => {
  it('is computed once for concurrent readers, and again after a pause', async () => {
    let made = 0;
    const cached = new Cached(async () => (made += 1), { rest: () => 60_000, stale: 60_000 });
    expect(await Promise.all(Array.from({ length: 50 }, async () => await cached.get()))).toEqual(Array(50).fill(1));
    expect(await cached.get()).toBe(1);
    const restless = new Cached(async () => (made += 1), { rest: () => 0, stale: 0 });
    expect(await restless.get()).toBe(2);
    expect(await restless.get()).toBe(3);
  });

  it('is served stale while the next one is computed, unless it is too old', async () => {
    let release: (() => void) | undefined;
    let made = 0;
    const work = async (): Promise<number> => {
      made += 1;
      const mine = made;
      if (mine > 1) await new Promise<void>((resolve) => (release = resolve));
      return mine;
    };
    const cached = new Cached(work, { rest: () => 0, stale: 60_000 });
    expect(await cached.get()).toBe(1);
    expect(await cached.get()).toBe(1);
    release?.();
    expect(await until(async () => (await cached.get()) === 2)).toBe(true);
    release?.();
  });

  it('that could not be computed is computed again for the next reader', async () => {
    let tries = 0;
    const work = async (): Promise<string> => {
      tries += 1;
      if (tries === 1) throw new Error('not yet');
      return 'made';
    };
    const cached = new Cached(work, { rest: () => 60_000, stale: 0 });
    await expect(cached.get()).rejects.toThrow('not yet');
    expect(await cached.get()).toBe('made');
  });
});

async function openLive(client: Client, taskQueue: string, folder: string): Promise<string> {
  const report = new LiveReport({
    client,
    taskQueue,
    folder,
    lang: 'en',
    links: { webUi: 'http://ui' },
    log: silent,
  });
  return await serveWith(createDashboard({ report }), client);
}

describe('the page', () => {
  const host = { host: 'localhost' };

  it('shows a task in flight, then its result, and neither prompt nor output', async () => {
    const world = await openWorld({ delayMs: 1_500 });
    const url = await openLive(world.client, world.taskQueue, world.results.folder);
    expect((await get(url, host)).body).toContain('No task is in flight.');
    const started = await world.start('a prompt nobody else may read', { task_name: 'watched' });
    const inFlight = await until(async () => {
      const { body } = await get(url, host);
      return /id="in-flight"[\s\S]*watched[\s\S]*id="overview"/.test(body) && body;
    });
    expect(inFlight).toContain(`href="http://ui/${started.task_id}"`);
    expect(inFlight).toMatch(/>waiting<|>dispatching</);
    await world.handle(started).result();
    const { output } = (await world.results.read(started.task_id)) ?? {};
    expect(output).toBeTruthy();
    const ended = await until(async () => {
      const { body } = await get(url, host);
      return /id="slowest"[\s\S]*watched/.test(body) && body.includes('No task is in flight.') && body;
    });
    for (const page of [inFlight, ended]) {
      expect(page).not.toContain('nobody else may read');
      expect(page).not.toContain('模擬的 Kimi');
      expect(page).not.toContain('file:');
      expect(page).not.toContain(world.results.folder);
    }
  });

  it('says so while the engine is unavailable or the results cannot be read', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'results'), 'no folder');
    const webhook = await launch('webhook', {
      WEBHOOK_SECRET: SECRET,
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      KIMI_RESULTS_DIR: join(folder, 'results'),
      KIMI_LANG: 'en',
    });
    const { port } = await webhook.says('ready');
    const { status, body } = await get(`http://127.0.0.1:${port}`, host);
    expect(status).toBe(200);
    expect(body).toContain('The engine is out of reach');
    expect(body).toContain('The results cannot be read now');
    await webhook.says('cannot be shown: ENOTDIR');
  });
});

describe('the process', () => {
  const base = { WEBHOOK_SECRET: SECRET, TEMPORAL_ADDRESS: inject('engine') };

  it.each([
    [{}, 200, 403],
    [{ KIMI_DASHBOARD: 'on' }, 200, 403],
    [{ KIMI_DASHBOARD: 'off' }, 404, 404],
    [{ WEBHOOK_HOST: '0.0.0.0' }, 404, 404],
    [{ WEBHOOK_HOST: '0.0.0.0', KIMI_DASHBOARD_TOKEN: TOKEN }, 401, 200],
    [{ KIMI_DASHBOARD_TOKEN: TOKEN }, 401, 200],
    [{ KIMI_DASHBOARD_TOKEN: TOKEN, KIMI_DASHBOARD: 'off' }, 404, 404],
  ])(
    'with %j responds to this machine with %i, and to other clients that have the token with %i',
    async (env, here, elsewhere) => {
      const { says } = await launch('webhook', { ...base, ...(env as Record<string, string>) });
      const url = `http://127.0.0.1:${(await says('ready')).port}`;
      expect(await get(url, { host: 'localhost' })).toMatchObject({ status: here });
      expect(await get(url, { host: 'x.example', ...basic(TOKEN) })).toMatchObject({ status: elsewhere });
    },
  );

  it('does not show it to other machines, even if it is configured to', async () => {
    const { ended, says } = await launch('webhook', { ...base, WEBHOOK_HOST: '0.0.0.0', KIMI_DASHBOARD: 'on' });
    await says('KIMI_DASHBOARD=on needs KIMI_DASHBOARD_TOKEN if other machines can reach it (WEBHOOK_HOST=0.0.0.0)');
    expect(await ended).toBe(3);
  });

  it.each([{}, { KIMI_DASHBOARD_TOKEN: TOKEN, KIMI_DASHBOARD: 'off' }])(
    'makes no links that would lead nowhere: with %j it does not start',
    async (env) => {
      const KIMI_DASHBOARD_URL = 'https://kimi.example.com';
      const { ended, says } = await launch('webhook', {
        ...base,
        KIMI_DASHBOARD_URL,
        ...(env as Record<string, string>),
      });
      await says('KIMI_DASHBOARD_URL needs KIMI_DASHBOARD_TOKEN, and a dashboard that is not off');
      expect(await ended).toBe(3);
    },
  );

  it.each([
    [{ KIMI_DASHBOARD_URL: 'https://kimi.example.com/' }, 404],
    [{}, 401],
  ])('with %j answers a link to a task with %i', async (env, status) => {
    const own = { ...base, KIMI_DASHBOARD_TOKEN: TOKEN, KIMI_RESULTS_DIR: await temporaryFolder() };
    const { says } = await launch('webhook', { ...own, ...(env as Record<string, string>) });
    const url = `http://127.0.0.1:${(await says('ready')).port}`;
    const link = answerLink('https://kimi.example.com/', 'kimi-1764000001-7', SECRET);
    expect(link).toMatch(/^https:\/\/kimi\.example\.com\/tasks\/kimi-1764000001-7\?/);
    expect(await get(url, { host: 'kimi.example.com' }, link.slice('https://kimi.example.com'.length))).toMatchObject({
      status,
    });
  });
});
