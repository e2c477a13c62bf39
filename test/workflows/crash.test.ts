/** A worker killed with kill -9 between any two steps loses nothing and sends nothing twice. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { bundle } from '../support/bundle.ts';
import { lookUp } from '../../src/tasks/look-up.ts';
import { callbackFor, passOn } from '../support/callback.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { notifyWorkflowId } from '../../src/shared/names.ts';
import { RELAY_TOKEN, resultFiles, SECRET, serve, shared, until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

const faultWorker = shared(async () => await bundle('test/support/fault-worker.ts'));

/** Starts a worker that can be killed; its successor runs in this process. */
function startWorker(world: World, when = 'never', step = 'none', changes: Record<string, string> = {}): ChildProcess {
  const worker = spawn(process.execPath, [faultWorker(), when, step], {
    stdio: 'ignore',
    env: {
      ...process.env,
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
      KIMI_API_URL: `${world.simulatorUrl}/v1`,
      KIMI_API_KEY: 'sk-test',
      WEBHOOK_SECRET: SECRET,
      KIMI_CALLBACK_BASE_URL: world.webhookUrl,
      OPENCLAW_WAKE_URL: `${world.simulatorUrl}/hooks/wake`,
      ...changes,
    },
  });
  onTestFinished(() => void worker.kill('SIGKILL'));
  return worker;
}

async function killed(worker: ChildProcess): Promise<void> {
  const [, signal] = (await once(worker, 'exit')) as [number | null, NodeJS.Signals | null];
  expect(signal).toBe('SIGKILL');
}

describe('a worker killed', () => {
  it.for([
    ['before', 'dispatch'],
    ['after', 'dispatch'],
    ['before', 'recordPending'],
    ['after', 'recordPending'],
    ['before', 'persist'],
    ['after', 'persist'],
    ['before', 'wake'],
    ['after', 'wake'],
    ['before', 'acknowledge'],
    ['after', 'acknowledge'],
  ] as const)('%s %s: the task ends done, with one dispatch and one result', async ([when, step]) => {
    const world = await openWorld({ worker: false, delayMs: 200 });
    const dying = startWorker(world, when, step);
    const started = await world.start('x', {}, 0);
    await killed(dying);
    // As each worker does at its start: it removes what was half-written.
    await world.results.prepare();
    await world.startWorker();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(world.counts).toMatchObject({ requests: 1, billed: 1 });
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'done', acknowledged: true });
    expect(await resultFiles(world.results)).toEqual([`${started.task_id}.json`, 'latest.json']);
    expect(world.counts.wakes.map(({ key }) => key)).toEqual([started.task_id]);
  });

  it('once the receiver of an event has accepted it: the event comes again, with its id', async () => {
    const ids: unknown[] = [];
    const url = await serve((request, response) => {
      ids.push(request.headers['webhook-id']);
      response.end();
    });
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const env = { KIMI_NOTIFY_URL: url, KIMI_NOTIFY_SECRET: secret, KIMI_NOTIFY_ALLOW: '127.0.0.1' };
    const world = await openWorld({ worker: false, env });
    const dying = startWorker(world, 'after', 'deliverEvent', env);
    const { task_id } = await world.start('x [[simulate: delay=0]]', {}, 0);
    await killed(dying);
    await world.startWorker();
    await world.client.workflow.getHandle(notifyWorkflowId(task_id)).result();
    expect(ids).toEqual([task_id, task_id]);
  });

  it.for([
    ['before', 'dispatch'],
    ['before', 'recordPending'],
    ['after', 'dispatch'],
  ] as const)('%s %s to the relay: it is sent again, and paid once', async ([when, step]) => {
    const world = await openRelayedWorld({}, { worker: false });
    const relayed = { KIMI_CALLBACKS: 'relay', KIMI_RELAY_URL: world.relay.url, KIMI_RELAY_TOKEN: RELAY_TOKEN };
    const dying = startWorker(world, when, step, relayed);
    const started = await world.start('x [[simulate: delay=0]]', {}, 0);
    await killed(dying);
    await world.startWorker();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts.completions).toHaveLength(1);
    const { events } = await world.handle(started).fetchHistory();
    // The local activity of the killed worker left no event, so it ran again.
    expect(events?.filter(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled)).toEqual([]);
  });

  it('before it takes the task: the next worker does', async () => {
    const world = await openWorld({ worker: false });
    const started = await world.start('x', {}, 100);
    expect(started.status).toBe('pending');
    await world.startWorker();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ requests: 1, billed: 1 });
  });

  it('during the dispatch call, so that the outcome is unknown: it is not sent again, and the user is notified', async () => {
    const world = await openWorld({ worker: false });
    const dying = startWorker(world, 'before', 'request');
    const started = await world.start('x', { timeout_ms: 500, grace_ms: 1 }, 0);
    await killed(dying);
    await world.startWorker();
    expect(await world.handle(started).result()).toMatchObject({ status: 'timed_out' });
    expect(await world.results.read(started.task_id)).toMatchObject({ error: { type: 'outcome_unknown' } });
    expect(world.counts.requests).toBe(0);
  });
});

