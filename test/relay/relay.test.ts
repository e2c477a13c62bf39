/** The relay on the real engine, in front of the simulated Kimi's real API. */
import { execFile } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { limiterId, relayApiId, relayId } from '../../src/shared/names.ts';
import type { Task } from '../../src/shared/task.ts';
import { KimiClient } from '../../src/kimi/client.ts';
import type { Found } from '../../src/tasks/tasks.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { limiterView } from '../../src/limiter/client.ts';
import { createRelayApp } from '../../src/relay/app.ts';
import { createDelivery } from '../../src/relay/delivery.ts';
import { sign } from '../../src/webhook/signature.ts';
import { textOf } from '../../src/relay/attempts.ts';
import { ReceivedStore } from '../../src/relay/recordings.ts';
import { answerTo, reasoningOn, tokensIn } from '../../src/simulator/answers.ts';
import { lazyClient } from '../../src/temporal/client.ts';
import { failureOf, serveAnswer } from '../support/answering.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { freePort } from '../support/engine.ts';
import { openRelayedWorld, type RelayedWorld } from '../support/relay.ts';
import { NO_FILES, RELAY_TOKEN, SECRET, serve, shared, silent, until } from '../support/resources.ts';
import { TASK } from '../support/world.ts';

/** Shared by all tests that do not change its environment: a relay takes two seconds to start. */
const commonWorld = shared(async () => await openRelayedWorld());

const promptWith = (directives: string): string => `寫一個 Python 計算器 [[simulate: ${directives}]]`;

/** Requests of a task to the simulated Kimi, in order. */
function completionsOf({ counts }: RelayedWorld, mark: string) {
  return counts.completions.filter((completion) => completion.mark === mark);
}

/** A dispatch call (docs/http-api.md). */
function dispatchCall(world: RelayedWorld, task_id: string, changes: object = {}): Record<string, unknown> {
  return {
    model: 'kimi-k2.6',
    messages: [{ role: 'user', content: promptWith('delay=0') }],
    metadata: { task_id, task_name: 'calculator' },
    callback_url: `${world.webhookUrl}/kimi/webhook/${task_id}`,
    ...changes,
  };
}

/** The environment of a command line for this world. */
async function commandLineOf({ taskQueue, results }: RelayedWorld): Promise<Record<string, string>> {
  return await cleanHome({
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_TASK_QUEUE: taskQueue,
    KIMI_RESULTS_DIR: results.folder,
    KIMI_CALLBACKS: 'relay',
  });
}

/** The relay's request for a task. */
function requestOf({ client }: RelayedWorld, task_id: string) {
  return client.activity.getHandle(relayId(task_id));
}

/** Files of the task on the relay's disk, by name. */
async function filesOf({ relay }: RelayedWorld, task_id: string): Promise<Record<string, string>> {
  const folder = join(relay.home, 'streams');
  const names = (await readdir(folder)).filter((name) => name.startsWith(task_id));
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')])),
  ) as Record<string, string>;
}

