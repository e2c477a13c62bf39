/** The life of a task on the real engine over real HTTP. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, type WorkflowClientInterceptor } from '@temporalio/client';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { createActivities, type Activities } from '../../src/activities/index.ts';
import { startTask, type Started } from '../../src/tasks/start.ts';
import { SEARCH_ATTRIBUTES } from '../../src/shared/names.ts';
import { KimiClient } from '../../src/kimi/client.ts';
import { explain, textFor } from '../../src/text/index.ts';
import { sign } from '../../src/webhook/signature.ts';
import { serveAnswer } from '../support/answering.ts';
import { callbackFor, passOn } from '../support/callback.ts';
import { standInTheWay } from '../support/disk.ts';
import { NO_FILES, resultFiles, SECRET, serve, until } from '../support/resources.ts';
import { engineClient, openWorld, TASK, type World } from '../support/world.ts';

const promptWith = (directives: string): string => `寫一個 Python 計算器 [[simulate: ${directives}]]`;

describe('a callback in time', () => {
  it('goes dispatch → callback → persist → wake → acknowledge', async () => {
    let isRead: (() => void) | undefined;
    const read = new Promise<void>((resolve) => {
      isRead = resolve;
    });
    const world = await openWorld({
      wrap: (activities) => ({
        ...activities,
        persist: async (...args) => {
          await read;
          return await activities.persist(...args);
        },
      }),
    });
    const started = await world.start('寫一個 Python 計算器');
    expect(started).toMatchObject({ status: 'accepted', api_id: expect.stringMatching(/^cmpl-sim-/) });
    const pendingPath = join(world.results.folder, `pending-${started.task_id}.json`);
    await until(() => existsSync(pendingPath));
    const pending = JSON.parse(await readFile(pendingPath, 'utf8'));
    isRead?.();
    expect(pending).toEqual({
      task_id: started.task_id,
      task_name: 'calculator',
      model: expect.any(String),
      status: 'dispatched',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    });

    expect(await world.handle(started).result()).toEqual({
      task_id: started.task_id,
      status: 'done',
      acknowledged: true,
    });
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({
      task_id: started.task_id,
      task_name: 'calculator',
      status: 'done',
      model: 'moonshot-v1-128k',
      output: expect.stringContaining('模擬的 Kimi'),
      tokens: { prompt: 7, completion: expect.any(Number), total: expect.any(Number) },
      finish_reason: 'stop',
      completed_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      acknowledged: true,
    });
    expect(await world.results.latest()).toEqual(result);
    expect(await resultFiles(world.results)).toEqual([`${started.task_id}.json`, 'latest.json']);
    expect(world.counts).toMatchObject({
      requests: 1,
      billed: 1,
      callbacks: { 200: 1 },
      wakes: [{ key: started.task_id, text: `Kimi 任務完成：calculator（${started.task_id}）` }],
    });
  });

  it('shows its history in the Web UI', async () => {
    const world = await openWorld();
    const started = await world.start('寫一個 Python 計算器');
    await world.handle(started).result();
    const { typedSearchAttributes: attributes, staticDetails, staticSummary } = await describeTask(world, started);
    expect(attributes.get(SEARCH_ATTRIBUTES.status)).toBe('done');
    expect(attributes.get(SEARCH_ATTRIBUTES.taskName)).toBe('calculator');
    expect(attributes.get(SEARCH_ATTRIBUTES.model)).toBe('moonshot-v1-128k');
    expect(attributes.get(SEARCH_ATTRIBUTES.tokens)).toBeGreaterThan(0);
    expect(await staticSummary()).toBe('calculator · moonshot-v1-128k');
    expect(await staticDetails()).toContain('> 寫一個 Python 計算器');
    const metadata = await world.handle(started).query<{ currentDetails: string }>('__temporal_workflow_metadata');
    expect(metadata.currentDetails).toContain('**完成**');
  });

  it('may also come in the response to the dispatch call', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('direct=1'));
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(await world.results.read(started.task_id)).toMatchObject({ output: expect.stringContaining('模擬') });
  });

  it('may be as large as the engine allows', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('size=600000'));
    await world.handle(started).result();
    expect((await world.results.read(started.task_id))?.output).toHaveLength(600_000);
  });
});

describe('a callback before the dispatch call has returned', () => {
  it('is the answer, and the call is not repeated', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('early=1'));
    expect(started.status).toBe('accepted');
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ requests: 1, billed: 1 });
  });

  it('is the answer even if the call then fails', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('early=1 hang-up=1'));
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(world.counts).toMatchObject({ requests: 1, billed: 1 });
  });
});

describe('a duplicate callback', () => {
  it('changes nothing', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('duplicates=3'));
    await world.handle(started).result();
    await until(() => world.counts.callbacks['200'] === 4);
    expect(world.counts.wakes).toHaveLength(1);
    expect(await resultFiles(world.results)).toEqual([`${started.task_id}.json`, 'latest.json']);
  });
});

describe('no callback in time', () => {
  it('ends the task as timed out; a late callback is stored and notified once', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('drop=1'), { grace_ms: 3_600_000 });
    const handle = world.handle(started);
    await world.skipTime(started);
    await until(async () => (await world.results.read(started.task_id))?.acknowledged);
    expect(await world.results.read(started.task_id)).toMatchObject({
      status: 'timed_out',
      error: { type: 'timed_out', message: 'Kimi 沒有在 120 秒內回呼' },
    });
    const { historyEvents } = await historyOf(world, started);
    const wait = historyEvents.find((event) => event.timerStartedEventAttributes);
    expect(Number(wait?.timerStartedEventAttributes?.startToFireTimeout?.seconds)).toBe(120);
    // With time skipping the grace period ends immediately if there is no callback.
    expect(await handle.result()).toMatchObject({ status: 'timed_out' });
  });

  it('keeps the task open for a late answer', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('drop=1'), { timeout_ms: 300 });
    await until(async () => (await world.view(started)).step === 'awaiting_late_answer');
    await passOn(world.handle(started), callbackFor(started.task_id));
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'done', late: true, output: '答案' });
    expect(world.counts.wakes.map(({ text }) => text)).toEqual([
      `Kimi 任務逾時：calculator（${started.task_id}）`,
      `Kimi 任務完成：calculator（${started.task_id}-late）`,
    ]);
  });

  it('the deadline counts from Kimi’s acceptance', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('accept-delay=1500 delay=0'), { timeout_ms: 1_000 });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
  });
});

describe('a callback that reports an error', () => {
  it('gives a failed result', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('fail=1 type=content_filter'));
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed', acknowledged: true });
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ status: 'failed', error: { type: 'content_filter' } });
    expect(result).not.toHaveProperty('output');
    // The provider's own words are quoted.
    expect(result?.error && explain(result.error, textFor('zh-TW'))).toMatch(/^Kimi 的內容審查擋下了.*（「.+」）$/);
    expect(world.counts.wakes[0]?.text).toBe(`Kimi 任務失敗：calculator（${started.task_id}）`);
  });
});

describe('a dispatch call', () => {
  it('refused by Kimi fails the task immediately with the reason', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('status=400 type=invalid_request_error'));
    expect(started).toMatchObject({
      status: 'refused',
      error: { type: 'invalid_request_error', message: expect.stringContaining('Kimi answered 400') },
    });
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed' });
    expect(world.counts).toMatchObject({ requests: 1, billed: 0 });
  });

  it('without an API key is refused before anything is sent', async () => {
    const world = await openWorld({ apiKey: undefined });
    expect(await world.start('x')).toMatchObject({ status: 'refused', error: { type: 'no_api_key' } });
    expect(world.counts.requests).toBe(0);
  });

  it('that was interrupted after sending is never sent again; the callback still counts', async () => {
    const world = await openWorld({ delayMs: 500 });
    const started = await world.start(promptWith('hang-up=1'));
    expect(started).toMatchObject({ status: 'accepted' });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ requests: 1, billed: 1 });
  });

  it('that was interrupted after sending, without a callback, is reported at the deadline', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('hang-up=1 drop=1'), { timeout_ms: 500, grace_ms: 1 });
    expect(started).toMatchObject({ status: 'refused', error: { type: 'outcome_unknown' } });
    expect(await world.handle(started).result()).toMatchObject({ status: 'timed_out' });
    expect(await world.results.read(started.task_id)).toMatchObject({ error: { type: 'outcome_unknown' } });
    expect(world.counts.requests).toBe(1);
  });

  it('that was interrupted after sending is resent a limited number of times if the user has chosen that', async () => {
    const { apiUrl, sent } = await cuttingKimi((calls) => calls <= 1);
    const world = await openWorld({ apiUrl });
    const started = await world.start('x', { resend_unknown: true });
    expect(started).toMatchObject({ status: 'accepted', api_id: 'cmpl-2' });
    expect(await world.view(started)).toMatchObject({ state: 'dispatched' });
    expect(await world.view(started)).not.toHaveProperty('error');
    expect(sent).toHaveLength(2);
  });

  it('that is interrupted each time ends as unknown, and not before its deadline', async () => {
    const { apiUrl, sent } = await cuttingKimi(() => true);
    const world = await openWorld({ apiUrl });
    const started = await world.start('x', { resend_unknown: true, grace_ms: 1 }, 100);
    await world.skipTime(started);
    expect(await world.handle(started).result()).toMatchObject({ status: 'timed_out' });
    expect(await world.results.read(started.task_id)).toMatchObject({ error: { type: 'outcome_unknown' } });
    expect(sent).toHaveLength(4);
  });

  it('whose pending file could not be written is sent once, and an activity writes the file', async () => {
    let attempts = 0;
    const world = await openWorld({
      wrap: (activities) => ({
        ...activities,
        dispatch: async (task, sending) => {
          const { pending, ...dispatched } = await activities.dispatch(task, sending);
          expect(pending).toBe(true);
          await rm(pendingPath(task.task_id));
          return dispatched;
        },
        recordPending: async (...args) => {
          attempts += 1;
          if (attempts === 1) throw new Error('disk full');
          await activities.recordPending(...args);
        },
      }),
    });
    const pendingPath = (task_id: string): string => join(world.results.folder, `pending-${task_id}.json`);
    const started = await world.start('x [[simulate: drop=1]]');
    await until(() => existsSync(pendingPath(started.task_id)));
    expect(attempts).toBe(2);
    expect(world.counts.requests).toBe(1);
  });

  it('that could not connect is retried until it can', async () => {
    let refuse = 2;
    const world = await openWorld({
      wrap: (activities) => ({
        ...activities,
        dispatch: async (task, sending) => {
          if (refuse-- <= 0) return await activities.dispatch(task, sending);
          const unreachable = new KimiClient({
            apiUrl: 'http://127.0.0.1:1/v1',
            apiKey: 'sk',
            callbackBaseUrl: 'http://x',
            contents: NO_FILES,
          });
          return await createActivities({ kimi: unreachable } as never).dispatch(task, sending);
        },
      }),
    });
    const started = await world.start('x');
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ requests: 1, billed: 1 });
  });

  it('is retried on 429 after the time Kimi asks for', async () => {
    const seen: number[] = [];
    const apiUrl = await serve((_request, response) => {
      seen.push(Date.now());
      response.setHeader('content-type', 'application/json');
      if (seen.length === 1) {
        response.writeHead(429, { 'retry-after': '2' });
        response.end('{"error":{"type":"rate_limit_reached_error","message":"slow down"}}');
      } else response.writeHead(202).end('{"id":"cmpl-1"}');
    });
    const world = await openWorld({ apiUrl });
    expect(await world.start('x')).toMatchObject({ status: 'accepted', api_id: 'cmpl-1' });
    expect(seen).toHaveLength(2);
    expect((seen[1] as number) - (seen[0] as number)).toBeGreaterThanOrEqual(2_000);
  });
});

describe('the options of a task besides the prompt', () => {
  it('reach Kimi, pictures included', async () => {
    const { url, received } = await serveAnswer(202, { id: 'cmpl-1' });
    const world = await openWorld({ apiUrl: `${url}/v1` });
    // Larger than what the engine itself stores.
    const images = [`data:image/png;base64,${'A'.repeat(400_000)}`];
    const request = { system: '簡答', thinking: 'low', images };
    expect(await world.start('這是什麼？', { model: 'kimi-k3', request })).toMatchObject({ status: 'accepted' });
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      model: 'kimi-k3',
      messages: [
        { role: 'system', content: '簡答' },
        { role: 'user', content: [{ type: 'image_url', image_url: { url: images[0] } }, { text: '這是什麼？' }] },
      ],
      reasoning_effort: 'low',
    });
  });

  it('are validated by the worker too, before anything is sent', async () => {
    const world = await openWorld();
    const started = await world.start('x', { model: 'kimi-k3', request: { temperature: 0.3 } });
    expect(started).toMatchObject({
      status: 'refused',
      error: { type: 'bad_parameter', message: 'kimi-k3 accepts only temperature 1; leave --temperature out' },
    });
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed' });
    expect(world.counts.requests).toBe(0);
  });
});

/** A worker that was stopped for longer than its workflow task's timeout has saved the result and notified; the engine gave the workflow task to another worker. */
describe('an answer whose result was saved and notified by a discarded workflow task', () => {
  it.each([
    ['timed_out', 'done', (task_id: string) => [`${task_id}-late`]],
    ['cancelled', 'cancelled', () => []],
  ] as const)('after a result that was %s is late, and the task is %s', async (notified, status, notifications) => {
    const world = await openWorld();
    const started = await world.start(promptWith('drop=1'));
    const { task_id } = started;
    const { task_name, model, created_at } = await world.view(started);
    await world.results.persist({ task_id, task_name, model, created_at, status: notified });
    await world.results.acknowledge(task_id);
    await passOn(world.handle(started), callbackFor(task_id));
    expect(await world.handle(started).result()).toEqual({ task_id, status, acknowledged: true });
    expect(await world.results.read(task_id)).toMatchObject({
      status,
      late: true,
      output: expect.any(String),
      acknowledged: true,
    });
    expect(world.counts.wakes.map(({ key }) => key)).toEqual(notifications(task_id));
  });
});

