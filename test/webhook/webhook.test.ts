/** The webhook endpoint over real HTTP, in front of the real engine (docs/http-api.md). */
import { connect } from 'node:net';
import { once } from 'node:events';
import { gzipSync } from 'node:zlib';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { MAX_CALLBACK_BYTES } from '../../src/shared/callback.ts';
import { sign, SIGNATURE_HEADER, standardHeaders } from '../../src/webhook/signature.ts';
import { callbackFor } from '../support/callback.ts';
import { NEXT_SECRET, SECRET, shared, until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

const UNKNOWN = 'kimi-1-1';

interface Post {
  body?: string | Buffer;
  signature?: string | undefined;
  headers?: Record<string, string>;
  path?: string;
}

async function post(base: string, task_id: string, { body, signature, headers, path }: Post = {}) {
  const bytes = body ?? JSON.stringify(callbackFor(task_id));
  const response = await request(base + (path ?? `/kimi/webhook/${task_id}`), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-kimi-signature': signature ?? sign(bytes, SECRET),
      ...headers,
    },
    body: bytes,
  });
  return { status: response.statusCode, headers: response.headers, body: await response.body.json() };
}

/** Accepted: by the engine, or by the journal if a busy engine takes longer than the webhook's timeout. */
const accepted = { status: expect.toBeOneOf([200, 202]), body: { status: expect.toBeOneOf(['signalled', 'queued']) } };

const refused = (status: number, code: string) => ({
  status,
  body: { error: { code, message: expect.stringMatching(/\S/) } },
});

/** Shared by all tests that neither count its events nor keep its webhook busy. */
const commonWorld = shared(async () => await openWorld());

/** A task that waits for its callback, since the simulated Kimi never sends it. */
async function waitingTask(world: World): Promise<string> {
  return (await world.start('x [[simulate: drop=1]]')).task_id;
}

