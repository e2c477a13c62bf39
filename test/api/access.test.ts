/** Who may see and do what: the table in SECURITY.md, and the API with tokens. */
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { fromTokens } from '../../src/api/callers.ts';
import { OPERATIONS } from '../../src/api/operations.ts';
import { createToken, listTokens, revokeToken } from '../../src/api/tokens.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { may, SCOPES, type Belonging, type Caller, type Deed, type Scope } from '../../src/shared/access.ts';
import { Problem } from '../../src/tasks/problem.ts';
import type { ServiceTasks } from '../../src/tasks/tasks.ts';
import { serve, silent, temporaryFolder } from '../support/resources.ts';

const CHAT = { channel: 'telegram', to: '4242' };
const OWN: Belonging = { task_id: 'kimi-1-1', owner: 'mine', route: CHAT };
const FOREIGN: Belonging = { task_id: 'kimi-1-2', owner: 'another', route: { ...CHAT, to: '1' } };
const token = (...scopes: Scope[]): Caller => ({ by: 'token', name: 'mine', scopes });
const CALLERS: [named: RegExp, caller: Caller][] = [
  [/^this user/, { by: 'user' }],
  [/`admin`/, token('admin')],
  [/`submit,read`/, token('submit', 'read')],
  [/`submit`/, token('submit')],
  [/`read`/, token('read')],
  [/^a chat/, { by: 'chat', route: CHAT }],
  [/^the dashboard/, { by: 'dashboard' }],
  [/^a signed link/, { by: 'link', task_id: 'kimi-1-1' }],
];

async function tableOfSecurity(): Promise<string[][]> {
  const page = await readFile(join(PACKAGE_ROOT, 'SECURITY.md'), 'utf8');
  const section = page.split('## Who may see and do what')[1]?.split('\n## ')[0] ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('| ---'));
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

it('is what the table in SECURITY.md says, in each cell', async () => {
  const [[, ...deeds] = [], ...rows] = await tableOfSecurity();
  expect(deeds).toHaveLength(5);
  expect(rows).toHaveLength(CALLERS.length);
  for (const [who = '', ...cells] of rows) {
    const caller = CALLERS.find(([named]) => named.test(who))?.[1] ?? { by: 'user' };
    for (const [index, deed] of deeds.entries()) {
      const name = (/`(\w+)`/.exec(deed)?.[1] ?? '') as Deed;
      const allowed = may(caller, name, FOREIGN) ? 'all' : may(caller, name, OWN) ? 'own' : 'none';
      expect(allowed, `${who}: ${name}`).toBe(cells[index]);
    }
  }
});

/** What each operation does, to one task or schedule or to none, and a body with which it can be done. */
const DONE: Record<string, { deed: Deed; toOne?: true; body?: object | Buffer }> = {
  startTask: { deed: 'start', body: { prompt: 'x' } },
  keepFile: { deed: 'start', body: Buffer.from('x') },
  startMap: {
    deed: 'start',
    body: { prompt: '{{text}}', rows: { name: 'a.txt', rows: 1, sha256: '0'.repeat(64), chunks: [] } },
  },
  keepRows: { deed: 'start', body: Buffer.from('x') },
  listTasks: { deed: 'read' },
  getTask: { deed: 'read', toOne: true },
  getResult: { deed: 'read', toOne: true },
  getQuestion: { deed: 'read', toOne: true },
  followTask: { deed: 'read', toOne: true },
  continueTask: { deed: 'start', toOne: true, body: { prompt: 'x' } },
  getMap: { deed: 'read', toOne: true },
  getLimits: { deed: 'read' },
  cancelTask: { deed: 'change', toOne: true },
  allowTask: { deed: 'allow', toOne: true },
  removeTask: { deed: 'change', toOne: true },
  acknowledgeTask: { deed: 'change', toOne: true },
  listResults: { deed: 'read' },
  getLatestResult: { deed: 'read' },
  addSchedule: { deed: 'start', body: { when: 'every day 8:00', task: { prompt: 'x' } } },
  listSchedules: { deed: 'read' },
  pauseSchedule: { deed: 'change', toOne: true },
  resumeSchedule: { deed: 'change', toOne: true },
  runSchedule: { deed: 'start', toOne: true },
  removeSchedule: { deed: 'change', toOne: true },
};