it('an answer that was saved and notified by a discarded workflow task is not notified again, although the task is cancelled then', async () => {
  const world = await openWorld();
  const started = await world.start(promptWith('drop=1'));
  const { task_id } = started;
  const { task_name, model, created_at } = await world.view(started);
  const tokens = { prompt: 7, completion: 3, total: 10 };
  await world.results.persist({ task_id, task_name, model, created_at, status: 'done', output: '答案', tokens });
  await world.results.acknowledge(task_id);
  await world.handle(started).cancel();
  await until(async () => (await world.view(started)).step === 'awaiting_late_answer');
  const view = await world.view(started);
  expect(view).toMatchObject({ state: 'done', tokens: 10, acknowledged: true });
  expect(view).not.toHaveProperty('error');
  // The callback is in the history that the other worker got.
  await passOn(world.handle(started), callbackFor(task_id));
  expect(await world.handle(started).result()).toEqual({ task_id, status: 'done', acknowledged: true });
  const result = await world.results.read(task_id);
  expect(result).toMatchObject({ status: 'done', output: '答案', acknowledged: true });
  expect(result).not.toHaveProperty('late');
  expect(world.counts.wakes).toEqual([]);
});

describe('a cancelled task', () => {
  it('is notified as cancelled; a late answer is stored without a notification', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('drop=1'));
    await world.handle(started).cancel();
    await until(async () => (await world.view(started)).step === 'awaiting_late_answer');
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'cancelled', acknowledged: true });
    await passOn(world.handle(started), callbackFor(started.task_id));
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect(await world.results.read(started.task_id)).toMatchObject({
      status: 'cancelled',
      late: true,
      output: '答案',
    });
    expect(world.counts.wakes.map(({ text }) => text)).toEqual([`Kimi 任務已取消：calculator（${started.task_id}）`]);
  });

  it('whose answer came in the response to the dispatch call stores it, without a notification', async () => {
    let isSending = false;
    const { metadata: _, ...answer } = callbackFor('kimi-1-1');
    const world = await openWorld({
      wrap: (activities) => ({
        ...activities,
        dispatch: async ({ task_id }) => {
          isSending = true;
          // A dispatch call that is too late to be cancelled.
          await new Promise((resolve) => setTimeout(resolve, 1_000));
          return { api_id: answer.id, answer: { ...answer, metadata: { task_id } } };
        },
      }),
    });
    const started = await world.start('x', {}, 0);
    await until(() => isSending);
    await world.handle(started).cancel();
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect(await world.results.read(started.task_id)).toMatchObject({
      status: 'cancelled',
      late: true,
      output: '答案',
    });
  });

  it('before anything was sent ends immediately', async () => {
    const world = await openWorld({ apiUrl: 'http://127.0.0.1:1/v1' });
    const started = await world.start('x', {}, 300);
    expect(started.status).toBe('pending');
    await until(async () => (await describeTask(world, started)).raw.pendingActivities?.[0]?.lastFailure);
    await world.handle(started).cancel();
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
  });
});