it('a deadline that passed while everything was down leaves time for pending callbacks to arrive', async () => {
  const world = await openWorld({ worker: false });
  const first = startWorker(world);
  const timeout_ms = 1_000;
  const started = await world.start('x [[simulate: drop=1]]', { timeout_ms }, 20_000);
  first.kill('SIGKILL');
  await once(first, 'exit');
  const handle = world.handle(started);
  await until(async () => {
    const { events } = await handle.fetchHistory();
    const fired = events?.find(({ timerFiredEventAttributes }) => timerFiredEventAttributes);
    return fired && Date.now() > Number(fired.eventTime?.seconds) * 1000 + 3_500;
  });
  await world.startWorker();
  await until(async () => {
    const { events } = await handle.fetchHistory();
    return events?.filter(({ timerStartedEventAttributes }) => timerStartedEventAttributes).length === 2;
  });
  await passOn(handle, callbackFor(started.task_id));
  expect(await handle.result()).toMatchObject({ status: 'done' });
  expect(world.counts.wakes).toHaveLength(1);
  expect(await world.results.read(started.task_id)).not.toHaveProperty('late');
});

/** A task that waits for Kimi, and is cancelled while it has no worker. */
async function cancelledUnseen(timeout_ms: number) {
  const world = await openWorld({ worker: false });
  const first = startWorker(world);
  const started = await world.start('x [[simulate: drop=1]]', { timeout_ms }, 20_000);
  first.kill('SIGKILL');
  await once(first, 'exit');
  const handle = world.handle(started);
  await handle.cancel();
  return { world, started, handle };
}

describe('a task that was cancelled while no worker was running', () => {
  it('is cancelled, although its answer came before the next worker: the answer is stored without a notification', async () => {
    const { world, started, handle } = await cancelledUnseen(60_000);
    await passOn(handle, callbackFor(started.task_id));
    await world.startWorker();
    expect(await handle.result()).toMatchObject({ status: 'cancelled', acknowledged: true });
    expect(await world.results.read(started.task_id)).toMatchObject({
      status: 'cancelled',
      late: true,
      output: '答案',
    });
    expect(world.counts.wakes.map(({ text }) => text)).toEqual([`Kimi 任務已取消：calculator（${started.task_id}）`]);
  });

  it('is cancelled, though its deadline passed before the next worker', async () => {
    const { world, started, handle } = await cancelledUnseen(1_000);
    await until(async () => {
      const { events } = await handle.fetchHistory();
      return events?.some(({ timerFiredEventAttributes }) => timerFiredEventAttributes);
    });
    await world.startWorker();
    await until(async () => (await world.results.read(started.task_id))?.acknowledged);
    await passOn(handle, callbackFor(started.task_id));
    expect(await handle.result()).toMatchObject({ status: 'cancelled' });
    expect(world.counts.wakes.map(({ text }) => text)).toEqual([`Kimi 任務已取消：calculator（${started.task_id}）`]);
  });
});

it('waiting tasks continue within seconds of a kill -9', async () => {
  const world = await openWorld({ worker: false, delayMs: 60_000 });
  const first = startWorker(world);
  const started = await world.start('x', {}, 20_000);
  await until(async () => (await world.view(started)).step === 'waiting');
  first.kill('SIGKILL');
  await once(first, 'exit');
  await world.startWorker();
  // A query that the engine had given to the dead worker is not answered.
  const found = await until(async () => {
    const now = await lookUp(world.client, started.task_id);
    return now?.live && now;
  });
  expect(found.view.step).toBe('waiting');
});
