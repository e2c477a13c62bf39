/**
 * `npm run record-history`: runs each scenario on the real engine and writes its history to the folder of this version in
 * `test/histories`, replacing the existing one; those of released versions stay. `npm run record-history -- -t NAME` records one of them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { it } from 'vitest';
import type { Activities } from '../src/activities/index.ts';
import { ACKNOWLEDGE_UPDATE, ALLOW_UPDATE, limiterId, notifyWorkflowId, sharedLimiterId } from '../src/shared/names.ts';
import { rowTaskId } from '../src/shared/task-id.ts';
import type { TaskView } from '../src/shared/task.ts';
import { PACKAGE_ROOT } from '../src/service/files.ts';
import { newKey } from '../src/tasks/task-id.ts';
import { tasksOf } from '../test/support/api.ts';
import { callbackFor, passOn } from '../test/support/callback.ts';
import { standInTheWay } from '../test/support/disk.ts';
import { serveBatches, startBatchIn, startMapIn } from '../test/support/maps.ts';
import { openRelayedWorld } from '../test/support/relay.ts';
import { recordingsOf, VERSION } from '../test/support/releases.ts';
import { serve, until } from '../test/support/resources.ts';
import { openWorld, type World, type WorldOptions } from '../test/support/world.ts';

interface Scenario {
  options?: WorldOptions;
  /** Runs the scenario with a relay; the value changes its environment. */
  relay?: Record<string, string>;
  /** Runs the scenario to its end. @returns the task. */
  play: (world: World) => Promise<{ task_id: string }>;
}

const promptWith = (directives: string): string => `寫一個 Python 計算器 [[simulate: ${directives}]]`;

/** Directives of an answer that is long enough to be interrupted. */
const LONG = 'delay=0 reasoning=40 size=4000 chunks=200 chunk-delay=10';

const DAY_MS = 24 * 3_600_000;

const ONE_AT_A_TIME = { concurrent: 1 };

/** Of the budget, K2.6 reserves ¥0.88 for a task. */
const WITH_BUDGET: Pick<Scenario, 'relay' | 'options'> = {
  relay: {},
  options: { apiUrl: 'https://api.moonshot.cn/v1', limits: { budget: { per_day: 1, timezone: 'UTC' } } },
};

