/** Events for programs: which receivers are called, and that each event reaches its receiver once it can. */
import dns from 'node:dns';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, vi } from 'vitest';
import { sendEvent } from '../../src/notify/delivery.ts';
import { countGivenUp, drop, resend, retryDelayMs, undelivered } from '../../src/notify/deliveries.ts';
import { eventOf } from '../../src/notify/event.ts';
import { AllowedHosts, isPublic, refusalOf } from '../../src/notify/receiver.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { notifyWorkflowId } from '../../src/shared/names.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import { unlessUnknown } from '../../src/temporal/client.ts';
import { UNREACHABLE } from '../support/answering.ts';
import { tasksOf } from '../support/api.ts';
import { callbackFor, passOn } from '../support/callback.ts';
import { startMapIn } from '../support/maps.ts';
import { serve, shared, until } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const PRIVATE = [
  'http://127.0.0.1/',
  'https://localhost/',
  'https://x.localhost./',
  'https://2130706433/',
  'https://0x7f.1/',
  'https://0177.0.0.1/',
  'https://127.1/',
  'https://0.0.0.0/',
  'https://0/',
  'https://10.1.2.3/',
  'https://172.16.0.1/',
  'https://192.168.1.1/',
  'https://100.64.0.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://198.18.0.1/',
  'https://224.0.0.1/',
  'https://255.255.255.255/',
  'https://[::]/',
  'https://[::1]/',
  'https://[::127.0.0.1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:a9fe:a9fe]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[fe80::1]/',
  'https://[fec0::1]/',
  'https://[fd00:ec2::254]/',
  'https://[ff02::1]/',
];

describe('an address', () => {
  const none = new AllowedHosts([]);

  it.each(PRIVATE)('%s is not public', (url) => {
    expect(refusalOf(url, none)).toBe('private');
  });

  it.each(['https://hooks.example.com/a?token=b', 'https://8.8.8.8/', 'https://[2606:4700::1111]:8443/'])(
    '%s may be called',
    (url) => {
      expect(refusalOf(url, none)).toBeUndefined();
    },
  );

  it.each([
    ['ftp://example.com/', 'no_url'],
    ['file:///etc/passwd', 'no_url'],
    ['example.com', 'no_url'],
    [`https://example.com/${'x'.repeat(2_048)}`, 'no_url'],
    ['https://user:secret@example.com/', 'credentials'],
    ['https://user@example.com/', 'credentials'],
    ['http://example.com/', 'clear'],
  ] as const)('%s is refused', (url, why) => {
    expect(refusalOf(url, none)).toBe(why);
  });

  it.each([
    ['http://127.0.0.1:5678/', '127.0.0.0/8'],
    ['http://localhost:5678/', 'localhost'],
    ['http://localhost:5678/', '127.0.0.1'],
    ['http://[fd00::7]/', 'fd00::/8'],
    ['http://n8n.lan/', '10.0.0.1', 'N8N.lan'],
  ])('%s may be called if %s is allowed', (url, ...entries) => {
    expect(refusalOf(url, new AllowedHosts(entries))).toBeUndefined();
    expect(refusalOf('https://192.168.1.1/', new AllowedHosts(entries))).toBe('private');
  });

  it('that no package knows is not public', () => {
    expect(isPublic('fe80::1%eth0')).toBe(false);
    expect(isPublic('not an address')).toBe(false);
  });
});

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const NEXT = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;

interface Event {
  type: string;
  data: Record<string, unknown>;
}

/** A receiver on this machine, which answers in turn with these statuses, then with 204. */
async function receiver(...answers: number[]) {
  const asked: string[] = [];
  const events: { id: string; timestamp: string; event: Event; at: number }[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const headers = stringsOf(request.headers);
    // Each of the secrets verifies it, by the package that receivers use.
    for (const secret of [SECRET, NEXT]) new Webhook(secret).verify(body, headers);
    const { 'webhook-id': id = '', 'webhook-timestamp': timestamp = '' } = headers;
    asked.push(String(request.url));
    events.push({ id, timestamp, event: JSON.parse(body) as Event, at: performance.now() });
    const status = answers.shift() ?? 204;
    response.writeHead(status, { 'retry-after': '0.01', ...(status === 302 && { location: '/elsewhere' }) });
    response.end('not kept');
  };
  const url = await serve((request, response) => void answer(request, response));
  return { url: `${url}/secret-path`, asked, events };
}