describe('the wake', () => {
  it('is sent by the workflow task that saves the result: three workflow tasks in all', async () => {
    // The answer comes after the timer of the deadline was set.
    const world = await openWorld({ delayMs: 500 });
    const started = await world.start('x');
    await world.handle(started).result();
    const { historyEvents: events } = await historyOf(world, started);
    expect(events.filter(({ workflowTaskCompletedEventAttributes: task }) => task)).toHaveLength(3);
    const activities = events.flatMap(({ activityTaskScheduledEventAttributes: activity }) => activity ?? []);
    expect(activities.map(({ activityType }) => activityType?.name)).toEqual(['dispatch']);
    expect(events).toHaveLength(25);
  });

  it('is not repeated if the answer overtook the dispatch call, which ends meanwhile', async () => {
    const world = await openWorld();
    const started = await world.start(promptWith('early=1 accept-delay=30'));
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    const { events } = await world.handle(started).fetchHistory();
    const failed = events?.filter(({ workflowTaskFailedEventAttributes: attributes }) => attributes);
    expect(failed).toEqual([]);
  });

  it('is not retried earlier than the gateway allows', async () => {
    const keys: string[] = [];
    const wakeUrl = await serve((incoming, response) => {
      keys.push(String(incoming.headers['idempotency-key']));
      if (keys.length > 1) response.end('{"ok":true}');
      else response.writeHead(429, { 'retry-after': '2' }).end();
    });
    const world = await openWorld({ wakeUrl });
    // Answered well after the dispatch call, so that the deadline's timer exists too.
    const started = await world.start('x [[simulate: delay=1500]]');
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(keys).toEqual([started.task_id, started.task_id]);
    const { historyEvents } = await historyOf(world, started);
    const timers = historyEvents.flatMap(({ timerStartedEventAttributes: timer }) => timer ?? []);
    expect(timers.map(({ startToFireTimeout }) => Number(startToFireTimeout?.seconds))).toEqual([120, 2]);
  });

  it('is retried while the gateway is down, and the Web UI shows why', async () => {
    let up = false;
    const wakes: string[] = [];
    const wakeUrl = await serve((incoming, response) => {
      if (!up) response.writeHead(503).end();
      else {
        wakes.push(String(incoming.headers['idempotency-key']));
        response.writeHead(200).end('{"ok":true}');
      }
    });
    const world = await openWorld({ wakeUrl });
    const started = await world.start('x');
    const failure = await until(async () => {
      const { raw } = await describeTask(world, started);
      return raw.pendingActivities?.find(
        ({ activityType, lastFailure }) => activityType?.name === 'wake' && lastFailure,
      );
    });
    expect(failure.lastFailure?.message).toContain('answered 503');
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'done' });
    expect(await world.results.read(started.task_id)).not.toHaveProperty('acknowledged');
    up = true;
    expect(await world.handle(started).result()).toMatchObject({ acknowledged: true });
    expect(wakes).toEqual([started.task_id]);
  });

  it('refused with 401 is reported once and not retried; the result stays unacknowledged', async () => {
    let calls = 0;
    const wakeUrl = await serve((_request, response) => {
      calls += 1;
      response.writeHead(401).end('Unauthorized');
    });
    const world = await openWorld({ wakeUrl, token: 'hook-secret' });
    const started = await world.start('x');
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: false });
    expect(calls).toBe(1);
    const view = await world.view(started);
    expect(view.wake_error).toMatchObject({ type: 'unauthorized' });
    expect(JSON.stringify(await historyOf(world, started))).not.toContain('hook-secret');
  });
});