/** Scenarios by the name of the history. */
const SCENARIOS: Record<string, Scenario> = {
  'answered-in-time': { play: async (world) => await ended(world, 'delay=200') },
  'answered-before-dispatch-returned': { play: async (world) => await ended(world, 'early=1 accept-delay=200') },
  'answered-in-place': { play: async (world) => await ended(world, 'direct=1') },
  'callback-repeated': { play: async (world) => await ended(world, 'duplicates=3') },
  'failed-by-callback': { play: async (world) => await ended(world, 'fail=1') },
  'refused-by-kimi': { play: async (world) => await ended(world, 'status=400') },
  'timed-out': {
    play: async (world) => {
      const started = await world.start(promptWith('drop=1'), { timeout_ms: 300, grace_ms: 300 });
      return await closed(world, started);
    },
  },
  'answered-late': {
    play: async (world) => {
      const started = await world.start(promptWith('drop=1'), { timeout_ms: 300 });
      return await answeredLate(world, started);
    },
  },
  'cancelled-then-answered': {
    play: async (world) => {
      const started = await world.start(promptWith('drop=1'));
      await world.handle(started).cancel();
      return await answeredLate(world, started);
    },
  },
  'cancelled-and-answered-at-once': cancelledAndAnswered(),
  scheduled: {
    play: async (world) => {
      const { schedules } = tasksOf(world);
      const { id } = await schedules.add(
        { when: '每天 8:00', missed: 'all', task: { prompt: promptWith('delay=0'), name: 'morning' } },
        newKey(),
      );
      const handle = world.client.schedule.getHandle(id);
      const end = new Date();
      await handle.backfill({ start: new Date(end.getTime() - 2 * DAY_MS), end });
      const run = await until(async () => (await handle.describe()).info.recentActions[0]?.action.workflow);
      return await closed(world, { task_id: run.workflowId });
    },
  },
  'cancelled-before-sent': {
    options: { apiUrl: 'http://127.0.0.1:1/v1' },
    play: async (world) => {
      const started = await world.start('x', {}, 500);
      await world.handle(started).cancel();
      return await closed(world, started);
    },
  },
  'outcome-unknown-then-answered': { play: async (world) => await ended(world, 'hang-up=1 delay=300') },
  'wake-retried': {
    play: async (world) => await ended(world, 'delay=0'),
    options: { wakeUrl: 'flaky' },
  },
  'late-answer-overtakes-the-notification': {
    options: { wakeUrl: 'down' },
    play: async (world) => {
      const started = await world.start(promptWith('drop=1'), { timeout_ms: 300 });
      await until(async () => (await world.view(started)).step === 'waking');
      await answer(world, started);
      await until(async () => (await world.results.read(started.task_id))?.late);
      return started;
    },
  },
  'acknowledged-by-the-agent': {
    play: async (world) => {
      const started = await world.start(promptWith('delay=0'), { ack: 'agent' });
      await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
      await world.handle(started).executeUpdate<TaskView, []>(ACKNOWLEDGE_UPDATE);
      return await closed(world, started);
    },
  },
  'acknowledged-while-the-gateway-is-down': {
    options: { wakeUrl: 'down' },
    play: async (world) => {
      const started = await world.start(promptWith('delay=0'));
      await until(async () => (await world.view(started)).step === 'waking');
      await world.handle(started).executeUpdate<TaskView, []>(ACKNOWLEDGE_UPDATE);
      return await closed(world, started);
    },
  },
  'never-acknowledged': {
    play: async (world) => {
      const started = await world.start(promptWith('delay=0'), { ack: 'agent' });
      await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
      await world.skipTime(started);
      return await closed(world, started);
    },
  },
  'resent-since-unknown': {
    play: async (world) => {
      const started = await world.start(promptWith('hang-up=1 delay=3000'), { resend_unknown: true });
      return await closed(world, started);
    },
  },
  'queued-then-admitted': {
    options: { limits: ONE_AT_A_TIME },
    play: async (world) => {
      await world.start(promptWith('delay=1000'));
      return await ended(world, 'delay=0');
    },
  },
  'throttled-then-admitted': {
    options: { limits: ONE_AT_A_TIME },
    play: async (world) => await ended(world, 'status=429 type=rate_limit_reached_error refusals=1 delay=0'),
  },
  'refused-since-the-queue-is-full': {
    options: { limits: { concurrent: 1, queued: 1 } },
    play: async (world) => {
      for (let i = 0; i < 2; i += 1) await world.start(promptWith('drop=1'));
      return await ended(world, 'delay=0');
    },
  },
  'cancelled-while-it-waited': {
    options: { limits: ONE_AT_A_TIME },
    play: async (world) => {
      await world.start(promptWith('drop=1'));
      const started = await world.start(promptWith('drop=1'));
      await world.handle(started).cancel();
      return await closed(world, started);
    },
  },
  'limiter-grants-queues-refuses-and-pauses': {
    options: { limits: { concurrent: 1, queued: 1 } },
    play: async (world) => {
      const first = await world.start(promptWith('status=429 type=rate_limit_reached_error refusals=1 delay=1500'));
      const second = await world.start(promptWith('delay=0'));
      await world.start(promptWith('delay=0'));
      await closed(world, first);
      await closed(world, second);
      return { task_id: limiterId(world.taskQueue) };
    },
  },
  'limiter-lets-agents-take-turns': {
    options: { limits: ONE_AT_A_TIME, sharedLimiter: 'recorded' },
    play: async (world) => {
      const other = await openWorld({ limits: ONE_AT_A_TIME, sharedLimiter: 'recorded' });
      const first = await world.start(promptWith('delay=1500'));
      const second = await world.start(promptWith('delay=0'));
      const third = await other.start(promptWith('delay=0'));
      for (const started of [first, second, third]) await closed(world, started);
      return { task_id: sharedLimiterId('recorded') };
    },
  },
  'limiter-frees-the-slot-of-a-terminated-task': {
    options: { limits: ONE_AT_A_TIME },
    play: async (world) => {
      const first = await world.start(promptWith('drop=1'));
      const second = await world.start(promptWith('delay=0'));
      await world.handle(first).terminate();
      await closed(world, second);
      return { task_id: limiterId(world.taskQueue) };
    },
  },
  'paused-for-the-budget-then-allowed': {
    ...WITH_BUDGET,
    play: async (world) => await allowed(world),
  },
  'limiter-keeps-a-budget': {
    ...WITH_BUDGET,
    play: async (world) => {
      const first = await world.start(promptWith('delay=500'));
      const second = await world.start(promptWith('delay=0'));
      await closed(world, first);
      await closed(world, second);
      await allowed(world);
      return { task_id: limiterId(world.taskQueue) };
    },
  },
  'cancelled-amid-a-relayed-answer': { relay: {}, play: async (world) => await cancelledAmidAnswer(world) },
  'relayed-answer-resumed': {
    relay: {},
    play: async (world) => await ended(world, `${LONG} break=cut after=90 breaks=1`),
  },
  'saved-once-the-disk-takes-it': {
    options: { limits: ONE_AT_A_TIME },
    play: async (world) => {
      const started = await world.start(promptWith('delay=300'));
      const mend = await standInTheWay(world.results.resultPath(started.task_id));
      await until(async () => (await world.handle(started).describe()).raw.pendingActivities?.[0]?.lastFailure);
      await mend();
      return await closed(world, started);
    },
  },
  'map-of-rows': {
    play: async (world) => {
      const file: [string, string] = ['rows.txt', Array.from({ length: 30 }, (_, n) => `delay=${n}`).join('\n')];
      return await closed(world, await startMapIn(world, file, { prompt: promptWith('{{text}}') }));
    },
  },
  'map-cancelled-amid-its-rows': {
    play: async (world) => {
      const started = await startMapIn(world, ['rows.txt', 'delay=0\ndrop=1\nfail=1'], {
        prompt: promptWith('{{text}}'),
      });
      await until(async () => (await world.view(started)).map?.failed === 1);
      await world.handle(started).cancel();
      return await closed(world, started);
    },
  },
  'map-in-batches': {
    play: async (world) => {
      await serveBatches(world, 500);
      return await closed(world, await startBatchIn(world, ['one', 'two', 'three'], '{{text}} [[batch: delay=0]]'));
    },
  },
  'map-in-a-batch-cancelled': {
    play: async (world) => {
      await serveBatches(world, 10_000);
      const started = await startBatchIn(world, ['one', 'two'], '{{text}} [[batch: delay=600000 answered=1]]');
      await until(() => world.counts.batches.length === 1);
      await world.handle(started).cancel();
      return await closed(world, started);
    },
  },
  'row-answered-in-a-batch': {
    play: async (world) => {
      await serveBatches(world, 10_000);
      const { task_id } = await startBatchIn(world, ['one'], '{{text}} [[batch: delay=0]]');
      await closed(world, { task_id });
      return await closed(world, { task_id: rowTaskId(task_id, 1) });
    },
  },
  'map-of-rows-over-the-budget-then-allowed': {
    ...WITH_BUDGET,
    play: async (world) => {
      const tasks = tasksOf(world, { limiter: limiterId(world.taskQueue), relay: true });
      const order = { prompt: promptWith('{{text}}'), model: 'kimi-k2.6', request: { max_tokens: 60_000 } };
      const started = await startMapIn(world, ['rows.txt', 'delay=0\ndelay=1'], order, undefined, tasks);
      await until(async () => (await world.view(started)).paused);
      await tasks.allow(started.task_id);
      return await closed(world, started);
    },
  },
  'row-of-a-map': {
    play: async (world) => {
      const { task_id } = await startMapIn(world, ['rows.txt', 'delay=0'], { prompt: promptWith('{{text}}') });
      await closed(world, { task_id });
      return await closed(world, { task_id: rowTaskId(task_id, 1) });
    },
  },
  'event-sent-when-the-receiver-says': notified('busy'),
  'event-given-up': notified('gone'),
  'woken-when-the-gateway-says': { play: async (world) => await ended(world, 'delay=0'), options: { wakeUrl: 'busy' } },
  'wake-refused': { play: async (world) => await ended(world, 'delay=0'), options: { wakeUrl: 'unauthorized' } },
};