/** Operations that note how they were called. */
function noting(owner: string): { tasks: ServiceTasks; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const reached = async (...args: unknown[]): Promise<never> => {
    calls.push(args);
    throw new Problem('no_results', {});
  };
  const ownerOf = async (): Promise<string> => owner;
  // What is awaited must not look like a promise.
  const called = (name: string | symbol) => (name === 'then' ? undefined : reached);
  const operations = (more: object) =>
    new Proxy({ ownerOf, ...more }, { get: (own, name) => (name in own ? Reflect.get(own, name) : called(name)) });
  const tasks: unknown = operations({ schedules: operations({}) });
  return { tasks: tasks as ServiceTasks, calls };
}

interface Served {
  home: string;
  send: (
    secret: string | undefined,
    method?: string,
    path?: string,
    more?: { body?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string> },
  ) => Promise<Answer>;
}

interface Answer {
  status: number;
  headers: Headers;
  code: string;
  title: string;
}

async function serveTcp(tasks: ServiceTasks, { host = '127.0.0.1', perMinute = 0 } = {}): Promise<Served> {
  const home = await temporaryFolder();
  const authenticate = fromTokens({ home, host, perMinute, log: silent });
  const url = await serve(createApi(async () => tasks, silent, authenticate));
  const send: Served['send'] = async (secret, method = 'GET', path = '/v1/tasks', more = {}) => {
    const headers = { ...(secret !== undefined && { authorization: `Bearer ${secret}` }), ...more.headers };
    const answer = await fetch(url + path, { ...more, method, headers });
    const { code, title } = (await answer.json()) as { code: string; title: string };
    return { status: answer.status, headers: answer.headers, code, title };
  };
  return { home, send };
}