describe('a task through the relay', () => {
  it('is accepted immediately, answered by callback, and leaves nothing of its answer behind', async () => {
    const world = commonWorld();
    const started = await world.start(promptWith('mark=whole delay=300 reasoning=200 size=3000'));
    expect(started).toMatchObject({ status: 'accepted', api_id: relayApiId(started.task_id) });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    const result = await world.results.read(started.task_id);
    const [completion] = completionsOf(world, 'whole');
    expect(completion).toMatchObject({ stream: true, ended: 'answered', model: 'kimi-k2.6' });
    expect(result).toMatchObject({
      status: 'done',
      model: 'kimi-k2.6',
      finish_reason: 'stop',
      tokens: {
        prompt: completion?.billed.prompt_tokens,
        completion: completion?.billed.completion_tokens,
        reasoning: completion?.generated.reasoning_tokens,
      },
    });
    expect(result?.output).toHaveLength(3000);
    expect(result?.reasoning).toHaveLength(200);
    expect(result).not.toHaveProperty('interruptions');
    await requestOf(world, started.task_id).result();
    expect(await filesOf(world, started.task_id)).toEqual({
      [`${started.task_id}.end.json`]: '{"delivered":"answered"}',
    });
  });

  it('dispatched twice is one request with one id', async () => {
    const world = commonWorld();
    const call = dispatchCall(world, 'kimi-1-1', {
      messages: [{ role: 'user', content: promptWith('mark=twice delay=0') }],
    });
    const answers = await Promise.all([1, 2, 3].map(async () => await world.relay.post('/v1/chat/completions', call)));
    for (const answer of answers) expect(answer).toEqual({ status: 202, json: { id: 'cmpl-1-1' } });
    // The webhook knows no such task: the answer is dropped, and repeating the request starts nothing.
    await expect(requestOf(world, 'kimi-1-1').result()).rejects.toThrow('Activity execution failed');
    expect(await world.relay.post('/v1/chat/completions', call)).toEqual(answers[0]);
    expect(completionsOf(world, 'twice')).toHaveLength(1);
  });

  const FAILURES = [
    ['that Kimi refuses', 'error=content-filter', 'content_filter'],
    ['that Kimi refuses in the middle', 'break=error error=content-filter after=9', 'content_filter'],
    ['with an unknown model', 'error=no-model', 'resource_not_found_error'],
    ['without quota', 'error=quota', 'exceeded_current_quota_error'],
    ['that times out at a gateway', 'error=gateway-timeout', 'interrupted'],
  ] as const;
  it('that Kimi refuses or a gateway loses fails with its reason, after one request', async () => {
    const world = commonWorld();
    const failures = FAILURES.map(async ([what, directives, type], n) => {
      const started = await world.start(promptWith(`mark=failure-${n} ${directives}`));
      expect.soft(await world.handle(started).result(), what).toMatchObject({ status: 'failed' });
      const result = await world.results.read(started.task_id);
      expect.soft(result, what).toMatchObject({ status: 'failed', error: { type } });
      expect.soft(completionsOf(world, `failure-${n}`), what).toHaveLength(1);
    });
    await Promise.all(failures);
  });

  it('whose model repeats itself is stopped if the user has chosen that, and the text so far is stored', async () => {
    const world = await openRelayedWorld({ KIMI_ON_REPEAT: 'stop' });
    const started = await world.start(promptWith('delay=0 repeat=2000 chunks=400 chunk-delay=10'));
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed' });
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ error: { type: 'repetition' } });
    expect(result?.partial_output?.length).toBeLessThan(15_000);
    expect(world.counts.completions[0]?.ended).toBe('left');
  });

  it('that is throttled by Kimi (429) is sent again after Retry-After', async () => {
    const world = commonWorld();
    const started = await world.start(promptWith('mark=busy delay=0 error=rate-limit refusals=1'));
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(completionsOf(world, 'busy').map(({ ended }) => ended)).toEqual(['refused', 'answered']);
    expect(await world.results.read(started.task_id)).not.toHaveProperty('interruptions');
  });

  it('that is throttled by Kimi (429) delays later tasks', async () => {
    const seen: number[] = [];
    const kimi = await serve((request, response) => {
      request.resume().on('end', () => {
        seen.push(Date.now());
        response.setHeader('content-type', 'application/json');
        const error = { type: 'rate_limit_reached_error', message: 'please try again after 3 seconds' };
        if (seen.length === 1) response.writeHead(429).end(JSON.stringify({ error }));
        else response.end(JSON.stringify({ choices: [{ message: { content: 'a' }, finish_reason: 'stop' }] }));
      });
    });
    const world = await openRelayedWorld({ KIMI_API_URL: `${kimi}/v1` }, { limits: { concurrent: 5 } });
    const first = await world.start('x');
    await until(async () => (await limiterView(world.client, limiterId(world.taskQueue)))?.paused_until);
    const second = await world.start('x', { task_name: 'second' });
    expect(second).toMatchObject({ status: 'queued', queued: { place: 1 } });
    for (const task of [first, second]) expect(await world.handle(task).result()).toMatchObject({ status: 'done' });
    const [busy = 0, ...later] = seen;
    expect(later).toHaveLength(2);
    for (const at of later) expect(at - busy).toBeGreaterThanOrEqual(2_900);
  });

  it('is streamed after the one before it if the relay takes one at a time', async () => {
    const open = new Set<unknown>();
    let most = 0;
    const kimi = await serve((request, response) => {
      open.add(response);
      most = Math.max(most, open.size);
      request.resume().on('end', () => {
        setTimeout(() => {
          open.delete(response);
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify({ choices: [{ message: { content: 'a' }, finish_reason: 'stop' }] }));
        }, 300);
      });
    });
    const world = await openRelayedWorld({ KIMI_API_URL: `${kimi}/v1`, KIMI_RELAY_STREAMS: '1' });
    const started = await Promise.all([1, 2, 3].map(async () => await world.start('x')));
    for (const task of started) expect(await world.handle(task).result()).toMatchObject({ status: 'done' });
    expect(most).toBe(1);
  });

  it('has its whole time once Kimi accepts it: an outage of Kimi does not count, and is reported', async () => {
    const port = await freePort();
    const world = await openRelayedWorld({ KIMI_API_URL: `http://127.0.0.1:${port}/v1` });
    const started = await world.start('x', { timeout_ms: 1_000 });
    const env = await commandLineOf(world);
    // Two attempts take longer than the deadline.
    const { retrying } = await until(async () => {
      const status = JSON.parse((await inProcess(['status', started.task_id, '--json'], env)).stdout) as Found;
      return (status.retrying?.attempt ?? 0) > 2 && status;
    });
    expect(retrying?.why).toContain('ECONNREFUSED');
    expect((await inProcess(['status', started.task_id], env)).stdout).toMatch(
      /目前狀況 .*連不上；沒有送出任何請求（http.*：那裡沒有程式在監聽）；第 \d+ 次嘗試/,
    );
    expect((await inProcess(['list'], env)).stdout).toMatch(/那裡沒有程式在監聽）；第 \d+/);
    const waiting = await world.view(started);
    expect(waiting).toMatchObject({ state: 'dispatched', step: 'waiting', error: { type: 'unreachable' } });
    expect(waiting).not.toHaveProperty('deadline');

    const asked: string[] = [];
    await serve((request, response) => {
      asked.push(String(request.url));
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ choices: [{ message: { content: 'a' }, finish_reason: 'stop' }] }));
    }, port);
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(await world.results.read(started.task_id)).toMatchObject({ output: 'a' });
    expect(await world.view(started)).not.toHaveProperty('error');
    expect(asked).toEqual(['/v1/chat/completions']);
  });

  it('that times out is still answered late', async () => {
    const world = commonWorld();
    const started = await world.start(promptWith('mark=late delay=0 reasoning=0 size=300 chunks=30 chunk-delay=100'), {
      timeout_ms: 1_000,
    });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(await world.results.read(started.task_id)).toMatchObject({ status: 'done', late: true });
    expect(completionsOf(world, 'late')).toHaveLength(1);
  });

  it('that timed out can be abandoned: the connection is closed, and the text so far is stored without a notification', async () => {
    const world = commonWorld();
    const started = await world.start(
      promptWith('mark=given-up delay=0 reasoning=0 size=4000 chunks=400 chunk-delay=50'),
      {
        timeout_ms: 1_000,
      },
    );
    await until(async () => (await world.view(started)).step === 'awaiting_late_answer');
    const notified = world.counts.wakes.length;
    expect(await inProcess(['rm', started.task_id, '--yes'], await commandLineOf(world))).toMatchObject({
      code: 9,
      stderr: expect.stringContaining(`kimi-dispatch cancel ${started.task_id}`),
    });
    const { code, stdout } = await inProcess(['cancel', started.task_id], await commandLineOf(world));
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('連線已關閉。已收到的部分') });
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect(completionsOf(world, 'given-up')).toMatchObject([{ ended: 'left' }]);
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ status: 'cancelled', acknowledged: true, late: true });
    expect(result?.partial_output?.length).toBeGreaterThan(10);
    expect(result?.tokens?.completion).toBeGreaterThan(1);
    expect(world.counts.wakes).toHaveLength(notified);
    expect(await inProcess(['cancel', started.task_id], await commandLineOf(world))).toMatchObject({ code: 10 });
  });

  it('that is cancelled closes the connection, stores the text so far, and ends', async () => {
    const world = commonWorld();
    const started = await world.start(
      promptWith('mark=cancelled delay=0 reasoning=0 size=4000 chunks=400 chunk-delay=50'),
    );
    await until(() => (completionsOf(world, 'cancelled')[0]?.generated.content_tokens ?? 0) > 50);
    await world.handle(started).cancel();
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect(completionsOf(world, 'cancelled')).toMatchObject([{ ended: 'left' }]);
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ status: 'cancelled', error: { type: 'cancelled' } });
    expect(result?.partial_output?.length).toBeGreaterThan(90);
  });

  it('that is cancelled before any text came ends without a late notification', async () => {
    const world = commonWorld();
    const started = await world.start(promptWith('mark=nothing delay=60000'));
    await until(() => completionsOf(world, 'nothing').length === 1);
    await world.handle(started).cancel();
    expect(await world.handle(started).result()).toMatchObject({ status: 'cancelled' });
    expect(completionsOf(world, 'nothing')).toMatchObject([{ ended: 'left' }]);
    expect(await world.results.read(started.task_id)).not.toHaveProperty('late');
  });
});