const folder = recordingsOf(VERSION);
await mkdir(folder, { recursive: true });

for (const [name, { options = {}, relay, play }] of Object.entries(SCENARIOS)) {
  it(name, async () => {
    const settings = { ...options, ...(options.wakeUrl && { wakeUrl: await gateway(options.wakeUrl) }) };
    const world = relay ? await openRelayedWorld(relay, settings) : await openWorld(settings);
    const history = await world.handle(await play(world)).fetchHistory();
    await writeFile(join(folder, `${name}.json`), `${withoutMachine(historyToJSON(history))}\n`);
  });
}

/** The delivery of an event to a receiver, which behaves like a gateway; `gone` refuses it for good. */
function notified(kind: string): Scenario {
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  return {
    options: { env: { KIMI_NOTIFY_SECRET: secret, KIMI_NOTIFY_ALLOW: '127.0.0.1' } },
    play: async (world) => {
      const url =
        kind === 'gone' ? await serve((_request, response) => response.writeHead(410).end()) : await gateway(kind);
      const task = { prompt: promptWith('delay=0'), notify: { url } };
      const { task_id } = await tasksOf(world).start(task, newKey(), 1_000);
      await closed(world, { task_id });
      const delivery = { task_id: notifyWorkflowId(task_id) };
      await closed(world, delivery).catch((error: unknown) => {
        if (kind !== 'gone') throw error;
      });
      return delivery;
    },
  };
}

