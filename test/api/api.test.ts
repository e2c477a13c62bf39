/** The HTTP API, on the real engine. */
import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { taskFile } from '../../src/api/question-schemas.ts';
import { usage } from '../../src/api/limit-schemas.ts';
import * as schemas from '../../src/api/schemas.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import { MAX_PROMPT_BYTES } from '../../src/shared/task.ts';
import { serveAnswer } from '../support/answering.ts';
import { call, serveApi, serveTcp } from '../support/api.ts';
import { docx } from '../support/documents.ts';
import { until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

async function open(options?: Parameters<typeof openWorld>[0]): Promise<{ world: World; socket: string }> {
  const world = await openWorld({ delayMs: 0, ...options });
  return { world, socket: await serveApi(world) };
}

const KEYS = `k:${Buffer.alloc(32, 7).toString('base64')}`;
const ROUTE = { channel: 'telegram', to: '4242' };
const inQuery = (route: object): string => `route=${encodeURIComponent(JSON.stringify(route))}`;

describe('a task', () => {
  it('is started, shown, listed, answered and acknowledged; every response conforms to its schema', async () => {
    const { world, socket } = await open();
    const started = await call(socket, 'POST', '/v1/tasks', {
      body: { prompt: 'telegram:4242', route: { channel: 'telegram', to: 'telegram:4242' }, wait_ms: 10_000 },
    });
    expect(started).toMatchObject({ status: 201, body: { status: 'accepted' } });
    schemas.startedTask.parse(started.body);
    const { task_id } = started.body as { task_id: string };
    expect(started.headers['location']).toBe(`/v1/tasks/${task_id}`);
    const events = await call(socket, 'GET', `/v1/tasks/${task_id}/events`);
    expect(events.body).toMatch(/\nevent: end\ndata: \{"task_id":"kimi-.*"state":"done"/);
    await world.handle({ task_id }).result();

    const shown = await call(socket, 'GET', `/v1/tasks/${task_id}?${inQuery(ROUTE)}`);
    expect(shown).toMatchObject({ status: 200, body: { state: 'done', live: true } });
    schemas.task.parse(shown.body);
    await expect
      .poll(async () => {
        const list = await call(socket, 'GET', `/v1/tasks?status=done,failed&${inQuery(ROUTE)}`);
        return schemas.taskList.parse(list.body).tasks.map((task) => task.task_id);
      })
      .toEqual([task_id]);
    const result = await call(socket, 'GET', `/v1/tasks/${task_id}/result`);
    const { prompt, timeout_ms, ...saved } = { ...(await world.results.read(task_id)) };
    expect(schemas.result.parse(result.body)).toEqual(saved);
    const etag = String(result.headers['etag']);
    const same = await call(socket, 'GET', `/v1/tasks/${task_id}/result`, { headers: { 'if-none-match': etag } });
    expect(same).toMatchObject({ status: 304, body: '' });
    const question = await call(socket, 'GET', `/v1/tasks/${task_id}/question?${inQuery(ROUTE)}`);
    expect(schemas.question.parse(question.body)).toEqual({ prompt: 'telegram:4242', timeout_ms });
    expect(prompt).toBe('telegram:4242');
    expect((await call(socket, 'GET', '/v1/results/latest')).body).toEqual(result.body);
    const further = { prompt: 'and then?', wait_ms: 10_000 };
    const continued = await call(socket, 'POST', `/v1/tasks/${task_id}/continue`, { body: further });
    expect(continued).toMatchObject({ status: 201, body: { status: 'accepted' } });
    const { body: its } = await call(socket, 'GET', `/v1/tasks/${continued.body.task_id}`);
    expect(its).toMatchObject({ continues: task_id });
    expect(await call(socket, 'GET', `/v1/maps/${task_id}`)).toMatchObject({ status: 409, body: { code: 'no_map' } });
    const limits = await call(socket, 'GET', '/v1/limits');
    expect(usage.parse(limits.body)).toMatchObject({ limits: { per_minute: 0, concurrent: 0 }, running: 0 });
    const acknowledged = await call(socket, 'POST', `/v1/tasks/${task_id}/ack`, { body: { route: ROUTE } });
    expect(acknowledged).toMatchObject({ status: 200, body: { notification: task_id } });
    const results = await call(socket, 'GET', '/v1/results?acknowledged=false');
    expect(schemas.resultList.parse(results.body)).toEqual({ results: [] });
  });

  it('takes files that were stored before; they are shown by name and size, and their text reaches Kimi', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    const { world, socket } = await open({ apiUrl: `${url}/v1`, payloadKeys: KEYS });
    const keep = async (name: string, file: Buffer): Promise<unknown> => {
      const kept = await call(socket, 'POST', `/v1/files?name=${encodeURIComponent(name)}`, { file });
      expect(kept.status).toBe(201);
      return taskFile.parse(kept.body);
    };
    const files = [
      await keep('報告.txt', Buffer.from('a741a66ea540acc9', 'hex')),
      await keep('a.docx', docx(['第一段'])),
      await keep('a.png', Buffer.from('89504e470d0a1a0a', 'hex')),
    ];
    const started = await call(socket, 'POST', '/v1/tasks', {
      body: { prompt: '摘要', model: 'kimi-k3', files, wait_ms: 10_000 },
    });
    expect(started).toMatchObject({ status: 201, body: { status: 'accepted' } });
    const { task_id } = started.body as { task_id: string };
    const [picture, { text }] = JSON.parse(received[0]?.body ?? '').messages[0].content;
    expect(picture).toEqual({ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } });
    expect(text).toContain('<attachment name="報告.txt">\n你好世界\n</attachment>');
    expect(text).toContain('<attachment name="a.docx">\n第一段\n</attachment>');
    const notes = [
      { name: '報告.txt', bytes: 8 },
      { name: 'a.docx', bytes: expect.any(Number) as number },
      { name: 'a.png', bytes: 8 },
    ];
    const shown = await call(socket, 'GET', `/v1/tasks/${task_id}`);
    expect(schemas.task.parse(shown.body).files).toEqual(notes);
    await world.handle({ task_id }).cancel();
    const saved = await until(async () => await world.results.read(task_id));
    expect(world.results.noteOf(saved).files).toEqual(notes);
    expect(JSON.stringify(saved)).not.toContain('報告');
    const history = JSON.stringify(await world.handle({ task_id }).fetchHistory());
    expect(history).not.toContain(Buffer.from('報告').toString('base64').slice(0, 8));
  });

  it('may have a conversation and words of its own, and wake nobody; both are kept, and continued', async () => {
    const message = { content: 'four' };
    const usage = { prompt_tokens: 1, completion_tokens: 1 };
    const { url, received } = await serveAnswer(200, { id: 'c-1', model: 'm', usage, choices: [{ message }] });
    const { world, socket } = await open({ apiUrl: `${url}/v1` });
    const conversation = [{ prompt: '1+1?', output: 'two' }];
    const send = async (body: object, key = newKey()) =>
      await call(socket, 'POST', '/v1/tasks', { body: { ...body, wake: false }, headers: { 'idempotency-key': key } });
    const asked = { prompt: '2+2?', conversation, metadata: { order: '4711' } };
    const started = await send(asked, 'one');
    const { task_id } = started.body as { task_id: string };
    await world.handle({ task_id }).result();
    const otherwise = await send({ ...asked, conversation: [{ prompt: '1+1?', output: 'three' }] }, 'one');
    expect(otherwise).toMatchObject({ status: 422, body: { code: 'key_reused' } });
    const shown = await call(socket, 'GET', `/v1/tasks/${task_id}`);
    expect(schemas.task.parse(shown.body)).toMatchObject({ metadata: { order: '4711' }, acknowledged: false });
    const question = await call(socket, 'GET', `/v1/tasks/${task_id}/question`);
    expect(schemas.question.parse(question.body)).toMatchObject(asked);
    const results = await call(socket, 'GET', '/v1/results?acknowledged=false');
    expect([results.body, world.counts.wakes]).toEqual([{ results: [] }, []]);
    expect(await call(socket, 'GET', `/v1/tasks/${task_id}/result`)).toMatchObject({ body: { output: 'four' } });
    await expect.poll(async () => (await world.results.read(task_id))?.acknowledged).toBe(true);

    const next = await send({ prompt: 'and 4+4?', continue: task_id });
    await world.handle(next.body as { task_id: string }).result();
    const said = JSON.parse(received.at(-1)?.body ?? '').messages as { content: string }[];
    expect(said.map(({ content }) => content)).toEqual(['1+1?', 'two', '2+2?', 'four', 'and 4+4?']);
    expect(await send({ prompt: 'x', continue: task_id, conversation })).toMatchObject({ status: 400 });
  });

  it('is refused a file that cannot be read, before anything is started', async () => {
    const { socket } = await open();
    const kept = await call(socket, 'POST', '/v1/files?name=sh', { file: Buffer.from('7f454c46000000', 'hex') });
    expect(kept).toMatchObject({ status: 422, body: { code: 'unusable_file', file: 'sh', why: 'unknown' } });
    expect(await call(socket, 'POST', '/v1/files?name=a', { body: { a: 1 } })).toMatchObject({ status: 415 });
    expect(await call(socket, 'POST', '/v1/files', { file: Buffer.from('x') })).toMatchObject({ status: 400 });
    const claim = { name: 'a', bytes: 1, kind: 'text', stored_bytes: 1, sha256: 'x', claim: '' };
    const started = await call(socket, 'POST', '/v1/tasks', { body: { prompt: 'x', files: [claim] } });
    expect(started).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  it('is refused if what was stored of a file is gone', async () => {
    const { world, socket } = await open();
    const { body: file } = await call(socket, 'POST', '/v1/files?name=a.txt', { file: Buffer.from('a') });
    await rm(world.payloads.folder.path, { recursive: true });
    const started = await call(socket, 'POST', '/v1/tasks', { body: { prompt: 'x', files: [file], wait_ms: 10_000 } });
    const error = { type: 'file_gone', detail: { code: 'file_gone', name: 'a.txt' } };
    expect(started).toMatchObject({ status: 201, body: { status: 'refused', error } });
    expect(world.counts.requests).toBe(0);
  });

  it('may have a prompt of 4 MiB, also if every character is escaped; a longer one is refused', async () => {
    const { world, socket } = await open();
    const prompt = `x\n${'\u0001'.repeat(MAX_PROMPT_BYTES - 2)}`;
    const started = await call(socket, 'POST', '/v1/tasks', { body: { prompt, wait_ms: 10_000, name: 'long' } });
    expect(started).toMatchObject({ status: 201 });
    expect(await world.handle(started.body as { task_id: string }).result()).toMatchObject({ status: 'done' });
    const refused = await call(socket, 'POST', '/v1/tasks', { body: { prompt: `${prompt}x`, name: 'long' } });
    expect(refused).toMatchObject({ status: 413, body: { code: 'too_long', most: MAX_PROMPT_BYTES } });
  });

  it('is cancelled', async () => {
    const { socket } = await open();
    const { body } = await call(socket, 'POST', '/v1/tasks', {
      body: { prompt: 'x [[simulate: drop=1]]', wait_ms: 10_000 },
    });
    const path = `/v1/tasks/${body.task_id}`;
    expect(await call(socket, 'GET', `${path}/result`)).toMatchObject({ status: 409, body: { code: 'unfinished' } });
    const cancelled = await call(socket, 'POST', `${path}/cancel`);
    expect(cancelled).toMatchObject({ status: 200, body: { task_id: body.task_id, status: 'cancelled' } });
    schemas.cancellation.parse(cancelled.body);
    const again = await call(socket, 'POST', `${path}/cancel`);
    expect(again).toMatchObject({ status: 409, body: { code: 'already_ended', state: 'cancelled' } });
    schemas.problem.parse(again.body);
  });

  it('of one key is one task, however often and by whichever route it is sent; a key belongs to one prompt', async () => {
    const { world, socket } = await open();
    for (const key of [newKey(), 'order-4711']) {
      const send = async (prompt: string, files?: unknown[]) =>
        await call(socket, 'POST', '/v1/tasks', {
          body: { prompt, files, wait_ms: 10_000 },
          headers: { 'idempotency-key': key },
        });
      const before = world.counts.requests;
      const answers = await Promise.all([send('x'), send('x'), send('x')]);
      const [task_id, ...others] = new Set(answers.map(({ body }) => (body as { task_id: string }).task_id));
      expect(others).toEqual([]);
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
      await world.handle({ task_id: task_id ?? '' }).result();
      expect(await send('x')).toMatchObject({ status: 200, body: { status: 'known', task_id } });
      expect(await send('y')).toMatchObject({ status: 422, body: { code: 'key_reused', task_id } });
      const { body: file } = await call(socket, 'POST', '/v1/files?name=a', { file: Buffer.from('a') });
      expect(await send('x', [file])).toMatchObject({ status: 422, body: { code: 'key_reused', task_id } });
      expect(world.counts.requests - before).toBe(1);
      // Whether the key is taken does not depend on the wait for Kimi.
      const atOnce = async (prompt: string) =>
        await call(socket, 'POST', '/v1/tasks', {
          body: { prompt, name: 'again', wait_ms: 0 },
          headers: { 'idempotency-key': key },
        });
      expect(await atOnce('x')).toMatchObject({ status: 200, body: { status: 'known', task_id, task_name: 'x' } });
      expect(await atOnce('y')).toMatchObject({ status: 422, body: { code: 'key_reused', task_id } });
    }
  });

  it('of another chat is not found; a chat has its limit', async () => {
    const { socket } = await open();
    const dispatch = async () => await call(socket, 'POST', '/v1/tasks', { body: { prompt: 'x', route: ROUTE } });
    const { body } = await dispatch();
    const ofOther = inQuery({ ...ROUTE, to: '1' });
    for (const path of ['', '/result']) {
      const answer = await call(socket, 'GET', `/v1/tasks/${body.task_id}${path}?${ofOther}`);
      expect(answer).toMatchObject({ status: 404, body: { code: 'unknown_task' } });
    }
    for (const path of ['ack', 'cancel', 'allow']) {
      const answer = await call(socket, 'POST', `/v1/tasks/${body.task_id}/${path}`, {
        body: { route: { ...ROUTE, to: '1' } },
      });
      expect(answer).toMatchObject({ status: 404, body: { code: 'unknown_task' } });
    }
    await dispatch();
    await expect.poll(async () => (await dispatch()).body as object).toMatchObject({ code: 'chat_limit', most: 2 });
  });
});

it('a task of a token is that token’s, its result and its list too; two tokens may use the same key', async () => {
  const { world, socket } = await open();
  const send = await serveTcp(world);
  const start = async (name: string, prompt: string) =>
    await send(name, 'POST', '/v1/tasks', {
      body: { prompt, wait_ms: 10_000 },
      headers: { 'idempotency-key': 'order-1' },
    });
  const { body } = await start('a', 'x');
  const { task_id } = body as { task_id: string };
  expect((await start('b', 'y')).status).toBe(201);
  expect(await start('a', 'x')).toMatchObject({ status: 200, body: { status: 'known', task_id } });
  const path = `/v1/tasks/${task_id}`;
  // In the engine, and then in the result file.
  expect(await send('b', 'GET', path)).toMatchObject({ status: 404, body: { code: 'unknown_task' } });
  await world.handle({ task_id }).result();
  expect(await send('b', 'GET', `${path}/result`)).toMatchObject({ status: 404, body: { code: 'unknown_task' } });
  for (const name of ['a', 'admin'])
    expect(await send(name, 'GET', `${path}/result`)).toMatchObject({ status: 200, body: { task_id, owner: 'a' } });
  expect((await call(socket, 'GET', path)).body).toMatchObject({ task_id, owner: 'a' });
  const listed = async (name: string) => {
    const list = await send(name, 'GET', '/v1/tasks');
    return schemas.taskList.parse(list.body).tasks.map((task) => task.task_id);
  };
  await expect.poll(async () => (await listed('admin')).length).toBe(2);
  expect(await listed('a')).toEqual([task_id]);
  expect(await send('a', 'GET', '/v1/results/latest')).toMatchObject({ status: 200, body: { task_id } });
  const inbox = await send('a', 'GET', '/v1/results?acknowledged=false');
  for (const result of schemas.resultList.parse(inbox.body).results) expect(result.owner).toBe('a');
});

it('a map of rows that were never stored, or of something else, is refused', async () => {
  const { socket } = await open({ worker: false });
  const { body: file } = await call(socket, 'POST', '/v1/files?name=a.txt', { file: Buffer.from('null\n"x"') });
  const claims = ['x', '../x', `folder/2026-11-30/${'0'.repeat(64)}`, (file as { claim: string }).claim];
  for (const chunks of [[], ...claims.map((claim) => [{ claim, rows: 1 }])]) {
    const rows = { name: 'a.txt', rows: 1, sha256: '0'.repeat(64), chunks };
    for (const retries of [{}, { retries: 'kimi-1-1' }]) {
      const started = await call(socket, 'POST', '/v1/maps', { body: { prompt: '{{text}}', rows, ...retries } });
      const code = 'retries' in retries ? 'unknown_task' : 'unusable_rows';
      expect(started.body, JSON.stringify(chunks)).toMatchObject({ code });
    }
  }
});

it('a list has pages, which contain every task once', async () => {
  const { world, socket } = await open();
  const ids: string[] = [];
  for (let count = 0; count < 7; count += 1) ids.push((await world.start('x')).task_id);
  const listed = async (limit: number): Promise<string[]> => {
    const found: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await call(socket, 'GET', `/v1/tasks?limit=${limit}${cursor && `&cursor=${cursor}`}`);
      const { tasks, next } = schemas.taskList.parse(body);
      found.push(...tasks.map(({ task_id }) => task_id));
      if (next === undefined) return found;
      cursor = next;
    }
  };
  await expect.poll(async () => (await listed(100)).length).toBe(7);
  const all = await listed(100);
  expect(all.toSorted()).toEqual(ids.toSorted());
  for (const limit of [1, 3, 7]) expect(await listed(limit)).toEqual(all);
});

const TWO_CONVERSATIONS = { prompt: 'x', continue: 'kimi-1-1', conversation: [{ prompt: 'x', output: 'y' }] };
const BAD_SCHEMA = { json_schema: { type: 'object', properties: { a: { type: ['null', 'nope'] } } } };

it.each<[string, string, string, unknown, number, string]>([
  ['an unknown member', 'POST', '/v1/tasks', { prompt: 'x', promt: 'y' }, 400, 'invalid_request'],
  ['a prompt that is none', 'POST', '/v1/tasks', { prompt: ' ' }, 422, 'no_prompt'],
  ['a JSON Schema that is none', 'POST', '/v1/tasks', { prompt: 'x', request: BAD_SCHEMA }, 422, 'unusable_request'],
  [
    'a body that is not UTF-8',
    'POST',
    '/v1/tasks',
    Buffer.from('{"prompt":"\xff\xfe"}', 'latin1'),
    400,
    'invalid_json',
  ],
  [
    'a schedule that continues a task and brings a conversation',
    'POST',
    '/v1/schedules',
    { when: 'every day 8:00', task: TWO_CONVERSATIONS },
    400,
    'invalid_request',
  ],
  ['a name that is a path', 'POST', '/v1/tasks', { prompt: 'x', name: '../x' }, 422, 'bad_name'],
  ['a prompt over 4 MiB', 'POST', '/v1/tasks', { prompt: 'x'.repeat(2 ** 22 + 1) }, 413, 'too_long'],
  ['a body over 28 MiB', 'POST', '/v1/tasks', { prompt: 'x'.repeat(7 * 2 ** 22) }, 413, 'body_too_large'],
  [
    'a parameter that the model refuses',
    'POST',
    '/v1/tasks',
    { prompt: 'x', model: 'kimi-k2.6', request: { temperature: 0.3 } },
    422,
    'unusable_request',
  ],
  ['a body that is no JSON', 'POST', '/v1/tasks', '{"prompt":', 400, 'invalid_json'],
  ['no body', 'POST', '/v1/tasks', undefined, 400, 'invalid_request'],
  ['another notification', 'POST', '/v1/tasks/kimi-1-1/ack', { notification: 'kimi-1-2' }, 400, 'invalid_request'],
  ['an id that is none', 'GET', '/v1/tasks/x', undefined, 400, 'invalid_request'],
  ['an id that cannot be decoded', 'GET', '/v1/tasks/%E0%A4%A', undefined, 400, 'bad_request'],
  ['an unknown id', 'GET', '/v1/tasks/kimi-1-1', undefined, 404, 'unknown_task'],
  ['a limit that is none', 'GET', '/v1/tasks?limit=x', undefined, 400, 'invalid_request'],
  ['a state that is none', 'GET', '/v1/tasks?status=done,x', undefined, 400, 'invalid_request'],
  ['a cursor that is none', 'GET', '/v1/tasks?cursor=x', undefined, 400, 'invalid_request'],
  ['a chat that is none', 'GET', '/v1/tasks?route=%7B', undefined, 400, 'invalid_request'],
  ['another path', 'GET', '/v1/x', undefined, 404, 'not_found'],
  ['another method', 'DELETE', '/v1/tasks', undefined, 405, 'method_not_allowed'],
])('%s is refused as Problem Details', async (_, method, path, body, status, code) => {
  const { socket } = await open({ worker: false });
  const answer = await call(socket, method, path, { body });
  expect(answer).toMatchObject({ status, body: { status, code, type: `urn:kimi-dispatch:problem:${code}` } });
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  schemas.problem.parse(answer.body);
});

it('a refusal says which name is allowed, and which header is wrong', async () => {
  const { socket } = await open({ worker: false });
  const named = await call(socket, 'POST', '/v1/tasks', { body: { prompt: 'x', name: '../x' } });
  expect(named.body).toMatchObject({ detail: expect.stringMatching(/^At most 64 letters, digits, spaces/) });
  const other = await call(socket, 'PUT', '/v1/tasks');
  expect(other.body).toMatchObject({ title: 'send POST or GET here, not PUT' });
  const headers = { 'idempotency-key': 'a b' };
  const keyed = await call(socket, 'POST', '/v1/tasks', { body: { prompt: 'x' }, headers });
  expect(keyed).toMatchObject({ status: 400, body: { errors: [{ in: 'header', path: '/idempotency-key' }] } });
});