describe('a callback', () => {
  it('that is valid reaches the workflow, and repeats are harmless', async () => {
    const world = commonWorld();
    const task_id = await waitingTask(world);
    expect(await post(world.webhookUrl, task_id)).toMatchObject(accepted);
    expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done' });
    expect(await post(world.webhookUrl, task_id)).toMatchObject({
      status: 200,
      body: { task_id, status: 'duplicate' },
    });
    expect(await world.results.read(task_id)).toMatchObject({
      output: '答案',
      tokens: { prompt: 200, completion: 1300, total: 1500 },
    });
  });

  it('is verified over the raw bytes: the same JSON with other white space is refused', async () => {
    const world = commonWorld();
    const task_id = await waitingTask(world);
    const sent = JSON.stringify(callbackFor(task_id), null, 2);
    const signature = sign(JSON.stringify(JSON.parse(sent)), SECRET);
    expect(await post(world.webhookUrl, task_id, { body: sent, signature })).toMatchObject(
      refused(401, 'bad_signature'),
    );
    expect(await post(world.webhookUrl, task_id, { body: sent })).toMatchObject(accepted);
  });

  it('with a wrong signature is refused and changes nothing', async () => {
    const world = commonWorld();
    const signatures = {
      missing: '',
      'of another secret': sign('{}', 'another-secret-altogether'),
      'not hex': 'zz',
      'upper case': sign('{}', SECRET).toUpperCase(),
    };
    for (const [name, signature] of Object.entries(signatures)) {
      const task_id = await waitingTask(world);
      expect
        .soft(await post(world.webhookUrl, task_id, { signature }), name)
        .toMatchObject(refused(401, 'bad_signature'));
      expect.soft(await world.view({ task_id }), name).toMatchObject({ step: 'waiting' });
      const { events } = await world.handle({ task_id }).fetchHistory();
      expect
        .soft(
          events?.some((event) => event.workflowExecutionSignaledEventAttributes),
          name,
        )
        .toBe(false);
    }
  });

  it('without the header is refused', async () => {
    const world = commonWorld();
    const { statusCode } = await request(`${world.webhookUrl}/kimi/webhook/${UNKNOWN}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect(statusCode).toBe(401);
  });

  it('for an unknown task is 404, whether or not the id has our format', async () => {
    const { webhookUrl } = commonWorld();
    expect(await post(webhookUrl, UNKNOWN)).toMatchObject(refused(404, 'unknown_task'));
    for (const id of ['../../etc/passwd', 'kimi-1-1/../../x', 'temporal-sys-scanner', '%00', 'KIMI-1-1']) {
      const path = `/kimi/webhook/${encodeURIComponent(id)}`;
      expect(await post(webhookUrl, id, { path })).toMatchObject(refused(404, 'unknown_task'));
    }
  });

  it('for another task than in the path is 400', async () => {
    const world = commonWorld();
    const task_id = await waitingTask(world);
    const other = { path: `/kimi/webhook/${UNKNOWN}` };
    expect(await post(world.webhookUrl, task_id, other)).toMatchObject(refused(400, 'task_mismatch'));
    expect(await world.view({ task_id })).toMatchObject({ step: 'waiting' });
  });

  it('for a terminated task is 410: its answer would not be stored', async () => {
    const world = commonWorld();
    const task_id = await waitingTask(world);
    await world.handle({ task_id }).terminate();
    expect(await post(world.webhookUrl, task_id)).toMatchObject(refused(410, 'task_closed'));
  });

  it('for a task that timed out and whose grace period is over is 410, not a duplicate', async () => {
    const world = commonWorld();
    const started = await world.start('x [[simulate: drop=1]]', { timeout_ms: 1, grace_ms: 1 });
    await world.handle(started).result();
    expect(await post(world.webhookUrl, started.task_id)).toMatchObject(refused(410, 'task_closed'));
  });

  it('for a task that was cancelled and whose grace period is over is 410', async () => {
    const world = commonWorld();
    const started = await world.start('x [[simulate: drop=1]]', { grace_ms: 1 });
    await world.handle(started).cancel();
    await world.handle(started).result();
    expect(await post(world.webhookUrl, started.task_id)).toMatchObject(refused(410, 'task_closed'));
  });

  it('for a task that was cancelled and then answered is a duplicate', async () => {
    const world = commonWorld();
    const { task_id } = await world.start('x [[simulate: drop=1]]');
    await world.handle({ task_id }).cancel();
    await until(async () => (await world.view({ task_id })).step === 'awaiting_late_answer');
    expect(await post(world.webhookUrl, task_id)).toMatchObject(accepted);
    await world.handle({ task_id }).result();
    expect(await post(world.webhookUrl, task_id)).toMatchObject({ status: 200, body: { status: 'duplicate' } });
  });

  const right = callbackFor(UNKNOWN);
  const malformed: [name: string, content: string | Buffer | object, code: string][] = [
    ['no JSON', 'not json', 'invalid_json'],
    ['nothing', '', 'invalid_json'],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'invalid_json'],
    ['an array', '[]', 'malformed_callback'],
    ['no choices', { ...right, choices: [] }, 'malformed_callback'],
    ['empty content', { ...right, choices: [{ message: { content: '' } }] }, 'malformed_callback'],
    ['wrong types', { ...right, choices: 'x' }, 'malformed_callback'],
    ['negative tokens', { ...right, usage: { prompt_tokens: -1, completion_tokens: 1 } }, 'malformed_callback'],
    ['no metadata', { ...right, metadata: undefined }, 'malformed_callback'],
    ['an error without a type', { error: { message: 'x' }, metadata: right.metadata }, 'malformed_callback'],
  ];
  it('with a malformed body is 400', async () => {
    const { webhookUrl } = commonWorld();
    for (const [name, content, code] of malformed) {
      const body = typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content);
      expect.soft(await post(webhookUrl, UNKNOWN, { body }), name).toMatchObject(refused(400, code));
    }
  });

  it('that is not JSON by type is 415, compressed is 415, too large is 413', async () => {
    const { webhookUrl } = commonWorld();
    const text = { headers: { 'content-type': 'text/plain' } };
    expect(await post(webhookUrl, UNKNOWN, text)).toMatchObject(refused(415, 'not_json'));
    const zipped = { body: gzipSync('{}'), headers: { 'content-encoding': 'gzip' } };
    expect(await post(webhookUrl, UNKNOWN, zipped)).toMatchObject(refused(415, 'unsupported_encoding'));
    const large = { body: Buffer.alloc(MAX_CALLBACK_BYTES + 1, 0x20) };
    expect(await post(webhookUrl, UNKNOWN, large)).toMatchObject(refused(413, 'too_large'));
  });

  it('of the largest size is accepted', async () => {
    const world = await openWorld();
    const task_id = await waitingTask(world);
    const envelope = JSON.stringify(callbackFor(task_id)).length + 100;
    const content = 'x'.repeat(MAX_CALLBACK_BYTES - envelope);
    const body = JSON.stringify({ ...callbackFor(task_id), choices: [{ message: { content } }] });
    expect(await post(world.webhookUrl, task_id, { body })).toMatchObject(accepted);
    await world.handle({ task_id }).result();
    expect((await world.results.read(task_id))?.output).toHaveLength(content.length);
  });
});

/** Posts with only these headers. */
async function postSigned(base: string, task_id: string, headers: Record<string, string>, body?: string) {
  const bytes = body ?? JSON.stringify(callbackFor(task_id));
  const response = await request(`${base}/kimi/webhook/${task_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: bytes,
  });
  return { status: response.statusCode, body: await response.body.json() };
}

const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);

describe('Standard Webhooks', () => {
  it('is accepted in place of the hexadecimal signature, and a replay within five minutes is a duplicate', async () => {
    const world = await openWorld();
    const task_id = await waitingTask(world);
    const headers = standardHeaders(JSON.stringify(callbackFor(task_id)), SECRET, 'msg_1', minutesAgo(4));
    expect(await postSigned(world.webhookUrl, task_id, headers)).toMatchObject(accepted);
    await world.handle({ task_id }).result();
    const saved = await world.results.read(task_id);
    for (let replay = 0; replay < 3; replay += 1) {
      const answer = await postSigned(world.webhookUrl, task_id, headers);
      expect(answer).toEqual({ status: 200, body: { task_id, status: 'duplicate' } });
    }
    expect(await world.results.read(task_id)).toEqual(saved);
    expect(world.counts.wakes).toHaveLength(1);
  });

  it('is refused after five minutes, and if it was copied from another task', async () => {
    const world = commonWorld();
    const task_id = await waitingTask(world);
    const body = JSON.stringify(callbackFor(task_id));
    const old = standardHeaders(body, SECRET, 'msg_1', minutesAgo(6));
    expect(await postSigned(world.webhookUrl, task_id, old)).toMatchObject({
      status: 401,
      body: { error: { code: 'bad_signature', message: expect.stringContaining('clocks') } },
    });
    const fresh = standardHeaders(body, SECRET, 'msg_1');
    expect(await postSigned(world.webhookUrl, UNKNOWN, fresh, body)).toMatchObject(refused(400, 'task_mismatch'));
    expect(await world.view({ task_id })).toMatchObject({ step: 'waiting' });
  });

  it('that is wrong or incomplete is refused even beside a valid hexadecimal signature', async () => {
    const { webhookUrl } = commonWorld();
    const body = JSON.stringify(callbackFor(UNKNOWN));
    const hexadecimal = { [SIGNATURE_HEADER]: sign(body, SECRET) };
    for (const headers of [{ 'webhook-id': 'msg_1' }, standardHeaders('{}', SECRET, 'msg_1')]) {
      const answer = await postSigned(webhookUrl, UNKNOWN, { ...hexadecimal, ...headers });
      expect(answer).toMatchObject(refused(401, 'bad_signature'));
    }
    expect(await postSigned(webhookUrl, UNKNOWN, hexadecimal)).toMatchObject(refused(404, 'unknown_task'));
  });

  it('both schemes accept the next secret as well as the current one', async () => {
    const { webhookUrl } = commonWorld();
    const body = JSON.stringify(callbackFor(UNKNOWN));
    for (const secret of [SECRET, NEXT_SECRET]) {
      for (const headers of [{ [SIGNATURE_HEADER]: sign(body, secret) }, standardHeaders(body, secret, 'msg_1')]) {
        expect(await postSigned(webhookUrl, UNKNOWN, headers)).toMatchObject(refused(404, 'unknown_task'));
      }
    }
  });

  it('callbacks of the simulated Kimi are accepted or refused by scheme, age and signature', async () => {
    const world = await openWorld();
    const expected = { accepted: 0, refused: 0 };
    const counted = () => {
      const { 200: signalled = 0, 202: queued = 0, 401: refused = 0, ...others } = world.counts.callbacks;
      return { accepted: signalled + queued, refused, ...others };
    };
    for (const [directives, outcome] of [
      ['scheme=contract', 'accepted'],
      ['scheme=standard', 'accepted'],
      ['scheme=standard age=240', 'accepted'],
      ['scheme=standard age=400', 'refused'],
      ['scheme=standard signature=wrong', 'refused'],
      ['scheme=contract signature=wrong', 'refused'],
      ['signature=none', 'refused'],
    ] as const) {
      expected[outcome] += 1;
      await world.start(`x [[simulate: delay=1 ${directives}]]`);
      await expect.poll(counted, { message: directives }).toEqual(expected);
    }
  });
});

describe('other requests', () => {
  it('are answered in JSON: 404, 405, and 400 for an invalid path', async () => {
    const { webhookUrl } = commonWorld();
    const at = async (path: string, method: 'GET' | 'POST' = 'GET') => {
      const response = await request(webhookUrl + path, { method });
      return { status: response.statusCode, body: await response.body.json() };
    };
    expect(await at('/')).toMatchObject(refused(404, 'not_found'));
    expect(await at('/kimi/webhook/')).toMatchObject(refused(404, 'not_found'));
    expect(await at('/kimi/webhook/kimi-1-1')).toMatchObject(refused(405, 'method_not_allowed'));
    expect(await at('/kimi/webhook/%E0%A4%A', 'POST')).toMatchObject(refused(400, 'bad_request'));
    expect(await at('/readyz')).toEqual({
      status: 200,
      body: { status: 'ok', engine: true, journal: { entries: 0, bytes: 0 } },
    });
  });

  it('a sender that disconnects in the middle of a body does no harm', async () => {
    const { webhookUrl } = commonWorld();
    const { port, hostname } = new URL(webhookUrl);
    const socket = connect(Number(port), hostname);
    socket.write(
      'POST /kimi/webhook/kimi-1-1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    );
    await once(socket, 'ready');
    socket.destroy();
    await once(socket, 'close');
    expect((await request(`${webhookUrl}/healthz`)).statusCode).toBe(200);
  });
});
