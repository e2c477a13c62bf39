/** What the relay's activity does after an attempt that was killed: it never pays for an answer twice. */
import { ActivityCancelledError, ActivityNotFoundError, type Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { TaskError } from '../../src/shared/task.ts';
import { explain, textFor } from '../../src/text/index.ts';
import { describe, expect, it } from 'vitest';
import type { Callback } from '../../src/shared/callback.ts';
import { FAILURE, relayId, relayQueue } from '../../src/shared/names.ts';
import type { RelayRequest, RelaySummary } from '../../src/shared/relay.ts';
import { createRelayActivities } from '../../src/relay/activities.ts';
import type { Piece } from '../../src/relay/answer.ts';
import { ReceivedStore } from '../../src/relay/recordings.ts';
import { cancelRequest } from '../../src/relay/client.ts';
import { Tools, type ToolsDependencies } from '../../src/relay/tools.ts';
import { costOf } from '../../src/kimi/models.ts';
import { serveAnswer } from '../support/answering.ts';
import { freePort } from '../support/engine.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { SECRET, serve, silent, temporaryFolder, until } from '../support/resources.ts';
import { engineClient } from '../support/world.ts';

const REQUEST: RelayRequest = { task_id: 'kimi-1-1', body: { model: 'kimi-k2.6', messages: [] } };
const API_URL = 'https://api.moonshot.ai/v1';

const SEARCHING: RelayRequest = { ...REQUEST, tools: ['search'] };
const CALL = { index: 0, id: 'web_search:0', name: 'web_search', arguments: '{"query":"a"}' };
const ROUND: Piece[] = [
  { tool_calls: [CALL], usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100 } },
  { finish_reason: 'tool_calls', done: true },
];
const DEFINITION = { type: 'function', function: { name: 'web_search' } };

const END: Piece[] = [{ finish_reason: 'stop' }, { done: true }];

/** A search that finds something, and notes its arguments. */
function formulasOf(called: string[]): ToolsDependencies['formulas'] {
  return {
    definitions: async () => [DEFINITION],
    run: async (_tool, _name, args) => {
      called.push(args);
      return { content: 'found', clear: true };
    },
  };
}

/** The relay's activity in front of a Kimi that answers `again`, on a disk with the files of an earlier attempt. */
async function nextAttempt(
  webhookStatus = 200,
  onInterrupt: 'fail' | 'retry' = 'retry',
  refusal?: Error,
  request = REQUEST,
) {
  const received = new ReceivedStore(await temporaryFolder());
  const webhook = await serveAnswer(webhookStatus);
  const asked: unknown[] = [];
  const called: string[] = [];
  const activities = createRelayActivities({
    kimi: {
      async *complete(body, signal) {
        signal.throwIfAborted();
        asked.push(body);
        yield [{ content: 'again' }, ...END];
      },
    },
    received,
    documents: { into: async (_request, body) => body, forget: async () => {} },
    tools: new Tools({ formulas: formulasOf(called), received, log: silent }),
    apiUrl: API_URL,
    batches: { answer: noBatch, forget: async () => {} },
    mapBatches: { make: noBatch, answers: noBatch, cancel: noBatch, forget: noBatch },
    taskQueue: 'x',
    limiter: 'x',
    onRepeat: 'continue',
    onInterrupt,
    callbackBaseUrl: webhook.url,
    secret: SECRET,
    log: silent,
  });
  const beats: unknown[] = [];
  const confirmed: unknown[] = [];
  const heartbeat = async (_: Uint8Array, details: unknown): Promise<void> => {
    if (refusal) throw refusal;
    confirmed.push(details);
  };
  const client: Client = Object.create(await engineClient(), { activity: { value: { heartbeat } } });
  const run = async (attempt: number, heartbeatDetails?: unknown): Promise<RelaySummary> => {
    const engine = new MockActivityEnvironment(
      { attempt, heartbeatDetails, scheduledTimestampMs: Date.now() },
      { client },
    );
    engine.on('heartbeat', (details) => beats.push(details));
    return await engine.run(async () => await activities.complete(request));
  };
  const record = async (attempt: number, ...pieces: Piece[]): Promise<void> => {
    const recording = await received.begin(REQUEST.task_id, attempt, attempt > 0);
    recording.sent();
    await recording.take(pieces);
    await recording.close();
  };
  const delivered = (): Callback[] => webhook.received.map(({ body }) => JSON.parse(body) as Callback);
  return { received, asked, called, delivered, beats, confirmed, run, record };
}