describe('a task that is abandoned after its deadline', () => {
  it('before any text came says so, and its acknowledgement is recorded', async () => {
    // The response starts, so that the deadline runs, but has no content.
    const kimi = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    const world = await openRelayedWorld({ KIMI_API_URL: `${kimi}/v1` });
    const started = await world.start('x', { timeout_ms: 500, ack: 'agent' });
    const env = await commandLineOf(world);
    await until(async () => (await world.view(started)).step === 'awaiting_acknowledgement');
    const { code, stdout } = await inProcess(['cancel', started.task_id], env);
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('連線已關閉。還沒有收到任何內容。'),
    });
    await requestOf(world, started.task_id).result();
    expect(await inProcess(['ack', started.task_id], env)).toMatchObject({ code: 0 });
    expect(await world.handle(started).result()).toMatchObject({ acknowledged: true });
    expect((await inProcess(['status', started.task_id], env)).stdout).toMatch(/已通知 Agent\s+是/);
  });
});

describe('an interrupted answer', () => {
  /** Long enough to be interrupted in the middle; every piece is different. */
  const LONG = 'delay=0 reasoning=40 size=4000 chunks=200 chunk-delay=20';
  /** For interruptions caused by the server. */
  const QUICK = LONG.replace('chunk-delay=20', 'chunk-delay=1');

  it('is resumed after kill -9 of the relay: nothing is generated twice', async () => {
    const world = commonWorld();
    const prompt = promptWith(`mark=killed ${LONG}`);
    const started = await world.start(prompt);
    await until(() => (completionsOf(world, 'killed')[0]?.generated.content_tokens ?? 0) > 500);
    await world.relay.kill();
    const recorded = await new ReceivedStore(join(world.relay.home, 'streams')).read(started.task_id, 1);
    const { content: kept } = textOf(recorded);
    // It is recorded as it comes.
    expect(tokensIn(kept)).toBeGreaterThan(300);
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ status: 'done', interruptions: 1, finish_reason: 'stop' });
    const answer = answerTo(prompt, 4000);
    expect(result?.output).toBe(answer);
    expect(result?.reasoning).toBe(reasoningOn(prompt, 40));

    const [first, second] = completionsOf(world, 'killed');
    expect(first?.ended).toBe('left');
    // What Kimi generated between the kill and the end of the connection was received by no process.
    expect(second?.generated).toEqual({ reasoning_tokens: 0, content_tokens: tokensIn(answer.slice(kept.length)) });
    // Only the text before the interruption is paid for again, as prompt.
    expect(second?.prompt_tokens).toBeLessThanOrEqual(
      (first?.prompt_tokens ?? 0) + (first?.generated.content_tokens ?? 0) + (first?.generated.reasoning_tokens ?? 0),
    );
    expect(result?.tokens?.completion).toBeGreaterThan(second?.generated.content_tokens ?? 0);
  });

  it('is resumed by the next relay after a graceful stop', async () => {
    const world = commonWorld();
    // Longer than a relay waits when it stops.
    const started = await world.start(promptWith('mark=stopped delay=0 reasoning=0 size=2000 chunk-delay=70'));
    await until(() => (completionsOf(world, 'stopped')[0]?.generated.content_tokens ?? 0) > 100);
    await world.relay.stop();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ status: 'done', interruptions: 1 });
    expect(result?.output).toHaveLength(2000);
  }, 120_000);

  it('by a cut, an early end or an error is resumed', async () => {
    const world = commonWorld();
    const interrupted = ['cut', 'eof', 'error'].map(async (kind) => {
      const started = await world.start(promptWith(`mark=${kind} ${QUICK} break=${kind} after=90 breaks=2`));
      expect.soft(await world.handle(started).result(), kind).toMatchObject({ status: 'done' });
      const result = await world.results.read(started.task_id);
      expect.soft(result, kind).toMatchObject({ status: 'done', interruptions: 2 });
      expect.soft(result?.output, kind).toHaveLength(4000);
      expect.soft(completionsOf(world, kind).map(({ ended }) => ended)).toEqual([kind, kind, 'answered']);
    });
    await Promise.all(interrupted);
  });

  it('by a stall is detected and resumed', async () => {
    const world = await openRelayedWorld({ KIMI_STALL_TIMEOUT_MS: '1000' });
    const started = await world.start(promptWith(`${QUICK} break=stall after=90 breaks=1`));
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(await world.results.read(started.task_id)).toMatchObject({ interruptions: 1 });
  });

  it('of a model that cannot resume fails, and the text so far is stored', async () => {
    const world = commonWorld();
    const started = await world.start(promptWith(`mark=no-way-on ${QUICK} break=cut after=90`), {
      model: 'kimi-k3.1-pro',
    });
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed' });
    const result = await world.results.read(started.task_id);
    expect(result).toMatchObject({ error: { type: 'interrupted' } });
    expect(result?.partial_output?.length).toBeGreaterThan(500);
    expect(completionsOf(world, 'no-way-on')).toHaveLength(1);
  });

  it('of a model that cannot resume is requested again if the user has chosen that', async () => {
    const world = await openRelayedWorld({ KIMI_ON_INTERRUPT: 'retry' });
    const started = await world.start(promptWith(`${QUICK} break=cut after=90 breaks=1`), { model: 'kimi-k3.1-pro' });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    const result = await world.results.read(started.task_id);
    expect(result?.output).toHaveLength(4000);
    expect(result).toMatchObject({ interruptions: 1 });
    expect(result?.tokens?.completion).toBeGreaterThan(2000);
  });

  it('is requested if the relay was killed before anything was sent', async () => {
    const world = await openRelayedWorld({}, { limits: { concurrent: 1 } });
    const first = await world.start(promptWith('delay=0 reasoning=0 size=400 chunks=40 chunk-delay=50'));
    const started = await world.start(promptWith('delay=0'));
    expect(started).toMatchObject({ status: 'queued' });
    // A disk that stays broken: the recording cannot be created, and nothing is sent.
    const recording = join(world.relay.home, 'streams', `${started.task_id}.0.jsonl`);
    await promisify(execFile)('mkfifo', [recording]);
    expect(await world.handle(first).result()).toMatchObject({ status: 'done' });
    await until(async () => {
      const relay = await requestOf(world, started.task_id)
        .describe()
        .catch(() => undefined);
      return relay?.lastHeartbeatTime;
    });
    await world.relay.kill();
    await rm(recording);
    await writeFile(recording, '');
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts.completions).toHaveLength(2);
    expect(await world.results.read(started.task_id)).not.toHaveProperty('interruptions');
  });

  it('before its first word is not requested again: it may be paid for', async () => {
    const world = commonWorld();
    const started = await world.start(promptWith('mark=wordless delay=60000'));
    await until(() => completionsOf(world, 'wordless').length === 1);
    await world.relay.kill();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed' });
    expect(await world.results.read(started.task_id)).toMatchObject({ error: { type: 'interrupted' } });
    expect(completionsOf(world, 'wordless')).toHaveLength(1);
  });
});

