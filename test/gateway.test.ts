import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { Gateway, GatewayError } from '../src/gateway.ts';
import { serve } from './support/world.ts';

const TOKEN = 'hook-secret-token';

/** A gateway that answers as openclaw.md says, and notes what it was sent. */
async function gateway(status: number, body: string, headers: Record<string, string> = {}) {
  const seen: { headers: IncomingMessage['headers']; body: string; method: string | undefined }[] = [];
  const url = await serve((request, response) => {
    let sent = '';
    request.on('data', (chunk: Buffer) => (sent += chunk.toString()));
    request.on('end', () => {
      seen.push({ headers: request.headers, body: sent, method: request.method });
      response.writeHead(status, headers).end(body);
    });
  });
  return { seen, wakeUrl: `${url}/hooks/wake` };
}

it.each(['queued', 'coalesced'])('is woken with the contract’s body (%s)', async (eventOutcome) => {
  const { seen, wakeUrl } = await gateway(200, JSON.stringify({ ok: true, mode: 'now', eventOutcome }));
  await new Gateway({ wakeUrl, token: TOKEN }).wake('kimi-1-1', 'Kimi 任務完成：calculator');
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatchObject({
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'idempotency-key': 'kimi-1-1', 'content-type': 'application/json' },
  });
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ text: 'Kimi 任務完成：calculator', mode: 'now' });
});

it('is sent no Authorization where there is no token', async () => {
  const { seen, wakeUrl } = await gateway(200, '{"ok":true}');
  await new Gateway({ wakeUrl, token: undefined }).wake('kimi-1-1', 'x');
  expect(seen[0]?.headers).not.toHaveProperty('authorization');
});

it.each([
  [401, 'unauthorized', false, undefined],
  [403, 'unauthorized', false, undefined],
  [404, 'not_found', false, undefined],
  [400, 'http_400', false, undefined],
  [413, 'http_413', false, undefined],
  [302, 'http_302', false, undefined],
  [429, 'http_429', true, 60_000],
  [500, 'http_500', true, undefined],
  [503, 'http_503', true, undefined],
])('that answers %i is %s', async (status, type, retryable, retryAfterMs) => {
  const headers: Record<string, string> = status === 429 ? { 'retry-after': '60' } : { location: 'http://127.0.0.1:1' };
  const { wakeUrl } = await gateway(status, 'x', headers);
  const error: unknown = await new Gateway({ wakeUrl: `${wakeUrl}?token=${TOKEN}`, token: TOKEN })
    .wake('kimi-1-1', 'x')
    .catch((problem: unknown) => problem);
  expect(error).toBeInstanceOf(GatewayError);
  expect(error).toMatchObject({ type, retryable, retryAfterMs, message: expect.stringContaining(String(status)) });
  expect((error as Error).message).not.toContain(TOKEN);
});

it('that is not there is tried again', async () => {
  const away = new Gateway({ wakeUrl: `http://x:${TOKEN}@127.0.0.1:1/hooks/wake`, token: TOKEN });
  const error: unknown = await away.wake('kimi-1-1', 'x').catch((problem: unknown) => problem);
  expect(error).toMatchObject({ type: 'unreachable', retryable: true });
  expect((error as Error).message).not.toContain(TOKEN);
});
