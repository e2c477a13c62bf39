/** The limiter on the real engine: one for all workers, fair, durable, and unused without limits. */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { LimiterView } from '../../src/shared/limits.ts';
import {
  ADMISSION_SIGNAL,
  LIMITER_SIGNALS,
  SEARCH_ATTRIBUTES,
  limiterId,
  sharedLimiterId,
} from '../../src/shared/names.ts';
import { configureLimiter, limiterView, setLimits } from '../../src/limiter/client.ts';
import { callbackFor, passOn } from '../support/callback.ts';
import { serve, until } from '../support/resources.ts';
import { openWorld, type World, type WorldOptions } from '../support/world.ts';

const ONE_AT_A_TIME = { concurrent: 1 };

const promptWith = (directives: string): string => `x [[simulate: ${directives}]]`;

async function view(world: World): Promise<LimiterView> {
  const seen = await limiterView(world.client, limiterId(world.taskQueue));
  if (!seen) throw new Error('there is no limiter');
  return seen;
}

/** Accepts dispatch calls and never calls back. @returns when each task's requests came, by task name. */
async function countingKimi(): Promise<{ apiUrl: string; arrived: string[] }> {
  const arrived: string[] = [];
  const apiUrl = await serve((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      arrived.push((JSON.parse(body) as { metadata: { task_name: string } }).metadata.task_name);
      response.writeHead(202, { 'content-type': 'application/json' }).end(`{"id":"cmpl-${arrived.length}"}`);
    });
  });
  return { apiUrl, arrived };
}

async function queued(world: World, name: string, changes = {}) {
  const started = await world.start(promptWith('drop=1'), { task_name: name, ...changes });
  expect(started).toMatchObject({ status: 'queued' });
  return started as typeof started & { queued: { place: number } };
}

/** Fills a limiter's history until it continues as new. */
async function goOnAsNew({ client }: World, id: string): Promise<void> {
  const handle = client.workflow.getHandle(id);
  const { runId } = await handle.describe();
  // Requests and releases slots for a task that does not exist, until the history is long.
  const task_id = 'kimi-1-1';
  await until(async () => {
    const knock = async (round: number): Promise<void> => {
      await handle.signal(LIMITER_SIGNALS.request, { task_id, priority: 5, round });
      await handle.signal(LIMITER_SIGNALS.release, { task_id, sent: false });
    };
    await Promise.all(Array.from({ length: 10 }, async (_, round) => await knock(round + 1)));
    // No faster than the limiter: a backlog would make each replay longer.
    await limiterView(client, id);
    return (await handle.describe()).runId !== runId;
  });
}