/** The shape of our errors. */
const refused = (status: number, type: string) => ({ status, json: { error: { type, message: expect.any(String) } } });

describe('the relay refuses', () => {
  it('requests without the token, foreign callback addresses, and anything but a dispatch call', async () => {
    const world = commonWorld();
    const { relay } = world;
    const { requests } = world.counts;
    const call = dispatchCall(world, 'kimi-1-2');
    const path = '/v1/chat/completions';
    expect(await relay.post(path, call, 'wrong')).toMatchObject(refused(401, 'bad_relay_token'));
    for (const callback_url of [
      'http://127.0.0.1:1/kimi/webhook/kimi-1-2',
      `${world.webhookUrl}/kimi/webhook/kimi-1-3`,
      `${world.webhookUrl}.example.com/kimi/webhook/kimi-1-2`,
    ]) {
      expect(await relay.post(path, { ...call, callback_url })).toMatchObject(refused(400, 'foreign_callback_url'));
    }
    expect(await relay.post(path, { ...call, metadata: { task_id: '../x' } })).toMatchObject(
      refused(400, 'invalid_request_error'),
    );
    expect(await relay.post(path, '{')).toMatchObject({ status: 400 });
    expect(await relay.post(path, JSON.stringify('x'.repeat(120_000_000)))).toMatchObject({ status: 413 });
    expect(await relay.post('/v1/files', {})).toMatchObject(refused(404, 'not_found'));
    expect(world.counts.requests).toBe(requests);
  });

  it('tasks while the engine is unavailable: they are sent again', async () => {
    const callbackBaseUrl = 'http://127.0.0.1:1';
    const client = lazyClient({}, { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    onTestFinished(async () => await client.connection.close());
    const relay = await serve(
      createRelayApp({
        client,
        taskQueue: 'x',
        token: RELAY_TOKEN,
        callbackBaseUrl,
        apiUrl: callbackBaseUrl,
        apiKey: 'sk-test',
        log: silent,
      }),
    );
    const task: Task = { ...TASK, task_id: 'kimi-1-5' };
    const kimi = new KimiClient({
      apiUrl: 'https://api.moonshot.cn/v1',
      apiKey: undefined,
      relay: { url: `${relay}/v1`, token: RELAY_TOKEN },
      callbackBaseUrl,
      contents: NO_FILES,
    });
    const dispatching = kimi.dispatch({ ...task, model: 'kimi-k3' }, new AbortController().signal);
    expect(await failureOf(dispatching, KimiError)).toMatchObject({ kind: 'turned_away', type: 'relay_unavailable' });
  });

  it('tasks while it has no key', async () => {
    const world = commonWorld();
    const call = dispatchCall(world, 'kimi-1-4');
    await world.relay.stop();
    await world.relay.start({ KIMI_API_KEY: '' });
    expect(await world.relay.post('/v1/chat/completions', call)).toMatchObject({
      status: 401,
      json: { error: { type: 'no_api_key' } },
    });
    await world.relay.stop();
    await world.relay.start();
  });
});

it('an answer is sent to the current address of the webhook, signed in both ways', async () => {
  const { url, received } = await serveAnswer(200);
  const removed: string[] = [];
  const deliver = createDelivery({
    received: { delivered: async (task_id) => void removed.push(task_id) },
    callbackBaseUrl: url,
    secret: SECRET,
    log: silent,
  });
  const callback = { error: { type: 't', message: 'm' }, metadata: { task_id: 'kimi-1-6' } };
  await new MockActivityEnvironment().run(async () => await deliver('kimi-1-6', callback));
  const [sent] = received;
  expect(sent).toMatchObject({ path: '/kimi/webhook/kimi-1-6', body: JSON.stringify(callback) });
  expect(sent?.headers).toMatchObject({
    'x-kimi-signature': sign(sent?.body ?? '', SECRET),
    'webhook-id': expect.any(String),
  });
  expect(removed).toEqual(['kimi-1-6']);
});

it('the relay tells the worker how many tokens a text has', async () => {
  const world = commonWorld();
  const asked = { model: 'kimi-k2.6', messages: [{ role: 'user', content: '1234' }] };
  expect(await world.relay.post('/v1/tokenizers/estimate-token-count', asked)).toEqual({
    status: 200,
    json: { data: { total_tokens: 2 } },
  });
});