describe('after an attempt that was killed', () => {
  it('with the whole answer on disk, that answer is delivered', async () => {
    const { asked, delivered, run, record } = await nextAttempt();
    await record(0, { content: 'first' }, ...END);
    expect(await run(2)).toMatchObject({ outcome: 'answered', interruptions: 0 });
    expect(delivered()).toMatchObject([{ choices: [{ message: { content: 'first' } }] }]);
    expect(asked).toEqual([]);
  });

  it('between its end and the delivery, that end is delivered, and no other request is made', async () => {
    const { received, asked, delivered, run, record } = await nextAttempt();
    await record(0, { content: 'half' });
    const callback = { error: { type: 'content_filter', message: 'm' }, metadata: { task_id: 'kimi-1-1' } };
    await received.end(REQUEST.task_id, callback);
    expect(await run(2)).toMatchObject({ outcome: 'content_filter' });
    expect(delivered()).toEqual([callback]);
    expect(asked).toEqual([]);
  });

  it('after the delivery, nothing is delivered or requested again', async () => {
    const { received, asked, delivered, run, record } = await nextAttempt();
    await record(0, { content: 'first' }, ...END);
    await received.delivered(REQUEST.task_id, 'answered');
    expect(await run(2)).toMatchObject({ outcome: 'answered' });
    expect(delivered()).toEqual([]);
    expect(asked).toEqual([]);
  });

  it('with recordings newer than the heartbeats, none of them is overwritten', async () => {
    const { received, asked, run, record } = await nextAttempt();
    for (const n of [0, 1, 2, 3]) await record(n, { content: `${n}` });
    // The last heartbeat is from the first request.
    expect(await run(7, { requests: 0, since: Date.now() })).toMatchObject({ interruptions: 4 });
    expect(asked).toMatchObject([{ messages: [{ content: '0123', partial: true }] }]);
    expect(await received.endOf(REQUEST.task_id)).toEqual({ delivered: 'answered' });
  });

  it('on another machine, the request is not sent again: it may be paid for', async () => {
    const { asked, delivered, run } = await nextAttempt(200, 'fail');
    const holder = { machine: 'another', pid: 1, start: '1' };
    expect(await run(2, { requests: 0, since: Date.now(), holder })).toMatchObject({ outcome: 'interrupted' });
    const [callback] = delivered() as { error: TaskError }[];
    expect(callback?.error).toMatchObject({ type: 'interrupted', detail: { code: 'not_resumed' } });
    const said = (['en', 'zh-TW'] as const).map((lang) => explain(callback?.error as TaskError, textFor(lang)));
    expect(said[0]).toContain('it was not asked again, since it could be paid for twice; kimi-dispatch retry');
    expect(said[1]).toContain('為避免重複付費，沒有再問一次；可用 kimi-dispatch retry');
    expect(asked).toEqual([]);
  });
});

describe('after an attempt that was killed between two rounds of searches', () => {
  it.each([
    ['before its search, that is made once', false, [CALL.arguments]],
    ['after its search, that is not made again', true, []],
  ])('%s, and only the next round is asked for', async (_, isSearched, searches) => {
    const { received, asked, called, delivered, beats, run, record } = await nextAttempt(
      200,
      'fail',
      undefined,
      SEARCHING,
    );
    const { task_id } = SEARCHING;
    await record(0, ...ROUND);
    if (isSearched) {
      const calls = { '0.0': { content: 'found', use: { tool: 'search' as const, input: 'a' } } };
      await received.noteTools(task_id, { offered: [{ tool: 'search', definitions: [DEFINITION] }], calls });
    }
    const summary = await run(2, { requests: 0, since: Date.now() });
    expect(summary).toEqual({ task_id, outcome: 'answered', interruptions: 0, rounds: 1 });
    expect(asked).toMatchObject([{ messages: [{ role: 'assistant' }, { role: 'tool', content: 'found' }] }]);
    expect(called).toEqual(searches);
    expect(delivered()).toMatchObject([
      { tool_uses: [{ tool: 'search', input: 'a' }], usage: { prompt_tokens: 1_000 } },
    ]);
    const cost = costOf({ prompt: 1_000, completion: 100, total: 1_100 }, 'kimi-k2.6', API_URL);
    const amount = (cost?.amount ?? NaN) + 0.005;
    expect(beats).toContainEqual(
      expect.objectContaining({ rounds: { round: 1, calls: { search: 1 }, cost: { ...cost, amount } } }),
    );
  });

  it('the next round is tried for a day of its own', async () => {
    const refusal = new ActivityNotFoundError('Not found');
    const { run, record, delivered } = await nextAttempt(200, 'fail', refusal, SEARCHING);
    await record(0, ...ROUND);
    const since = Date.now() - 25 * 3_600_000;
    await expect(run(2, { requests: 0, since })).rejects.toMatchObject({ type: FAILURE.notSent });
    expect(delivered()).toEqual([]);
  });
});