describe('a task', () => {
  it('waits for its turn, shows its position, and continues when a slot is released', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const first = await world.start(promptWith('drop=1'));
    expect(first).toMatchObject({ status: 'accepted' });
    const second = await world.start(promptWith('delay=0'));
    const third = await world.start(promptWith('delay=0'));
    expect(second).toMatchObject({ status: 'queued', queued: { place: 1 } });
    expect(third).toMatchObject({ status: 'queued', queued: { place: 2 } });
    expect(await world.view(second)).toMatchObject({ state: 'queued', step: 'queued', queue: { place: 1 } });
    expect(await view(world)).toMatchObject({ in_flight: [first.task_id], queue: [{ task_id: second.task_id }, {}] });
    await passOn(world.handle(first), callbackFor(first.task_id));
    for (const started of [first, second, third]) {
      expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    }
    expect(await view(world)).toMatchObject({ in_flight: [], queue: [] });
    expect(world.counts).toMatchObject({ requests: 3, billed: 3 });
  });

  it('does not use up its deadline while it waits', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const first = await world.start(promptWith('drop=1'));
    const second = await world.start(promptWith('delay=0'), { timeout_ms: 3_000 });
    expect(second).toMatchObject({ status: 'queued' });
    // Longer than its deadline.
    await pause(3_500);
    await passOn(world.handle(first), callbackFor(first.task_id));
    expect(await world.handle(second).result()).toMatchObject({ status: 'done' });
    await world.handle(first).result();
  });

  it('that is urgent goes first', async () => {
    const { apiUrl, arrived } = await countingKimi();
    const world = await openWorld({ limits: ONE_AT_A_TIME, apiUrl });
    const first = await world.start('x', { task_name: 'first', timeout_ms: 3_600_000 });
    const later = await queued(world, 'later', { priority: 5 });
    await queued(world, 'urgent', { priority: 1 });
    expect((await view(world)).queue.map(({ place, priority }) => [place, priority])).toEqual([
      [1, 1],
      [2, 5],
    ]);
    await world.handle(first).cancel();
    await until(() => arrived.length === 2);
    expect(arrived).toEqual(['first', 'urgent']);
    expect(await world.view(later)).toMatchObject({ state: 'queued' });
  });

  it('cancelled while it waits is never sent', async () => {
    const { apiUrl, arrived } = await countingKimi();
    const world = await openWorld({ limits: ONE_AT_A_TIME, apiUrl });
    const first = await world.start('x', { task_name: 'first' });
    const second = await queued(world, 'second');
    await world.handle(second).cancel();
    expect(await world.handle(second).result()).toMatchObject({ status: 'cancelled' });
    await until(async () => (await view(world)).queue.length === 0);
    await world.handle(first).cancel();
    expect(arrived).toEqual(['first']);
  });

  it('is refused if the queue is full, and nothing is sent', async () => {
    const { apiUrl, arrived } = await countingKimi();
    const world = await openWorld({ limits: { concurrent: 1, queued: 1 }, apiUrl });
    await world.start('x', { task_name: 'first' });
    await queued(world, 'second');
    const third = await world.start('x', { task_name: 'third' });
    expect(third).toMatchObject({
      status: 'refused',
      error: { type: 'queue_full', message: expect.stringContaining('已有 1 個任務在排隊') },
    });
    expect(await world.handle(third).result()).toMatchObject({ status: 'failed' });
    expect(arrived).toEqual(['first']);
  });

  it('that timed out releases its slot while it stays open for a late answer', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const first = await world.start(promptWith('drop=1'), { timeout_ms: 300 });
    const second = await world.start(promptWith('delay=0'));
    expect(await world.handle(second).result()).toMatchObject({ status: 'done' });
    expect(await world.view(first)).toMatchObject({ state: 'timed_out', step: 'awaiting_late_answer' });
  });

  it('that was terminated releases its slot', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const first = await world.start(promptWith('drop=1'));
    const second = await world.start(promptWith('delay=0'));
    expect(second).toMatchObject({ status: 'queued' });
    await world.handle(first).terminate();
    expect(await world.handle(second).result()).toMatchObject({ status: 'done' });
  });

  it('that was terminated while it waited takes no slot', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const first = await world.start(promptWith('drop=1'));
    const second = await world.start(promptWith('delay=0'));
    const third = await world.start(promptWith('delay=0'));
    await world.handle(second).terminate();
    await passOn(world.handle(first), callbackFor(first.task_id));
    expect(await world.handle(first).result()).toMatchObject({ status: 'done' });
    expect(await world.handle(third).result()).toMatchObject({ status: 'done' });
  });

  it('starts the limiter if it is not running, and asks again if the answer was lost', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const first = await world.start(promptWith('delay=0'));
    expect(await world.handle(first).result()).toMatchObject({ status: 'done' });
    await world.client.workflow.getHandle(limiterId(world.taskQueue)).terminate('somebody did');
    const second = await world.start(promptWith('delay=0'));
    expect(await world.handle(second).result()).toMatchObject({ status: 'done' });
  });

  it('ignores an answer to an earlier request', async () => {
    const { apiUrl, arrived } = await countingKimi();
    const world = await openWorld({ limits: ONE_AT_A_TIME, apiUrl });
    await world.start('x', { task_name: 'first' });
    const second = await queued(world, 'second');
    await world.handle(second).signal(ADMISSION_SIGNAL, { round: 7, state: 'granted' });
    expect(await world.view(second)).toMatchObject({ state: 'queued' });
    expect(arrived).toEqual(['first']);
  });
});

