/** The TypeScript client, on one stack with the simulated Kimi: over its socket, and over TCP. */
import { execFile } from 'node:child_process';
import { request, type IncomingMessage, type RequestListener } from 'node:http';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ApiError, KimiDispatch, TaskError, UnreachableError, type TaskEvent } from '../../src/sdk/index.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { runningStack } from '../../src/stack/state.ts';
import { homeBesideKimi } from '../support/beside-kimi.ts';
import { cli, up } from '../support/cli.ts';
import { serve, shared, temporaryFolder, until } from '../support/resources.ts';

const MUTE: RequestListener = () => {};

const stack = shared(async () => {
  const { env, home, events } = await homeBesideKimi({ WEBHOOK_PORT: '23904', KIMI_API_PORT: '0' });
  const { state, said } = await up(env);
  const { stdout: token } = await cli(['token', 'create', 'sdk'], env);
  return {
    env,
    home,
    printed: said.stdout,
    api: { baseUrl: state.http_api_url ?? '', token: token.trim() },
    kimi: new KimiDispatch({ home }),
    /** How often Kimi has taken a task. */
    taken: (task_id: string): number =>
      events.filter((event) => event.task_id === task_id && event.what === 'taken').length,
  };
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = [];
  for await (const item of items) read.push(item);
  return read;
}

async function thrown(work: Promise<unknown>): Promise<unknown> {
  return await work.then(() => undefined).catch((error: unknown) => error);
}

it('dispatches, follows, lists, reads, continues and acknowledges a task; files go with it', async () => {
  const { kimi } = stack();
  const file = await kimi.upload({ name: 'note.txt', content: 'remember the milk' });
  const id = await kimi.dispatch({ prompt: 'one [[simulate: delay=1500]]', name: 'one', files: [file] });
  expect(await kimi.status(id)).toMatchObject({ task_id: id, task_name: 'one', files: [{ name: 'note.txt' }] });
  const events = await all(kimi.stream(id));
  expect(events.at(-1)).toMatchObject({ type: 'end', task: { task_id: id, state: 'done' } });
  expect(events.slice(0, -1).map(({ type }) => type)).toContain('state');
  const output = events.map((event) => (event.type === 'text' ? event.text : '')).join('');
  expect(output).toContain('one');
  expect(await kimi.result(id)).toMatchObject({ status: 'done', output });
  expect(await all(kimi.stream(id, { text: false }))).toEqual([events.at(-1)]);
  const next = await kimi.continue(id, 'and then?');
  expect(await kimi.result(next)).toMatchObject({ continues: id, status: 'done' });
  expect(await kimi.acknowledge(id)).toMatchObject({ notification: id });
  await expect
    .poll(async () => (await all(kimi.list({ status: 'done', name: 'one' }))).map(({ task_id }) => task_id))
    .toEqual(expect.arrayContaining([id, next]));
});

it('lists by cursors; a task that was cancelled may be cancelled again, and removed', async () => {
  const { api } = stack();
  const kimi = new KimiDispatch({ ...api, baseUrl: `${api.baseUrl}/v1/` });
  const prompts = Array.from({ length: 3 }, (_, n) => `page ${n} [[simulate: delay=60000]]`);
  const ids = await Promise.all(prompts.map(async (prompt) => await kimi.dispatch({ prompt, name: 'page' })));
  const pages: string[] = [];
  const change = (url: string): string => (pages.push(url), url.replace('limit=100', 'limit=1'));
  const paged = new KimiDispatch({ ...api, baseUrl: await serve(passOn(api.baseUrl, { change })) });
  await expect
    .poll(async () => (await all(paged.list({ name: 'page' }))).map(({ task_id }) => task_id).toSorted())
    .toEqual(ids.toSorted());
  expect(pages.at(-1)).toMatch(/^\/v1\/tasks\?limit=100&name=page&cursor=./);
  expect(await thrown(kimi.remove(ids[0] ?? ''))).toMatchObject({ status: 409, code: 'still_open', taskId: ids[0] });
  for (const id of ids) expect(await kimi.cancel(id)).toMatchObject({ task_id: id, status: 'cancelled' });
  expect(await kimi.cancel(ids[0] ?? '')).toEqual({ task_id: ids[0], status: 'cancelled' });
  expect(await thrown(kimi.result(ids[0] ?? ''))).toMatchObject({
    name: 'TaskError',
    code: 'cancelled',
    taskId: ids[0],
  });
  await kimi.acknowledge(ids[0] ?? '');
  // Its workflow ends a moment later.
  await expect.poll(async () => await thrown(kimi.remove(ids[0] ?? ''))).toBeUndefined();
  const gone = { status: 404, code: 'unknown_task', taskId: ids[0] };
  expect(await thrown(kimi.remove(ids[0] ?? ''))).toMatchObject(gone);
  expect(await thrown(kimi.status(ids[0] ?? ''))).toMatchObject(gone);
});

it('maps rows; those without an answer are yielded too', async () => {
  const { kimi } = stack();
  const rows = [{ word: 'fig' }, { word: 'bad [[simulate: fail=1]]' }];
  const map = await kimi.map(rows, { prompt: 'Define {{word}}', name: 'words' });
  const error = await thrown(kimi.result(map));
  expect(error).toBeInstanceOf(TaskError);
  expect(error).toMatchObject({ code: 'failed', taskId: map, result: { map: { rows: 2, done: 1, failed: 1 } } });
  const results = await all(kimi.rows(map));
  expect(results).toMatchObject([
    { status: 'done', row: { map, number: 1 }, output: expect.stringContaining('fig') as string },
    { status: 'failed', row: { map, number: 2 } },
  ]);
  const row = results[0]?.task_id ?? '';
  expect(await thrown(kimi.remove(row))).toMatchObject({ status: 409, code: 'needed', problem: { by: map } });
  await kimi.acknowledge(map);
  await expect.poll(async () => await thrown(kimi.remove(map))).toBeUndefined();
  expect(await thrown(kimi.result(row))).toMatchObject({ code: 'unknown_task' });
  const good = await kimi.map({ name: 'a.csv', content: 'word\nplum\n' }, 'Define {{word}}');
  expect(await thrown(all(kimi.rows(await kimi.dispatch('no map'))))).toMatchObject({ code: 'no_map' });
  expect(await kimi.result(good)).toMatchObject({ status: 'done', map: { rows: 1, done: 1 } });
});

it('adds schedules, runs, pauses and removes them; shows limits and what is not acknowledged', async () => {
  const { kimi: local, api } = stack();
  const kimi = new KimiDispatch(api);
  const task = { prompt: 'news of {{date}}', name: 'news', wake: false } as const;
  const added = await kimi.schedules.add({ when: 'every day 8:00', timezone: 'Asia/Taipei', task });
  expect(added).toMatchObject({ name: 'news', timezone: 'Asia/Taipei', paused: false });
  expect((await kimi.schedules.list()).map(({ name }) => name)).toContain('news');
  const now = await kimi.schedules.run('news', { idempotencyKey: 'now' });
  expect(await kimi.schedules.run('news', { idempotencyKey: 'now' })).toBe(now);
  expect(await kimi.result(now)).toMatchObject({ status: 'done', schedule: { name: 'news' } });
  expect(await kimi.schedules.pause('news')).toMatchObject({ paused: true });
  expect(await kimi.schedules.resume('news')).toMatchObject({ paused: false });
  // The service has removed it; the client does not see the first answer.
  let removals = 0;
  const lose = ({ method }: IncomingMessage): boolean => method === 'DELETE' && (removals += 1) === 1;
  const lossy = new KimiDispatch({ ...api, baseUrl: await serve(passOn(api.baseUrl, { lose })) });
  await lossy.schedules.remove('news');
  expect(removals).toBe(2);
  expect(await thrown(kimi.schedules.remove('news'))).toMatchObject({ code: 'unknown_schedule', status: 404 });
  expect(await kimi.limits()).toMatchObject({ limits: { per_minute: 0 } });
  expect(await thrown(local.allow(now))).toMatchObject({ code: 'not_paused', taskId: now });
  await expect.poll(async () => await kimi.inbox()).toEqual([]);
});

it('errors have a class, a code, the problem and when to try again', async () => {
  const { kimi, api, printed } = stack();
  expect(printed).toMatch(new RegExp(`HTTP API +${api.baseUrl}\n`));
  const unknown = await thrown(kimi.result('kimi-1-1'));
  expect(unknown).toBeInstanceOf(ApiError);
  expect(unknown).toMatchObject({ code: 'unknown_task', status: 404, taskId: 'kimi-1-1', problem: { status: 404 } });
  expect(await thrown(kimi.dispatch({ prompt: 'x', priority: 9 as 5 }))).toMatchObject({
    code: 'invalid_request',
    message: expect.stringMatching(/schema; body\/priority: /) as string,
  });
  expect(await thrown(kimi.map([{ a: 1 }, { b: 1 }], '{{a}}'))).toMatchObject({
    code: 'unknown_column',
    message: 'The prompt names a column that a row does not have; column a; line 2',
  });
  expect(await thrown(kimi.map([], '{{a}}'))).toMatchObject({
    message: 'There are no rows, or a broken one; why empty',
  });
  const stranger = new KimiDispatch({ baseUrl: api.baseUrl, token: 'wrong' });
  expect(await thrown(stranger.status('kimi-1-1'))).toMatchObject({ code: 'unauthorized', status: 401 });

  const nowhere = await thrown(new KimiDispatch({ home: await temporaryFolder() }).dispatch('x'));
  expect(nowhere).toBeInstanceOf(UnreachableError);
  expect(nowhere).toMatchObject({ code: 'no_service', message: expect.stringContaining('kimi-dispatch up') as string });
  expect(await thrown(new KimiDispatch({ baseUrl: 'http://127.0.0.1:23999' }).dispatch('x'))).toMatchObject({
    code: 'no_service',
  });
  const mute = new KimiDispatch({ baseUrl: await serve(MUTE), timeoutMs: 50, retryForMs: 100 });
  expect(await thrown(mute.dispatch('x'))).toMatchObject({ name: 'UnreachableError', code: 'timeout' });
  expect(() => new KimiDispatch({ baseUrl: 'here' })).toThrow('Invalid URL');
  const moved = await serve((_request, response) => void response.writeHead(302, { location: api.baseUrl }).end());
  expect(await thrown(new KimiDispatch({ ...api, baseUrl: moved }).dispatch('x'))).toMatchObject({ code: 'http_302' });
  const busy = await serve((_request, response) => void response.writeHead(429, { 'retry-after': '3600' }).end('busy'));
  expect(await thrown(new KimiDispatch({ baseUrl: busy }).dispatch('x'))).toMatchObject({
    code: 'http_429',
    retryAfter: 3600,
  });
});

it('is aborted by a signal, with its reason', async () => {
  const { kimi, api } = stack();
  const id = await kimi.dispatch('slow [[simulate: delay=60000]]');
  const reason = new Error('enough');
  for (const client of [kimi, new KimiDispatch(api)]) {
    const leaving = new AbortController();
    const read: TaskEvent[] = [];
    const following = async (): Promise<void> => {
      for await (const event of kimi.stream(id, { signal: leaving.signal })) {
        read.push(event);
        leaving.abort(reason);
      }
    };
    expect(await thrown(following())).toBe(reason);
    expect(read).toHaveLength(1);
    expect(await thrown(client.dispatch('x', { signal: leaving.signal }))).toBe(reason);
  }
  const late = await thrown(kimi.result(id, { signal: AbortSignal.timeout(50) }));
  expect(late).toMatchObject({ name: 'TimeoutError' });
  await kimi.cancel(id);
});

it('repeats a start whose response was lost with the same key: one task', async () => {
  const { api, taken } = stack();
  const started: string[] = [];
  // The service has answered; the client does not see the first answer.
  const lose = ({ method, headers }: IncomingMessage): boolean =>
    method === 'POST' && started.push(String(headers['idempotency-key'])) === 1;
  const kimi = new KimiDispatch({ ...api, baseUrl: await serve(passOn(api.baseUrl, { lose })) });
  const id = await kimi.dispatch({ prompt: 'lost', name: 'lost' });
  expect(started).toHaveLength(2);
  expect(new Set(started).size).toBe(1);
  expect(await kimi.result(id)).toMatchObject({ status: 'done' });
  await expect.poll(async () => (await all(kimi.list({ name: 'lost' }))).map(({ task_id }) => task_id)).toEqual([id]);
  expect(taken(id)).toBe(1);
});

it('resumes an interrupted stream after the last event that it has read', async () => {
  const after: unknown[] = [];
  const server = await serve(({ headers }, response) => {
    const isFirst = after.push(headers['last-event-id']) === 1;
    const [event, state] = isFirst ? ['state', 'queued'] : ['end', 'done'];
    const end = (): unknown => (isFirst ? response.destroy() : response.end());
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`id: ${after.length}-x\nevent: ${event}\ndata: {"state":"${state}"}\n\n`, end);
  });
  expect(await all(new KimiDispatch({ baseUrl: server }).stream('kimi-1-1'))).toEqual([
    { type: 'state', task: { state: 'queued' } },
    { type: 'end', task: { state: 'done' } },
  ]);
  expect(after).toEqual([undefined, '1-x']);
});