it.each([
  ['ended by itself', { requests: 0, since: Date.now() }],
  ['was lost before it began: the engine has no heartbeat of it', undefined],
])('after an attempt that %s, the request is sent', async (_, details) => {
  const { asked, run, confirmed } = await nextAttempt(200, 'fail');
  expect(await run(2, details)).toMatchObject({ outcome: 'answered' });
  expect(asked).toHaveLength(1);
  expect(confirmed).toMatchObject([{ holder: { pid: process.pid } }]);
});

it.each([
  ['given up', new ActivityNotFoundError('Not found'), 'rejected'],
  ['cancelled', new ActivityCancelledError('cancelled'), 'cancelled'],
])('an attempt that the engine has %s before its first heartbeat sends nothing', async (_, refusal, outcome) => {
  const { asked, run } = await nextAttempt(200, 'retry', refusal);
  const ended = run(1).then(
    (summary) => summary.outcome,
    (error: unknown) => {
      expect(error).toMatchObject({ type: FAILURE.notSent, nonRetryable: false });
      return 'rejected';
    },
  );
  expect(await ended).toBe(outcome);
  expect(asked).toEqual([]);
});

it('a callback that the webhook rejects permanently ends the request; the recording stays', async () => {
  const { received, run } = await nextAttempt(404);
  await expect(run(1)).rejects.toMatchObject({ type: 'CallbackRefused', nonRetryable: true });
  expect(await received.endOf(REQUEST.task_id)).toMatchObject({ callback: { choices: [{}] } });
});

describe('on the engine', () => {
  it('an answer that the webhook does not accept is delivered by its own activity; streams do not wait for it', async () => {
    const port = await freePort();
    const world = await openRelayedWorld({
      KIMI_CALLBACK_BASE_URL: `http://127.0.0.1:${port}`,
      KIMI_RELAY_STREAMS: '1',
    });
    const callback_url = (task_id: string): string => `http://127.0.0.1:${port}/kimi/webhook/${task_id}`;
    const call = (task_id: string) => ({
      model: 'kimi-k2.6',
      messages: [{ role: 'user', content: `x [[simulate: delay=0 mark=${task_id}]]` }],
      metadata: { task_id },
      callback_url: callback_url(task_id),
    });
    for (const task_id of ['kimi-2-1', 'kimi-2-2']) {
      expect(await world.relay.post('/v1/chat/completions', call(task_id))).toMatchObject({ status: 202 });
      await world.client.activity.getHandle(relayId(task_id)).result();
    }
    await world.relay.kill();
    await world.relay.start();
    const paths: string[] = [];
    await serve((request, response) => {
      paths.push(String(request.url));
      response.end();
    }, port);
    await until(() => paths.length >= 2);
    expect(new Set(paths)).toEqual(new Set(['/kimi/webhook/kimi-2-1', '/kimi/webhook/kimi-2-2']));
    expect(world.counts.completions).toHaveLength(2);
  });

  it('a task that is cancelled while its request waits for a retry ends immediately', async () => {
    const port = await freePort();
    const world = await openRelayedWorld({ KIMI_API_URL: `http://127.0.0.1:${port}/v1` });
    const started = await world.start('x');
    const request = world.client.activity.getHandle(relayId(started.task_id));
    await until(async () => (await request.describe()).attempt > 2);
    await world.handle(started).cancel();
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect((await request.describe()).status).toBe('CANCELED');
  });

  it('a task that is cancelled while its relay is down ends once the next relay runs', async () => {
    const world = await openRelayedWorld();
    const started = await world.start('x [[simulate: delay=60000]]');
    await until(() => world.counts.completions.length === 1);
    await world.relay.kill();
    await world.handle(started).cancel();
    await until(async () => (await world.view(started)).state === 'cancelled');
    // The request is open until the relay has gone for long enough; who repeats the cancellation is told the same.
    const { task_id, model } = await world.view(started);
    const again = async () =>
      await cancelRequest(world.client, relayQueue(world.taskQueue), { task_id, body: { model, messages: [] } });
    expect([await again(), await again()]).toEqual([true, true]);
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect(world.counts.completions).toHaveLength(1);
  });
});

async function noBatch(): Promise<never> {
  throw new Error('no batch');
}