describe('requests in any 60 s', () => {
  it('are no more than the limit', async () => {
    const { apiUrl, arrived } = await countingKimi();
    const world = await openWorld({ limits: { per_minute: 2 }, apiUrl });
    const started = await Promise.all(['a', 'b', 'c'].map(async (name) => await world.start('x', { task_name: name })));
    expect(started.map(({ status }) => status).toSorted()).toEqual(['accepted', 'accepted', 'queued']);
    expect(arrived).toHaveLength(2);
    const [waiting] = (await view(world)).queue;
    expect(waiting).toMatchObject({ place: 1, expected_wait_ms: expect.any(Number) });
    expect(waiting?.expected_wait_ms).toBeLessThanOrEqual(60_000);
  });
});

it('a request that Kimi refused counts against the limit like any other', async () => {
  const world = await openWorld({ limits: { per_minute: 1 } });
  const refused = await world.start(promptWith('status=400'));
  expect(await world.handle(refused).result()).toMatchObject({ status: 'failed' });
  expect(await world.start(promptWith('delay=0'))).toMatchObject({ status: 'queued' });
  expect(await view(world)).toMatchObject({ used_per_minute: 1, in_flight: [] });
});

describe('throttling by Kimi (429)', () => {
  it('delays all tasks; the throttled task is first in the queue', async () => {
    const seen: { name: string; at: number }[] = [];
    const apiUrl = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { metadata } = JSON.parse(body) as { metadata: { task_name: string } };
        seen.push({ name: metadata.task_name, at: Date.now() });
        response.setHeader('content-type', 'application/json');
        if (seen.length > 1) return response.writeHead(202).end('{"id":"cmpl-1"}');
        const error = { type: 'rate_limit_reached_error', message: 'please try again after 2 seconds' };
        return response.writeHead(429).end(JSON.stringify({ error }));
      });
    });
    const world = await openWorld({ limits: { concurrent: 5 }, apiUrl });
    const first = world.start('x', { task_name: 'first' });
    await until(() => seen.length === 1);
    await until(async () => (await view(world)).paused_until);
    const second = world.start('x', { task_name: 'second' });
    expect(await first).toMatchObject({ status: 'queued', queued: { place: 1 } });
    expect(await second).toMatchObject({ status: 'queued', queued: { place: 2 } });
    await until(() => seen.length === 3);
    const [busy, ...later] = seen;
    expect(later.map(({ name }) => name).toSorted()).toEqual(['first', 'second']);
    for (const { at } of later) expect(at - (busy?.at ?? 0)).toBeGreaterThanOrEqual(2_000);
  });

  it('an exhausted quota is final, and the user is notified', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const started = await world.start(promptWith('status=429 type=exceeded_current_quota_error'));
    expect(started).toMatchObject({ status: 'refused', error: { type: 'exceeded_current_quota_error' } });
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed', acknowledged: true });
    expect(world.counts.requests).toBe(1);
  });
});