/** Removes stack traces and identities, which contain details of this machine and are not replayed. */
function withoutMachine(json: string): string {
  return json.replaceAll(PACKAGE_ROOT, '.').replaceAll(`@${hostname()}`, '@machine');
}

async function ended(world: World, directives: string): Promise<{ task_id: string }> {
  return await closed(world, await world.start(promptWith(directives)));
}

/** A task that exceeds the budget, and is sent since its user allows it. */
async function allowed(world: World): Promise<{ task_id: string }> {
  const started = await world.start(promptWith('delay=0'), { request: { max_tokens: 60_000 } });
  await until(async () => (await world.view(started)).paused);
  await world.handle(started).executeUpdate<TaskView, []>(ALLOW_UPDATE);
  return await closed(world, started);
}

async function cancelledAmidAnswer(world: World): Promise<{ task_id: string }> {
  const started = await world.start(promptWith('delay=0 reasoning=0 size=4000 chunks=400 chunk-delay=50'));
  await until(() => (world.counts.completions[0]?.generated.content_tokens ?? 0) > 50);
  await world.handle(started).cancel();
  return await closed(world, started);
}

/** Events that arrive during a workflow task are all delivered in the next one. */
function cancelledAndAnswered(): Scenario {
  let isRecording = false;
  const wrap = (activities: Activities): Activities => ({
    ...activities,
    dispatch: async (...args) => ({ ...(await activities.dispatch(...args)), pending: undefined }),
    recordPending: async (...args) => {
      isRecording = true;
      await pause(1_000);
      await activities.recordPending(...args);
    },
  });
  const play = async (world: World) => {
    const started = await world.start(promptWith('drop=1'), {}, 0);
    await until(() => isRecording);
    await world.handle(started).cancel();
    await answer(world, started);
    return await closed(world, started);
  };
  return { options: { wrap }, play };
}

async function closed(world: World, started: { task_id: string }): Promise<{ task_id: string }> {
  await world.handle(started).result();
  return started;
}

async function answeredLate(world: World, started: { task_id: string }): Promise<{ task_id: string }> {
  await until(async () => (await world.view(started)).step === 'awaiting_late_answer');
  await answer(world, started);
  return await closed(world, started);
}

async function answer(world: World, started: { task_id: string }): Promise<void> {
  await passOn(world.handle(started), callbackFor(started.task_id));
}

/** A gateway that fails once (`flaky`; `busy` with Retry-After), while it is down (`down`), or permanently (`unauthorized`). */
async function gateway(kind: string): Promise<string> {
  let calls = 0;
  return await serve((_request, response) => {
    calls += 1;
    const isDown = kind === 'down' || calls === 1;
    if (kind === 'busy') response.setHeader('retry-after', '1');
    response.writeHead(kind === 'unauthorized' ? 401 : isDown ? 503 : 200).end('{}');
  });
}