it('as it is installed, runs in a program that ends by itself', async () => {
  const { env } = stack();
  const program = `
    import { KimiDispatch } from 'kimi-dispatch';
    const kimi = new KimiDispatch();
    console.log((await kimi.result(await kimi.dispatch('installed'))).output);`;
  const args = ['--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, cwd: PACKAGE_ROOT });
  expect(stdout).toContain('installed');
});

it('waits through kill -9 of the services; the task is paid once', async () => {
  const { kimi, home, taken } = stack();
  const services = async (): Promise<number | undefined> => (await runningStack(home))?.children[1]?.pid;
  const id = await kimi.dispatch('survive [[simulate: delay=3000]]');
  const result = kimi.result(id);
  const pid = await services();
  await until(() => taken(id) === 1);
  expect(process.kill(pid ?? 0, 'SIGKILL')).toBe(true);
  await until(async () => ![pid, undefined].includes(await services()));
  expect(await kimi.status(id)).toMatchObject({ task_id: id });
  expect(await result).toMatchObject({ status: 'done', output: expect.stringContaining('survive') as string });
  expect(taken(id)).toBe(1);
});

/** Passes requests on to a server. @param lose whether the client gets no answer */
function passOn(
  target: string,
  {
    change = (url) => url,
    lose = () => false,
  }: { change?: (url: string) => string; lose?: (incoming: IncomingMessage) => boolean },
): RequestListener {
  return (incoming, response) => {
    const { method, url = '', headers } = incoming;
    const { host: _host, ...others } = headers;
    const onward = request(target + change(url), { method, headers: others, agent: false }, (answer) => {
      if (lose(incoming)) incoming.socket.destroy();
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => incoming.socket.destroy());
    incoming.pipe(onward);
  };
}