describe('persist', () => {
  it('is retried until the disk accepts the answer', async () => {
    const world = await openWorld({ delayMs: 2_000 });
    const started = await world.start('x');
    const mend = await standInTheWay(world.results.resultPath(started.task_id));
    await until(async () => (await world.view(started)).step === 'saving');
    await mend();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
  });

  it('adds no event while it is retried, and delays nothing: a disk may be full for days', async () => {
    const world = await openWorld({ delayMs: 2_000 });
    const started = await world.start('x');
    const mend = await standInTheWay(world.results.resultPath(started.task_id));
    const tried = async (times: number) => {
      const { raw, historyLength } = await describeTask(world, started);
      const [activity] = raw.pendingActivities ?? [];
      if ((activity?.attempt ?? 0) < times) return undefined;
      expect(activity?.lastFailure?.message).toContain('EISDIR');
      expect(raw.pendingWorkflowTask).toBeNull();
      return { historyLength };
    };
    const before = await until(async () => await tried(2));
    expect(await until(async () => await tried(4))).toEqual(before);
    await mend();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
  });
});

it('does not wake a slow gateway twice', async () => {
  const asked: string[] = [];
  const wakeUrl = await serve((incoming, response) => {
    asked.push(String(incoming.headers['idempotency-key']));
    setTimeout(() => response.writeHead(200).end('{}'), 3_000);
  });
  const world = await openWorld({ wakeUrl });
  const started = await world.start('x');
  expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
  expect(asked).toEqual([started.task_id]);
});

