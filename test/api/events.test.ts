/** Events of tasks: each of them once, in order, to any number of readers, however often they reconnect. */
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { fromThisUser, fromTokens } from '../../src/api/callers.ts';
import { EventStreams } from '../../src/api/event-stream.ts';
import { TaskEvents, type TaskEvent } from '../../src/api/task-events.ts';
import { createToken, isStillValid, revokeToken } from '../../src/api/tokens.ts';
import { ReceivedStore } from '../../src/relay/recordings.ts';
import type { ServiceTasks, Standing } from '../../src/tasks/tasks.ts';
import { noteSaved } from '../../src/tasks/worker-here.ts';
import { lifetime, serve, silent, temporaryFolder, until } from '../support/resources.ts';

const PATH = '/v1/tasks/kimi-1-1/events';

interface Seen {
  id: string;
  event: string;
  data: Partial<Standing> & { tokens?: number; offset?: number; text?: string };
}

/** @returns the text that a reader has, after these events. */
function written(events: Seen[], before = ''): string {
  return events.reduce(
    (all, { data: { offset, text } }) => (text === undefined ? all : all.slice(0, offset) + text),
    before,
  );
}

/** A task that the test moves on, and how often it was looked at. */
function moving() {
  const task = {
    looks: 0,
    now: { task_id: 'kimi-1-1', state: 'queued', step: 'queued', acknowledged: false } as Standing,
    set(change: Partial<Standing>): void {
      task.now = { ...task.now, ...change };
    },
    result: {},
    tasks: {
      find: async () => {
        task.looks += 1;
        return task.now;
      },
      result: async () => task.result,
    } as unknown as ServiceTasks,
  };
  return task;
}

