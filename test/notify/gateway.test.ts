/** Waking the agent (docs/openclaw.md) over real HTTP. */
import { describe, expect, it } from 'vitest';
import { Gateway, GatewayError } from '../../src/notify/gateway.ts';
import type { PluginWake } from '../../src/notify/protocol.ts';
import { failureOf, UNREACHABLE, serveAnswer, serveCut } from '../support/answering.ts';

const TOKEN = 'hook-very-secret';
const TASK_ID = 'kimi-1707654321-12345';
const TEXT = 'Kimi 任務完成：calculator';

async function wake(wakeUrl: string, token: string | undefined = TOKEN, signal?: AbortSignal): Promise<void> {
  await new Gateway({ wakeUrl, token }).wake({ text: TEXT, mode: 'now' }, TASK_ID, signal);
}

async function wakePlugin(wakeUrl: string, reply: PluginWake['reply']): Promise<void> {
  const task = { task_id: TASK_ID, task_name: 'calculator', status: 'done' };
  const wake = { text: TEXT, mode: 'now', task, reply, message: TEXT, maybe_repeated: '(again?)' } as const;
  await new Gateway({ wakeUrl, token: TOKEN }).wake(wake, TASK_ID);
}

describe('the wake', () => {
  it('is the request that the gateway expects', async () => {
    const { url, received } = await serveAnswer(200, { ok: true, mode: 'now', eventOutcome: 'queued' });
    await wake(`${url}/hooks/wake`);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      method: 'POST',
      path: '/hooks/wake',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'idempotency-key': TASK_ID },
    });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({ text: TEXT, mode: 'now' });
  });

  it.each([undefined, ''])('has no Authorization without a token (%j)', async (token) => {
    const { url, received } = await serveAnswer(200, { ok: true });
    await new Gateway({ wakeUrl: `${url}/api/cron/wake`, token }).wake({ text: TEXT, mode: 'now' }, TASK_ID);
    expect(received).toHaveLength(1);
    expect(received[0]?.path).toBe('/api/cron/wake');
    expect(received[0]?.headers).not.toHaveProperty('authorization');
  });
});