it('does one thing at a time within its workflow task: two could not be replayed', async () => {
  const done: string[] = [];
  let underWay = 0;
  const alone =
    <Args extends unknown[], Result>(name: string, work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      underWay += 1;
      const isAlone = underWay === 1;
      await pause(200);
      const result = await work(...args);
      underWay -= 1;
      done.push(isAlone ? name : `${name} beside another`);
      return result;
    };
  const world = await openWorld({
    limits: { concurrent: 1 },
    // The limiter's signal must not arrive at the end of the workflow task: it would repeat all of it.
    delayMs: 1_000,
    wrap: (activities) => ({
      ...activities,
      persist: alone(
        'persist',
        async (...args: Parameters<Activities['persist']>) => await activities.persist(...args),
      ),
      release: alone(
        'release',
        async (...args: Parameters<Activities['release']>) => await activities.release(...args),
      ),
      wake: alone('wake', async (...args: Parameters<Activities['wake']>) => await activities.wake(...args)),
      acknowledge: alone(
        'acknowledge',
        async (...args: Parameters<Activities['acknowledge']>) => await activities.acknowledge(...args),
      ),
    }),
  });
  const started = await world.start('x');
  await world.handle(started).result();
  expect(done).toEqual(['persist', 'release', 'wake', 'acknowledge']);
});