describe('the limits', () => {
  it('can be read and changed at runtime, and stay when a worker restarts with the same environment', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const id = limiterId(world.taskQueue);
    expect(await limiterView(world.client, id)).toBeUndefined();
    expect(await setLimits(world.client, id, { concurrent: 2 })).toBeUndefined();
    const first = await world.start(promptWith('drop=1'));
    const second = await queued(world, 'second');
    expect(await setLimits(world.client, id, { concurrent: 2 })).toMatchObject({ limits: { concurrent: 2 } });
    await until(async () => (await world.view(second)).state === 'dispatched');
    const environment = { per_minute: 0, queued: 0, ...ONE_AT_A_TIME };
    await configureLimiter(world.client, { id, taskQueue: world.taskQueue, limits: environment, lang: 'zh-TW' });
    expect(await view(world)).toMatchObject({ limits: { concurrent: 2 }, in_flight: [first.task_id, second.task_id] });
  });

  it('that are removed from the environment release all waiting tasks', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    await world.start(promptWith('drop=1'));
    const second = await queued(world, 'second');
    const limits = { per_minute: 0, concurrent: 0, queued: 0 };
    await configureLimiter(world.client, {
      id: limiterId(world.taskQueue),
      taskQueue: world.taskQueue,
      limits,
      lang: 'zh-TW',
    });
    await until(async () => (await world.view(second)).state === 'dispatched');
    expect(await view(world)).toMatchObject({ limits, queue: [] });
  });

  it('of 0 start no limiter and ask none', async () => {
    const world = await openWorld();
    const limits = { per_minute: 0, concurrent: 0, queued: 1000 };
    await configureLimiter(world.client, {
      id: limiterId(world.taskQueue),
      taskQueue: world.taskQueue,
      limits,
      lang: 'zh-TW',
    });
    const started = await world.start(promptWith('delay=0'));
    await world.handle(started).result();
    const { events } = await world.handle(started).fetchHistory();
    expect(events?.some((event) => event.signalExternalWorkflowExecutionInitiatedEventAttributes)).toBe(false);
    expect(await limiterView(world.client, limiterId(world.taskQueue))).toBeUndefined();
  });
});

describe('a new limiter', () => {
  it('counts tasks that Kimi is already working on', async () => {
    const world = await openWorld();
    const running = await world.start(promptWith('drop=1'));
    // A new limiter asks the engine's list, which is a moment behind.
    const listed = `${SEARCH_ATTRIBUTES.status.name} = "dispatched" AND WorkflowId = "${running.task_id}"`;
    await until(async () => (await world.client.workflow.count(listed)).count === 1);
    const limiter = limiterId(world.taskQueue);
    const start = { id: limiter, taskQueue: world.taskQueue, limits: { per_minute: 0, concurrent: 1, queued: 0 } };
    await configureLimiter(world.client, { ...start, lang: 'zh-TW' });
    await until(async () => (await view(world)).in_flight[0] === running.task_id);
    await queued(world, 'next', { limiter });
    expect((await view(world)).in_flight).toEqual([running.task_id]);
  });

  it('continues as new with its whole state', async () => {
    const world = await openWorld({ limits: ONE_AT_A_TIME });
    const first = await world.start(promptWith('drop=1'));
    const second = await queued(world, 'second');
    await goOnAsNew(world, limiterId(world.taskQueue));
    expect(await view(world)).toMatchObject({ in_flight: [first.task_id], queue: [{ task_id: second.task_id }] });
    await world.handle(first).cancel();
    await until(async () => (await world.view(second)).state === 'dispatched');
  });
});

async function sharing(count: number, options: WorldOptions = {}) {
  const sharedLimiter = crypto.randomUUID();
  const worlds = await Promise.all(
    Array.from({ length: count }, async () => await openWorld({ limits: ONE_AT_A_TIME, sharedLimiter, ...options })),
  );
  const [{ client }] = worlds as [World];
  const id = sharedLimiterId(sharedLimiter);
  const seen = async () => (await limiterView(client, id)) as LimiterView;
  return { worlds: worlds as [World, World, ...World[]], id, seen };
}