function stringsOf(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

it('a receiver that redirects is reported as one that is not followed', async () => {
  const { url, asked } = await receiver(302);
  const options = { secrets: [SECRET, NEXT], allowed: new AllowedHosts(['127.0.0.1']) };
  await expect(sendEvent({ url, id: 'test-1', body: '{}' }, options)).rejects.toThrow(
    'answered 302; redirects are not followed',
  );
  expect(asked).toEqual(['/secret-path']);
});

describe('a name that resolves to this machine', () => {
  it('is refused when it is called, unless it is allowed', async () => {
    const { url, asked } = await receiver();
    const { port } = new URL(url);
    vi.spyOn(dns, 'lookup').mockImplementation(((
      _host: string,
      _options: object,
      callback: (...args: unknown[]) => void,
    ) => {
      callback(null, [{ address: '127.0.0.1', family: 4 }]);
    }) as unknown as typeof dns.lookup);
    const event = { id: 'x', body: '{}' };
    const secrets = [SECRET, NEXT];
    try {
      const rebound = sendEvent(
        { ...event, url: `https://rebound.example.com:${port}/` },
        { secrets, allowed: new AllowedHosts([]) },
      );
      await expect(rebound).rejects.toMatchObject({
        type: 'private_address',
        message: expect.stringMatching(
          /^https:\/\/rebound\.example\.com:\d+ resolves to an address that is not public/,
        ) as string,
      });
      expect(asked).toEqual([]);
      const allowed = new AllowedHosts(['rebound.example.com']);
      expect(await sendEvent({ ...event, url: `http://rebound.example.com:${port}/` }, { secrets, allowed })).toBe(204);
    } finally {
      vi.restoreAllMocks();
    }
  });
});

it('attempts follow after four times as long each, and not all at the same moment', () => {
  for (const [attempt, ms, retryAfterMs] of [
    [1, 1_000, undefined],
    [3, 16_000, undefined],
    [40, 6 * 3_600_000, undefined],
    // The receiver's Retry-After is a minimum: one that names a small one is not called at that pace for three days.
    [1, 3_000, 3_000],
    [3, 16_000, 3_000],
  ] as const) {
    const delays = Array.from({ length: 50 }, () => retryDelayMs(attempt, retryAfterMs));
    expect(new Set(delays).size).toBeGreaterThan(1);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(ms);
    expect(Math.max(...delays)).toBeLessThanOrEqual(1.2 * ms);
  }
});

it('a long answer is not in its event', () => {
  const result = {
    task_id: 'kimi-1-1',
    task_name: 'x',
    status: 'done',
    model: 'kimi-k2.6',
    created_at: '',
    completed_at: '',
  };
  const outputOf = (output: string) =>
    (eventOf({ ...result, output } as ResultFile, undefined) as Event).data['output'];
  expect(outputOf('x'.repeat(16_382))).toHaveLength(16_382);
  expect(outputOf('x'.repeat(16_383))).toBeUndefined();
  expect(outputOf('"'.repeat(8_192))).toBeUndefined();
});

describe('the event of a task', () => {
  const env = { KIMI_NOTIFY_SECRET: `${SECRET} ${NEXT}`, KIMI_NOTIFY_ALLOW: '127.0.0.1' };
  const world = shared(async () => await openWorld({ env }));

  /** Starts a task with a receiver, as a service does. */
  async function start(url: string, directives = 'delay=0', more: object = {}): Promise<{ task_id: string }> {
    const task = { prompt: `x [[simulate: ${directives}]]`, name: 'calculator', notify: { url }, ...more };
    return await tasksOf(world()).start(task, newKey(), 1_000);
  }

  const missing = async () => await undelivered(world().client, world().taskQueue);

  it('is sent once, signed, and no history has the address', async () => {
    const { url, events } = await receiver();
    const metadata = { ticket: '7' };
    const { task_id } = await start(url, 'delay=0', { metadata, wake: false });
    const delivery = world().client.workflow.getHandle(notifyWorkflowId(task_id));
    expect(await world().handle({ task_id }).result()).toMatchObject({ status: 'done' });
    expect(await delivery.result()).toEqual({ status: 204 });
    const saved = await world().results.read(task_id);
    const { output, completed_at, tokens } = saved ?? {};
    expect(events).toMatchObject([
      {
        id: task_id,
        event: {
          type: 'task.done',
          timestamp: completed_at,
          data: {
            task_id,
            task_name: 'calculator',
            status: 'done',
            output,
            metadata,
            tokens,
            result: `/v1/tasks/${task_id}/result`,
          },
        },
      },
    ]);
    for (const handle of [world().handle({ task_id }), delivery]) {
      const { raw, memo } = await handle.describe();
      expect(JSON.stringify([raw, memo]) + historyToJSON(await handle.fetchHistory())).not.toContain('secret-path');
    }
    expect((await delivery.describe()).memo).toEqual({ task_name: 'calculator', origin: new URL(url).origin });
    // Saving again starts no second delivery.
    expect(await missing()).toEqual([]);
  });

  it('is sent again, with its id, until the receiver accepts it; a redirect is not followed', async () => {
    const { url, asked, events } = await receiver(302);
    const { task_id } = await start(url, 'status=400');
    await until(() => events.length === 2);
    await world().client.workflow.getHandle(notifyWorkflowId(task_id)).result();
    expect(events.map(({ id, event }) => [id, event.type])).toEqual(
      Array.from({ length: 2 }, () => [task_id, 'task.failed']),
    );
    const [first, second] = events;
    // A small Retry-After is a minimum.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(1_000);
    // Each attempt is signed with its own time.
    expect(Number(second?.timestamp)).toBeGreaterThan(Number(first?.timestamp));
    expect(new Set(asked)).toEqual(new Set(['/secret-path']));
  });

  it('is given up at 410, listed, sent again or removed', async () => {
    const { url, events } = await receiver(410, 410);
    const { task_id } = await start(url);
    const listed = await until(async () =>
      (await missing()).find(({ id, state }) => id === task_id && state === 'given_up'),
    );
    const { origin } = new URL(url);
    expect(listed).toMatchObject({
      task_id,
      task_name: 'calculator',
      origin,
      retrying: { why: `${origin} answered 410` },
    });
    const shown = async () => (await tasksOf(world()).find(task_id)).events;
    expect(await shown()).toMatchObject([{ id: task_id, origin, state: 'given_up', retrying: { type: 'http_410' } }]);
    const { client, taskQueue } = world();
    expect(await countGivenUp(client, taskQueue)).toBe(1);
    expect(await resend(client, taskQueue, task_id)).toBe(true);
    await until(() => events.length === 2);
    await until(async () => (await missing()).filter(({ state }) => state === 'given_up').length === 1);
    expect(await resend(client, taskQueue, task_id)).toBe(true);
    // The engine's list may not have it yet.
    await until(() => events.length === 3);
    await until(async () => (await missing()).length === 0);
    expect(await shown()).toEqual([{ id: task_id, origin, state: 'delivered', since: expect.any(String) as string }]);
    expect(events.map(({ id }) => id)).toEqual([task_id, task_id, task_id]);
    expect(await drop(client, taskQueue, task_id)).toBe(false);
  });

  it('that gets no answer may have been received; dropped, it is not sent any more', async () => {
    const { client, taskQueue } = world();
    const url = await serve((request, response) => void request.resume().on('end', () => response.destroy()));
    const { task_id } = await start(url);
    const listed = await until(async () => (await missing()).find(({ id, retrying }) => id === task_id && retrying));
    const why = { type: 'no_response', why: `${url}: the connection was closed` };
    expect(listed).toMatchObject({ state: 'pending', retrying: why });
    expect((await tasksOf(world()).find(task_id)).events).toMatchObject([{ state: 'pending', retrying: why }]);
    const refused = sendEvent(
      { url: UNREACHABLE, id: 'x', body: '{}' },
      { secrets: [SECRET], allowed: new AllowedHosts(['127.0.0.1']) },
    );
    await expect(refused).rejects.toMatchObject({ type: 'unreachable' });
    expect(await drop(client, taskQueue, task_id)).toBe(true);
    await until(
      async () => (await unlessUnknown(client.workflow.getHandle(notifyWorkflowId(task_id)).describe())) === undefined,
    );
    expect(await drop(client, taskQueue, task_id)).toBe(false);
  });

  it('comes again for an answer that came late', async () => {
    const { url, events } = await receiver();
    const started = await start(url, 'drop=1', { timeout_ms: 300 });
    await until(async () => (await world().view(started)).step === 'awaiting_late_answer');
    await passOn(world().handle(started), callbackFor(started.task_id));
    await until(() => events.length === 2);
    const { task_id } = started;
    expect(events.map(({ id, event }) => [id, event.type, event.data['late']])).toEqual([
      [task_id, 'task.timed_out', undefined],
      [`${task_id}-late`, 'task.done', true],
    ]);
  });

  it('of a map is one', async () => {
    const { url, events } = await receiver();
    const prompt = 'x [[simulate: {{text}}]]';
    const { task_id } = await startMapIn(world(), ['rows.txt', 'delay=0\nfail=1'], { prompt, notify: { url } });
    await world().handle({ task_id }).result();
    await world().client.workflow.getHandle(notifyWorkflowId(task_id)).result();
    expect(events).toMatchObject([
      { id: task_id, event: { type: 'task.failed', data: { map: { rows: 2, done: 1, failed: 1 } } } },
    ]);
    expect(await missing()).toEqual([]);
  });

  it('is in OpenAI’s form if the task came by its API', async () => {
    const { url, events } = await receiver();
    const { task_id } = await start(url, 'delay=0', { event: { form: 'openai' } });
    await until(() => events.length === 1);
    expect(events).toMatchObject([
      { id: task_id, event: { type: 'response.completed', data: { id: `resp_${task_id}` } } },
    ]);
  });

  it('has no receiver that is not allowed: nothing is started', async () => {
    const before = world().counts.requests;
    await expect(start('http://169.254.169.254/')).rejects.toMatchObject({
      code: 'bad_receiver',
      params: { why: 'private' },
    });
    const scheduled = { prompt: 'x', notify: { url: 'https://user:secret@example.com' } };
    const adding = tasksOf(world()).schedules.add({ when: '每天 8:00', task: scheduled }, newKey());
    await expect(adding).rejects.toMatchObject({ code: 'bad_receiver' });
    expect(world().counts.requests).toBe(before);
  });
});