/** Starts a task on an engine that responds with an error. */
async function startDisconnecting({ taskQueue }: World, isTaken: boolean): Promise<Started> {
  const { connection } = await engineClient();
  const disconnect: WorkflowClientInterceptor = {
    startUpdateWithStart: async (input, next) => {
      if (isTaken) await next(input);
      throw new Error('Workflow was not started: StartDeduped');
    },
  };
  const client = new Client({ connection, interceptors: { workflow: [disconnect] } });
  return await startTask(client, taskQueue, TASK, 20_000);
}

describe('an engine that disconnects while a task is started', () => {
  it('is queried for the task: if it has it, no failure is reported and the user does not pay for a second one', async () => {
    const world = await openWorld();
    const started = await startDisconnecting(world, true);
    expect(started).toEqual({ status: 'pending', task_id: expect.stringMatching(/^kimi-/) });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts.billed).toBe(1);
  });

  it('without the task: that is reported', async () => {
    const world = await openWorld();
    await expect(startDisconnecting(world, false)).rejects.toThrow('Workflow was not started');
    expect(world.counts.requests).toBe(0);
  });
});

it('three tasks that end at the same time have three results and three wakes', async () => {
  const world = await openWorld();
  const all = await Promise.all(['a', 'b', 'c'].map(async (name) => await world.start(name, { task_name: name })));
  await Promise.all(all.map(async (started) => await world.handle(started).result()));
  for (const { task_id } of all) expect(await world.results.read(task_id)).toMatchObject({ task_id, status: 'done' });
  expect(world.counts.wakes.map(({ text }) => text).toSorted()).toEqual(
    all.map(({ task_id }, n) => `Kimi 任務完成：${'abc'[n]}（${task_id}）`),
  );
});