describe('the gateway’s response', () => {
  it.each([
    [200, { ok: true, mode: 'now', eventOutcome: 'queued' }],
    [200, { ok: true, mode: 'now', eventOutcome: 'coalesced' }],
    [200, 'no JSON'],
    [204, ''],
  ])('%d %j is accepted', async (status, body) => {
    const { url, received } = await serveAnswer(status, body);
    await expect(wake(url)).resolves.toBeUndefined();
    expect(received).toHaveLength(1);
  });

  it.each([
    [401, 'Unauthorized', 'unauthorized', 'OPENCLAW_WAKE_TOKEN'],
    [403, '', 'unauthorized', 'OPENCLAW_WAKE_TOKEN'],
    [404, 'Not Found', 'not_found', 'OPENCLAW_WAKE_URL'],
    [400, { ok: false, error: 'text required' }, 'http_400', 'answered 400'],
    [413, '', 'http_413', 'answered 413'],
    [302, '', 'http_302', 'answered 302'],
  ])('%d %j is a permanent failure', async (status, body, type, message) => {
    const { url, received } = await serveAnswer(status, body);
    const error = await failureOf(wake(url), GatewayError);
    expect(error).toMatchObject({ type, retryable: false, message: expect.stringContaining(message) });
    expect(received).toHaveLength(1);
  });

  it.each([
    [429, { 'retry-after': '60' }, 60_000],
    [429, {}, undefined],
    [503, { 'retry-after': '2' }, 2_000],
    [503, { 'retry-after': 'soon' }, undefined],
    [500, {}, undefined],
    [502, {}, undefined],
    [408, {}, undefined],
  ])('%d %j is retried', async (status, headers, retryAfterMs) => {
    const { url, received } = await serveAnswer(status, '', headers);
    const error = await failureOf(wake(url), GatewayError);
    expect(error).toMatchObject({ type: `http_${status}`, retryable: true });
    expect(error.retryAfterMs).toBe(retryAfterMs);
    expect(received).toHaveLength(1);
  });

  it.each([
    [200, '<!doctype html><title>OpenClaw</title>', 'no_plugin'],
    [200, { ok: true, mode: 'now', eventOutcome: 'queued' }, 'no_plugin'],
    [204, '', 'no_plugin'],
    [404, 'Not Found', 'no_plugin'],
    [200, { outcome: 'failed', error: 'Forbidden' }, 'failed'],
  ])('%d %j is not delivered by the plugin, and is retried', async (status, body, type) => {
    for (const reply of ['deliver', 'agent'] as const) {
      const { url } = await serveAnswer(status, body);
      const error = await failureOf(wakePlugin(url, reply), GatewayError);
      expect(error).toMatchObject({ type, retryable: true, message: expect.stringContaining(`answered ${status}`) });
    }
  });

  it('of the plugin is accepted if it reports the reply as sent', async () => {
    const { url } = await serveAnswer(200, { outcome: 'sent' });
    await expect(wakePlugin(url, 'deliver')).resolves.toBeUndefined();
  });

  it('with a date in Retry-After is retried then, within the hour', async () => {
    for (const [inMs, least] of [
      [600_000, 500_000],
      [86_400_000, 3_600_000],
    ] as const) {
      const { url } = await serveAnswer(503, '', { 'retry-after': new Date(Date.now() + inMs).toUTCString() });
      const { retryAfterMs = 0 } = await failureOf(wake(url), GatewayError);
      expect(retryAfterMs).toBeGreaterThanOrEqual(least);
      expect(retryAfterMs).toBeLessThanOrEqual(Math.min(inMs, 3_600_000));
    }
  });

  it('with a redirect is not followed: the token is not sent elsewhere', async () => {
    const other = await serveAnswer(200, { ok: true });
    const { url } = await serveAnswer(307, '', { location: `${other.url}/hooks/wake` });
    await failureOf(wake(url), GatewayError);
    expect(other.received).toEqual([]);
  });
});

describe('a gateway that is unreachable', () => {
  it('is retried', async () => {
    const error = await failureOf(wake(`${UNREACHABLE}/hooks/wake`), GatewayError);
    expect(error).toMatchObject({
      type: 'unreachable',
      retryable: true,
      message: `cannot reach ${UNREACHABLE}/hooks/wake: ECONNREFUSED`,
    });
  });

  it('after reading the wake is retried', async () => {
    expect(await failureOf(wake(await serveCut()), GatewayError)).toMatchObject({
      type: 'unreachable',
      retryable: true,
    });
  });

  it('is not waited for once the task is cancelled', async () => {
    const { url, received } = await serveAnswer(200);
    expect(await failureOf(wake(url, TOKEN, AbortSignal.abort()), GatewayError)).toMatchObject({ retryable: true });
    expect(received).toEqual([]);
  });
});

const answers = (status: number) => async (): Promise<string> => (await serveAnswer(status, `no ${TOKEN}`)).url;

describe('no message holds the token, or the user info and the query of the address,', () => {
  it.each([
    ['when no server listens', async () => UNREACHABLE],
    ['when the connection is cut', serveCut],
    ['when it is refused', answers(401)],
    ['when it is not found', answers(404)],
    ['when it is invalid', answers(400)],
    ['when it is throttled', answers(429)],
    ['when the gateway fails', answers(500)],
    ['when it is redirected', answers(307)],
  ])('%s', async (_when, address) => {
    const url = `${(await address()).replace('://', '://user:pass-word@')}/hooks/wake?token=query-secret`;
    const { message } = await failureOf(wake(url), GatewayError);
    expect(message).toContain('/hooks/wake');
    for (const secret of [TOKEN, 'pass-word', 'user', 'query-secret']) expect(message).not.toContain(secret);
  });
});