describe('agents that share a limiter', () => {
  it('keep its limits together, and take turns', async () => {
    const { apiUrl, arrived } = await countingKimi();
    const { worlds, seen } = await sharing(2, { apiUrl });
    const [busy, other] = worlds;
    const first = await busy.start('x', { task_name: 'busy-1' });
    expect(first).toMatchObject({ status: 'accepted' });
    const more = [await queued(busy, 'busy-2'), await queued(busy, 'busy-3'), await queued(busy, 'busy-4')];
    const others = [await queued(other, 'other-1'), await queued(other, 'other-2')];
    expect(others[0]).toMatchObject({ queued: { place: 2 } });
    expect((await seen()).agents).toEqual([
      { agent: busy.taskQueue, in_flight: 1, queued: 3 },
      { agent: other.taskQueue, in_flight: 0, queued: 2 },
    ]);
    const going = [first, more[0], others[0], more[1], others[1], more[2]] as { task_id: string }[];
    for (const [index, started] of going.entries()) {
      await until(() => arrived.length > index);
      await (index === 2 || index === 4 ? other : busy).handle(started).cancel();
    }
    expect(arrived).toEqual(['busy-1', 'busy-2', 'other-1', 'busy-3', 'other-2', 'busy-4']);
  });

  it('fill only their own queue', async () => {
    const { worlds } = await sharing(2, { limits: { concurrent: 1, queued: 1 } });
    const [busy, other] = worlds;
    await busy.start(promptWith('drop=1'));
    await queued(busy, 'second');
    expect(await busy.start(promptWith('drop=1'))).toMatchObject({ status: 'refused', error: { type: 'queue_full' } });
    await queued(other, 'not affected');
  });

  it('are asked for their running tasks when it is new', async () => {
    const { worlds, id, seen } = await sharing(2);
    const [one, other] = worlds;
    const running = [
      await one.start(promptWith('drop=1'), { limiter: undefined }),
      await other.start(promptWith('drop=1'), { limiter: undefined }),
    ];
    for (const [index, { client, taskQueue }] of worlds.entries()) {
      await until(
        async () => (await worlds[index]?.view(running[index] as { task_id: string }))?.state === 'dispatched',
      );
      const limits = { per_minute: 0, concurrent: 2, queued: 0 };
      await configureLimiter(client, { id, taskQueue, limits, lang: 'zh-TW' });
    }
    await until(async () => (await seen()).in_flight.length === 2);
    await queued(one, 'next');
    expect((await seen()).agents).toEqual([
      { agent: one.taskQueue, in_flight: 1, queued: 1 },
      { agent: other.taskQueue, in_flight: 1, queued: 0 },
    ]);
  });

  it('are not delayed by one whose worker is down, also after the limiter has continued as new', async () => {
    const { worlds, id, seen } = await sharing(1);
    const [world] = worlds;
    const away = await openWorld({ worker: false });
    const holder = await away.start('x', {}, 0);
    const handle = world.client.workflow.getHandle(id);
    const limits = { per_minute: 0, concurrent: 1, queued: 0 };
    await configureLimiter(world.client, { id, taskQueue: world.taskQueue, limits, lang: 'zh-TW' });
    await handle.signal(LIMITER_SIGNALS.request, {
      task_id: holder.task_id,
      agent: away.taskQueue,
      priority: 3,
      round: 1,
    });
    await until(async () => (await seen()).in_flight[0] === holder.task_id);
    const second = await queued(world, 'second', { priority: 1 });
    await goOnAsNew(world, id);
    await world.skipTime({ task_id: id });
    await until(async () => (await world.view(second)).state === 'dispatched');
    expect((await seen()).agents).toContainEqual({ agent: away.taskQueue, in_flight: 1, queued: 0, away: true });
    // Its worker restarts, and reports itself.
    await configureLimiter(world.client, { id, taskQueue: away.taskQueue, limits, lang: 'zh-TW' });
    await until(async () => !(await seen()).agents?.some((agent) => agent.away));
  });

  it('without limits of its own, an agent does not remove those of the others', async () => {
    const { worlds, id, seen } = await sharing(1);
    const [world] = worlds;
    const { client, taskQueue } = world;
    await world.start(promptWith('drop=1'));
    const none = { per_minute: 0, concurrent: 0, queued: 0 };
    await configureLimiter(client, { id, taskQueue: `${taskQueue}-other`, limits: none, lang: 'zh-TW' });
    expect((await seen()).limits).toMatchObject(ONE_AT_A_TIME);
  });

  it('a task whose limiter is gone starts the limiter given at its start, not that of its current worker', async () => {
    const { worlds, id } = await sharing(1);
    const [world] = worlds;
    const started = await world.start(promptWith('delay=0'), { limiter: limiterId(world.taskQueue) });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(await limiterView(world.client, id)).toBeUndefined();
    expect((await view(world)).agents).toBeUndefined();
  });
});