describe('a token', () => {
  it.each<[string, Scope[]]>([
    ['submit', ['submit']],
    ['read', ['read']],
    ['submit,read', ['submit', 'read']],
    ['admin', ['admin']],
  ])(
    'of %s does what its scope says, by each operation, to its own tasks and to those of others',
    async (_, scopes) => {
      expect(Object.keys(DONE).toSorted()).toEqual(OPERATIONS.map(({ id }) => id).toSorted());
      const holder = token(...scopes);
      for (const owner of ['mine', 'another']) {
        const { tasks, calls } = noting(owner);
        const { home, send } = await serveTcp(tasks);
        const secret = (await createToken(home, 'mine', scopes)) ?? '';
        for (const { id, method, path } of OPERATIONS) {
          const { deed, toOne, body } = DONE[id] ?? { deed: 'read' };
          const isOfAll = id === 'listTasks' || id === 'getLatestResult';
          const target = path.replace('{task_id}', 'kimi-1-1').replace('{name}', 'morning');
          const query = body instanceof Buffer ? '?name=a.txt' : id === 'listResults' ? '?acknowledged=false' : '';
          const type = body instanceof Buffer ? 'application/octet-stream' : 'application/json';
          const content = body instanceof Buffer ? new Uint8Array(body) : JSON.stringify(body);
          const more = body ? { body: content, headers: { 'content-type': type } } : {};
          const { status, code } = await send(secret, method.toUpperCase(), target + query, more);
          const unknown = path.includes('{name}') ? 'unknown_schedule' : 'unknown_task';
          const expected = !may(holder, deed)
            ? 'not_allowed'
            : toOne && !may(holder, deed, { owner })
              ? unknown
              : 'no_results';
          const isReached = expected === 'no_results';
          const namesOwner =
            (deed === 'start' && body && !(body instanceof Buffer)) || (isOfAll && !may(holder, deed, {}));
          const [first] = calls.splice(0).flat() as { owner?: string; task?: { owner?: string } }[];
          const as = first?.owner ?? first?.task?.owner;
          expect({ id, code, isForbidden: status === 403, as }).toEqual({
            id,
            code: expected,
            isForbidden: expected === 'not_allowed',
            as: isReached && namesOwner ? 'mine' : undefined,
          });
        }
      }
    },
  );

  it('without admin cannot have an answer sent to a chat, nor continue or retry the task of another', async () => {
    const { tasks, calls } = noting('another');
    const { home, send } = await serveTcp(tasks);
    const secret = (await createToken(home, 'mine', ['submit', 'read'])) ?? '';
    const post = async (path: string, body: object): Promise<Answer> =>
      await send(secret, 'POST', path, {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });
    expect(await post('/v1/tasks', { prompt: 'x', route: CHAT })).toMatchObject({ status: 403, code: 'not_allowed' });
    expect(await post('/v1/tasks', { prompt: 'x', continue: 'kimi-1-2' })).toMatchObject({ code: 'unknown_task' });
    const schedule = { when: 'every day 8:00', task: { prompt: 'x', route: CHAT } };
    expect(await post('/v1/schedules', schedule)).toMatchObject({ code: 'not_allowed' });
    const map = Object.assign({}, DONE['startMap']?.body, { retries: 'kimi-1-2' });
    expect(await post('/v1/maps', map)).toMatchObject({ code: 'unknown_task' });
    expect(calls).toEqual([]);
  });

  it('that reads nothing names no receiver of events, which have the answer', async () => {
    const { tasks, calls } = noting('another');
    const { home, send } = await serveTcp(tasks);
    const secret = (await createToken(home, 'mine', ['submit'])) ?? '';
    const body = JSON.stringify({ prompt: 'x', notify: { url: 'https://hooks.example.com' } });
    const headers = { 'content-type': 'application/json' };
    expect(await send(secret, 'POST', '/v1/tasks', { body, headers })).toMatchObject({ code: 'not_allowed' });
    const reader = (await createToken(home, 'reader', ['submit', 'read'])) ?? '';
    const asAnother = JSON.stringify({ prompt: 'x', notify_as: 'kimi-1-1' });
    const refused = await send(reader, 'POST', '/v1/tasks', { body: asAnother, headers });
    expect(refused).toMatchObject({ code: 'unknown_task' });
    expect(calls).toEqual([]);
  });

  it('is needed, and only its hash is stored; a revoked one is refused at once', async () => {
    const { home, send } = await serveTcp(noting('').tasks);
    expect(await send('x')).toMatchObject({ status: 401, code: 'unauthorized' });
    const made = await Promise.all(['a', 'b', 'c'].map(async (name) => await createToken(home, name, ['admin'])));
    const [secret = ''] = made;
    expect(await createToken(home, 'a', ['read'])).toBeUndefined();
    expect((await listTokens(home)).map(({ name }) => name).toSorted()).toEqual(['a', 'b', 'c']);
    const file = join(home, 'tokens.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(home)).toEqual(['tokens.json']);
    for (const each of made) expect(await readFile(file, 'utf8')).not.toContain(each?.slice(-20));

    expect(await send(secret)).toMatchObject({ status: 404, code: 'no_results' });
    for (const other of [undefined, '', `${secret}x`, secret.slice(1), secret.toLowerCase()]) {
      const refused = await send(other);
      expect(refused).toMatchObject({ status: 401, code: 'unauthorized' });
      expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
    expect(await revokeToken(home, 'a')).toBe(true);
    expect(await revokeToken(home, 'a')).toBe(false);
    expect(await send(secret)).toMatchObject({ status: 401, title: 'The token is unknown or revoked' });
    expect(await send(undefined)).toMatchObject({ title: expect.stringMatching(/^Send a token/) as string });
    expect(await send(made[1])).toMatchObject({ status: 404 });
    await writeFile(file, '{"tokens": [');
    expect(await send(made[1])).toMatchObject({ status: 503, code: 'tokens_unreadable' });
    await expect(createToken(home, 'd', ['read'])).rejects.toMatchObject({ code: 'tokens_damaged' });
  });

  it('has a limit of requests in a minute, which is no one else’s', async () => {
    const { home, send } = await serveTcp(noting('').tasks, { perMinute: 2 });
    const [one, other] = [await createToken(home, 'a', ['admin']), await createToken(home, 'b', [...SCOPES])];
    for (const _ of [1, 2]) expect(await send(one)).toMatchObject({ status: 404 });
    const refused = await send(one);
    expect(refused).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await send(other)).toMatchObject({ status: 404 });
  });

  it('does not help the page of another site, on this machine or on the network', async () => {
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      const { home, send } = await serveTcp(noting('').tasks, { host });
      const secret = await createToken(home, 'a', ['admin']);
      for (const origin of ['http://evil.test', 'null']) {
        const refused = await send(secret, 'GET', '/v1/tasks', { headers: { origin } });
        expect(refused, host).toMatchObject({ status: 403, code: 'foreign_host' });
      }
    }
  });
});