/** Reads a stream until it ends, or until it has been shown enough. */
async function follow(url: string, after?: string, enough = Infinity, headers = {}, query = ''): Promise<Seen[]> {
  const leaving = new AbortController();
  const seen: Seen[] = [];
  const answer = await fetch(url + PATH + query, {
    headers: { ...headers, ...(after !== undefined && { 'last-event-id': after }) },
    signal: leaving.signal,
  });
  if (answer.status === 204) return [];
  expect(answer).toMatchObject({ status: 200 });
  expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  let left = '';
  for await (const chunk of (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) {
    const parts = (left + chunk).split('\n\n');
    left = parts.pop() ?? '';
    for (const part of parts.filter((each) => each.startsWith('id:'))) {
      const [id = '', event = '', data = ''] = part.split('\n').map((line) => line.replace(/^\w+: /, ''));
      seen.push({ id, event, data: JSON.parse(data) as Seen['data'] });
    }
    if (seen.length >= enough) break;
  }
  leaving.abort();
  return seen;
}

/** A task whose answer is received, and a reader of its text. */
async function writing() {
  const task = moving();
  const store = new ReceivedStore(await temporaryFolder());
  const recording = await store.begin('kimi-1-1', 0, false, true);
  lifetime()(async () => await recording.close());
  recording.sent();
  const live = (task_id: string) => store.live(task_id);
  const serveIt = async () => {
    const streams = new EventStreams(new TaskEvents(async () => task.tasks), { live });
    return await serve(createApi(async () => task.tasks, silent, [fromThisUser], { streams }));
  };
  return { task, recording, serveIt, store };
}

async function read(url: string, after?: string, enough?: number): Promise<Seen[]> {
  return await follow(url, after, enough, {}, '?text=1');
}

const SAVED = { state: 'done', step: 'closed', result_file: '/r/kimi-1-1.json' } as const;

it('are read to the end; a reader that was away resumes without gap or repeat, and does not come back after the end', async () => {
  const task = moving();
  const url = await serve(createApi(async () => task.tasks, silent));
  expect((await fetch(url + PATH, { method: 'HEAD' })).headers.get('content-type')).toMatch(/^text\/event-stream/);
  const whole = follow(url);
  const [first] = await follow(url, undefined, 1);
  expect(first).toMatchObject({ event: 'state', data: { state: 'queued' } });
  // While it is away.
  task.set({ state: 'dispatched', step: 'waiting' });
  await pause(1_500);
  task.set({ progress: { phase: 'answering', tokens: 5, tail: 'ab' } });
  const rest = await follow(url, first?.id, 2);
  expect(rest.map(({ event }) => event)).toEqual(['state', 'progress']);
  task.set(SAVED);
  rest.push(...(await follow(url, rest.at(-1)?.id)));
  expect(await whole).toEqual([first, ...rest]);
  expect(rest.at(-1)).toMatchObject({ event: 'end', data: { state: 'done' } });
  expect(await follow(url, rest.at(-1)?.id)).toEqual([]);
  // Without an id, and after a restart of the services.
  expect(await follow(url)).toEqual(rest.slice(-1));
  const restarted = await serve(createApi(async () => task.tasks, silent));
  expect(await follow(restarted, rest.at(-1)?.id)).toEqual([]);
  expect(await follow(restarted, first?.id)).toMatchObject([{ event: 'end' }]);
});

describe('with the text', () => {
  it('are resumed in the midst of it, also after a restart; the end comes after all of it', async () => {
    const { task, recording, serveIt, store } = await writing();
    const url = await serveIt();
    const whole = read(url);
    await recording.take([{ content: 'ab😀' }, { reasoning: 'not shown' }]);
    const first = await read(url, undefined, 2);
    expect(first.map(({ event, data }) => [event, data.text])).toEqual([
      ['state', undefined],
      ['text', 'ab😀'],
    ]);
    await recording.take([{ content: 'cd' }]);
    const restarted = await serveIt();
    const next = await read(restarted, first.at(-1)?.id, 1);
    expect(next).toMatchObject([{ event: 'text', data: { offset: 4, text: 'cd' } }]);
    // As when it was delivered: only the result has it.
    await store.delivered('kimi-1-1', 'answered');
    const output = `ab😀cd${'x'.repeat(40_000)}`;
    task.result = { output };
    task.set(SAVED);
    const rest = await read(url, next.at(-1)?.id);
    expect(rest.at(-1)).toMatchObject({ event: 'end', data: { state: 'done' } });
    expect(written(rest, 'ab😀cd')).toBe(output);
    expect(Math.max(...rest.map(({ data }) => data.text?.length ?? 0))).toBeLessThan(20_000);
    expect(written(await whole)).toBe(output);
    expect((await whole).map(({ event }) => event).lastIndexOf('end')).toBe((await whole).length - 1);
    expect(await read(url, rest.at(-1)?.id)).toEqual([]);
    // Only where it is asked for.
    expect((await follow(url)).map(({ event }) => event)).toEqual(['end']);
  });

  it('that was replaced is sent from its beginning; a result without it takes nothing away', async () => {
    for (const [result, text] of [
      [{ output: 'another' }, 'another'],
      [{ partial_output: 'ab' }, 'abcd'],
      [{}, 'abcd'],
    ] as const) {
      const { task, recording, serveIt } = await writing();
      const whole = read(await serveIt());
      await recording.take([{ content: 'abcd' }]);
      await until(() => task.looks >= 2);
      task.result = result;
      task.set(SAVED);
      expect(written(await whole)).toBe(text);
    }
  });
});

it('are not taken for those of another process, whatever their digest begins with', async () => {
  for (let n = 0; n < 300; n += 1) {
    const task = { task_id: `kimi-1-${n}`, ...SAVED } as Standing;
    const names: string[] = [];
    const reader = {
      take: (events: readonly TaskEvent[]) => void names.push(...events.map(({ name }) => name)),
      end() {},
    };
    new TaskEvents(async () => moving().tasks).follow(task, '9--another', reader);
    expect(names, task.task_id).toEqual(['end']);
  }
});

it('report a result that this process has saved without waiting for the next look', async () => {
  const ends: string[] = [];
  const tasks = { find: async (task_id: string) => ({ task_id, ...SAVED }) as Standing };
  const events = new TaskEvents(async () => tasks);
  for (const task_id of ['kimi-2-1', 'kimi-2-2']) {
    const take = (all: readonly TaskEvent[]): void => {
      if (all.some(({ name }) => name === 'end')) ends.push(task_id);
    };
    events.follow({ task_id, state: 'queued', step: 'queued' } as Standing, undefined, { take, end() {} });
  }
  noteSaved('kimi-2-2');
  await until(() => ends.length === 2);
  expect(ends).toEqual(['kimi-2-2', 'kimi-2-1']);
});

it('cost a look at the task for all readers together', async () => {
  const task = moving();
  const url = await serve(createApi(async () => task.tasks, silent));
  const readers = Array.from({ length: 100 }, async () => await follow(url));
  await until(() => task.looks >= 100);
  task.set({ state: 'dispatched', step: 'waiting' });
  await pause(3_000);
  task.set(SAVED);
  const all = await Promise.all(readers);
  for (const seen of all) expect(seen.map(({ event }) => event)).toEqual(['state', 'state', 'end']);
  // Each was shown the task when it connected.
  expect(task.looks - 100).toBeLessThan(30);
});

it('end for a reader whose token was revoked; silence is filled with comments', async () => {
  const task = moving();
  const home = await temporaryFolder();
  const token = await createToken(home, 'a', ['admin']);
  const streams = new EventStreams(new TaskEvents(async () => task.tasks), {
    isValid: async (caller) => await isStillValid(home, caller),
    heartbeatMs: 50,
  });
  const authenticate = fromTokens({ home, host: '127.0.0.1', perMinute: 0, log: silent });
  const url = await serve(createApi(async () => task.tasks, silent, authenticate, { streams }));
  const headers = { authorization: `Bearer ${token}` };
  const stream = (await fetch(url + PATH, { headers })).body as ReadableStream<Uint8Array>;
  let text = '';
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes('\n:\n')) await revokeToken(home, 'a');
  }
  expect(text).toContain('event: state');
});