it('no history contains the key', async () => {
  const world = await openWorld({ apiKey: 'sk-very-secret-key' });
  const started = await world.start('x');
  await world.handle(started).result();
  const history = JSON.stringify(await historyOf(world, started));
  expect(history).toContain('callback');
  expect(history).not.toContain('sk-very-secret-key');
});

it('a callback for a finished task is a duplicate, over real HTTP', async () => {
  const world = await openWorld();
  const started = await world.start('x');
  await world.handle(started).result();
  const body = JSON.stringify(callbackFor(started.task_id));
  const response = await request(`${world.webhookUrl}/kimi/webhook/${started.task_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-kimi-signature': sign(body, SECRET) },
    body,
  });
  expect(response.statusCode).toBe(200);
  expect(await response.body.json()).toEqual({ task_id: started.task_id, status: 'duplicate' });
});

/** Reads requests and closes some of the connections without a response. */
async function cuttingKimi(isCut: (calls: number) => boolean): Promise<{ apiUrl: string; sent: string[] }> {
  const sent: string[] = [];
  const apiUrl = await serve((incoming, response) => {
    incoming.resume().on('end', () => {
      sent.push(String(incoming.headers['idempotency-key']));
      if (isCut(sent.length)) incoming.socket.destroy();
      else response.writeHead(202, { 'content-type': 'application/json' }).end(`{"id":"cmpl-${sent.length}"}`);
    });
  });
  return { apiUrl, sent };
}

async function describeTask(world: World, started: { task_id: string }) {
  return await world.handle(started).describe();
}

async function historyOf(world: World, started: { task_id: string }) {
  const { events } = await world.handle(started).fetchHistory();
  return { historyEvents: events ?? [] };
}
