/** Tasks on time, on the real engine. */
import { describe, expect, it } from 'vitest';
import type { Client, ScheduleHandle } from '@temporalio/client';
import * as schemas from '../../src/api/schedule-schemas.ts';
import { startedTask } from '../../src/api/schemas.ts';
import { chatReplyText } from '../../src/notify/message.ts';
import { timesBetween } from '../../src/schedules/due.ts';
import type { NewSchedule, Schedule, Schedules } from '../../src/schedules/schedules.ts';
import { scheduleId } from '../../src/shared/names.ts';
import type { Route } from '../../src/shared/chat.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { keyAt, newKey, taskIdOf } from '../../src/tasks/task-id.ts';
import { sweepPayloads } from '../../src/temporal/payloads/sweep.ts';
import { textFor } from '../../src/text/index.ts';
import { call, serveApi, tasksOf } from '../support/api.ts';
import { until } from '../support/resources.ts';
import { openWorld, type World, type WorldOptions } from '../support/world.ts';

const DAY_MS = 24 * 3_600_000;

interface Opened {
  world: World;
  schedules: Schedules;
  add: (schedule?: Partial<NewSchedule>, task?: Partial<NewSchedule['task']>) => Promise<Schedule>;
  handle: () => ScheduleHandle;
  /** The schedule as it is listed. */
  named: () => Promise<Schedule>;
}

async function open(options?: WorldOptions): Promise<Opened> {
  const world = await openWorld({ delayMs: 0, ...options });
  const { schedules } = tasksOf(world);
  return {
    world,
    schedules,
    add: async (schedule = {}, task = {}) =>
      await schedules.add(
        { when: '每天 8:00', timezone: 'Asia/Taipei', ...schedule, task: { prompt: '晨報', name: 'morning', ...task } },
        newKey(),
      ),
    handle: () => world.client.schedule.getHandle(scheduleId(world.taskQueue, 'morning')),
    named: async () => await until(async () => (await schedules.list()).find(({ name }) => name === 'morning')),
  };
}

/** Makes the schedule due now. @param before when it was due before: no two due times are in one second */
async function trigger(opened: Opened, before?: string): Promise<Required<Schedule>> {
  await until(() => before === undefined || Date.now() >= Date.parse(before) + 1_000);
  await opened.handle().trigger();
  return await ranAfter(opened, before);
}

/** Waits for the run after the one that was due then. */
async function ranAfter({ named }: Opened, before?: string): Promise<Required<Schedule>> {
  return await until(async () => {
    const schedule = await named();
    return schedule.last_run && schedule.last_run.due_at !== before ? (schedule as Required<Schedule>) : undefined;
  });
}

async function resultOf({ world }: Opened, task_id = ''): Promise<ResultFile> {
  await world.handle({ task_id }).result();
  return (await world.results.read(task_id)) as ResultFile;
}

/** Makes the engine take the due times of the last days as it takes those that it has missed. */
async function missDays({ handle }: Opened, days: number): Promise<Date[]> {
  const end = new Date();
  const start = new Date(end.getTime() - days * DAY_MS);
  const due = Array.from({ length: days }, (_, n) => {
    const day = new Date(end.getTime() - n * DAY_MS);
    const at = new Date(day.setUTCHours(0, 0, 0, 0));
    return at;
  }).toReversed();
  await handle().backfill({ start, end, overlap: 'SKIP' });
  return due;
}

describe('a schedule', () => {
  it('says when it is due next, in its time zone, and is listed, paused, resumed and removed', async () => {
    const opened = await open();
    const { add, named, schedules } = opened;
    const added = await add();
    expect(added).toMatchObject({ name: 'morning', when: '每天 8:00', timezone: 'Asia/Taipei', missed: 'last' });
    expect(added.next).toMatch(/T00:00:00Z$/);
    await expect.poll(async () => (await schedules.list()).map(({ name }) => name)).toEqual(['morning']);
    const paused = await schedules.pause('morning');
    expect(paused).toMatchObject({ paused: true });
    expect(paused).not.toHaveProperty('next');
    expect(await schedules.resume(added.id)).toMatchObject({ paused: false, next: added.next });
    expect(await named()).toEqual(added);
    await schedules.remove('morning');
    expect(await schedules.list()).toEqual([]);
    await expect(schedules.pause('morning')).rejects.toMatchObject({ code: 'unknown_schedule' });
    await expect(schedules.remove('morning')).rejects.toMatchObject({ code: 'unknown_schedule' });
  });

  it('starts one task when it is due; the task carries the date and says in its reply which schedule it is of', async () => {
    const opened = await open();
    await opened.add(
      {},
      { prompt: '{{date}} 的晨報', route: { channel: 'telegram', to: '1', message: { id: '7', at: 5 } } },
    );
    const { last_run: run, last_task: task } = await trigger(opened);
    const date = new Date(Date.parse(run.due_at) + 8 * 3_600_000).toISOString().slice(0, 10);
    expect(task).toMatchObject({ task_id: run.task_ids[0], task_name: `morning ${date}` });
    const result = await resultOf(opened, task.task_id);
    expect(result).toMatchObject({
      status: 'done',
      prompt: `${date} 的晨報`,
      schedule: { name: 'morning', due_at: run.due_at },
    });
    expect(chatReplyText(result, '', textFor('zh-TW'))).toMatch(/^🗓️ 排程：morning（\d+\/\d+（.）\d\d:\d\d）$/m);
    expect(chatReplyText(result, '', textFor('en'))).toMatch(/^🗓️ Schedule: morning \(\w{3} \d+ \w{3} \d\d:\d\d\)$/m);
    // The message that asked for the schedule belongs to no task: the next one is another task.
    const next = await trigger(opened, run.due_at);
    expect(next.last_run.task_ids).not.toEqual(run.task_ids);
    expect(opened.world.counts.requests).toBe(2);
  });

  it('starts one task though its start is repeated, because its worker died after it', async () => {
    let starts = 0;
    const opened = await open({
      wrap: (activities) => ({
        ...activities,
        startScheduled: async (...args) => {
          const started = await activities.startScheduled(...args);
          starts += 1;
          if (starts === 1) throw new Error('the worker died');
          return started;
        },
      }),
    });
    await opened.add();
    const { last_run: run } = await trigger(opened);
    expect(run.task_ids).toHaveLength(1);
    await resultOf(opened, run.task_ids[0]);
    expect([starts, opened.world.counts.requests]).toEqual([2, 1]);
  });

  it('starts none while the task before it is in progress', async () => {
    const opened = await open();
    await opened.add({}, { prompt: 'x [[simulate: drop=1]]' });
    const { last_run: first } = await trigger(opened);
    const { last_run: second } = await trigger(opened, first.due_at);
    expect(second).toMatchObject({ task_ids: [], overlapped: first.task_ids[0] });
    expect(opened.world.counts.requests).toBe(1);
  });

  it('is run by hand though its task is in progress, once for a key', async () => {
    const { add, schedules, named, world } = await open();
    await add({}, { prompt: 'x [[simulate: drop=1]]' });
    const key = newKey();
    const started = await schedules.run('morning', key, 10_000);
    expect(started).toMatchObject({ status: 'accepted' });
    expect(await schedules.run('morning', key, 10_000)).toMatchObject({ task_id: started.task_id });
    expect(await schedules.run('morning', newKey(), 10_000)).toMatchObject({ status: 'accepted' });
    expect(world.counts.requests).toBe(2);
    await expect.poll(async () => (await named()).last_task?.task_name).toMatch(/^morning \d{4}-/);
  });

  it('whose model was retired since ends with a task that failed, and so with a notification', async () => {
    const opened = await open({ apiUrl: 'https://api.moonshot.cn/v1' });
    await opened.add({}, { model: 'moonshot-v1-128k' });
    const { last_run: run } = await trigger(opened);
    expect(await resultOf(opened, run.task_ids[0])).toMatchObject({ status: 'failed', model: 'moonshot-v1-128k' });
  });

  it('says why it could not start a task', async () => {
    const opened = await open();
    const before = await tasksOf(opened.world).start({ prompt: 'x' }, newKey(), 10_000);
    await resultOf(opened, before.task_id);
    await opened.add({}, { continue: before.task_id });
    await opened.world.results.remove(before.task_id);
    expect((await trigger(opened)).last_run).toMatchObject({ task_ids: [], problem: 'result_gone' });
  });
});

it('of a chat: another chat does not learn of it', async () => {
  const { add, schedules, world } = await open();
  const [mine, other] = ['1', '2'].map((to) => ({ channel: 'telegram', to })) as [Route, Route];
  await add({}, { route: mine });
  await add({}, { name: 'of-nobody' });
  const socket = await serveApi(world);
  const names = async (chat: Route): Promise<string[]> => {
    const query = `route=${encodeURIComponent(JSON.stringify(chat))}`;
    const { body } = await call(socket, 'GET', `/v1/schedules?${query}`);
    return schemas.scheduleList.parse(body).schedules.map(({ name }) => name);
  };
  await expect.poll(async () => (await schedules.list()).length).toBe(2);
  expect([await names(mine), await names(other)]).toEqual([['morning'], []]);
  const path = '/v1/schedules/morning';
  for (const action of ['pause', 'resume', 'run']) {
    const refused = await call(socket, 'POST', `${path}/${action}`, { body: { route: other } });
    expect(refused).toMatchObject({ status: 404, body: { code: 'unknown_schedule' } });
  }
  const inQuery = (chat: Route): string => `${path}?route=${encodeURIComponent(JSON.stringify(chat))}`;
  expect(await call(socket, 'DELETE', inQuery(other))).toMatchObject({ status: 404 });
  expect(world.counts.requests).toBe(0);
  expect(await schedules.pause('morning', mine)).toMatchObject({ paused: true });
  expect(await call(socket, 'DELETE', inQuery(mine))).toMatchObject({ status: 200 });
});

describe('due times at which nothing ran', () => {
  it('last: the last one is made up for, and the reply says so', async () => {
    const opened = await open();
    await opened.add();
    const due = await missDays(opened, 3);
    const { last_run: run } = await ranAfter(opened);
    const last = `${due.at(-1)?.toISOString().slice(0, 19)}Z`;
    expect(run).toEqual({ due_at: last, task_ids: [expect.any(String)], missed: 2 });
    const result = await resultOf(opened, run.task_ids[0]);
    expect(result.schedule).toEqual({ name: 'morning', due_at: last, timezone: 'Asia/Taipei', missed: 2 });
    const late =
      /^🗓️ 排程：morning，應於 \d+\/\d+（.）08:00 執行，但當時服務沒有在執行，\d+\/\d+（.）\d\d:\d\d 才執行\n.*另有 2 次沒有執行/m;
    expect(chatReplyText(result, '', textFor('zh-TW'))).toMatch(late);
    expect(opened.world.counts.requests).toBe(1);
    // The same due times again start nothing: their tasks have ids of their own.
    await missDays(opened, 3);
    const again = await trigger(opened, last);
    await resultOf(opened, again.last_run.task_ids[0]);
    expect(opened.world.counts.requests).toBe(2);
  });

  it('all: each is made up for', async () => {
    const opened = await open();
    await opened.add({ missed: 'all' });
    const due = await missDays(opened, 3);
    const { last_run: run } = await ranAfter(opened);
    expect(run.task_ids).toHaveLength(3);
    const results = await Promise.all(run.task_ids.map(async (id) => await resultOf(opened, id)));
    expect(results.map(({ schedule }) => Date.parse(schedule?.due_at ?? ''))).toEqual(due.map(Number));
    expect(run).not.toHaveProperty('missed');
  });

  it('skip: none is', async () => {
    const opened = await open();
    await opened.add({ missed: 'skip' });
    await missDays(opened, 3);
    const { last_run: run, last_task: task } = await ranAfter(opened);
    expect(run).toMatchObject({ task_ids: [], missed: 3 });
    expect(task).toBeUndefined();
  });

  it('are found however many there are', async () => {
    const { add, world } = await open();
    const { id } = await add({ when: '* * * * *' });
    const until = Math.floor(Date.now() / 60_000) * 60_000;
    const found = await timesBetween(world.client, id, until - 2 * DAY_MS, until);
    expect([found.length, found.at(-1)]).toEqual([2 * 1_440, until]);
    expect(await timesBetween(world.client, 'removed', 0, until)).toEqual([]);
  });
});

describe('what cannot be added', () => {
  it.each([
    [{ when: '明天 8:00' }, 'unknown_times'],
    [{ when: '99 8 * * *' }, 'unknown_times'],
    [{ when: '0 0 31 2 *' }, 'never_due'],
    [{ timezone: 'Asia/Nowhere' }, 'unknown_timezone'],
  ])('%o', async (schedule, code) => {
    const { add, schedules } = await open();
    await expect(add(schedule)).rejects.toMatchObject({ code });
    expect(await schedules.list()).toEqual([]);
  });

  it('a task that could not be started, and the name of another schedule; the same key adds one', async () => {
    const { schedules, add } = await open();
    await expect(add({}, { prompt: ' ' })).rejects.toMatchObject({ code: 'no_prompt' });
    await expect(add({}, { name: '../x' })).rejects.toMatchObject({ code: 'bad_name' });
    const key = newKey();
    const wanted: NewSchedule = { when: 'every day 8:00', task: { prompt: 'news of {{date}}' } };
    const added = await schedules.add(wanted, key);
    expect(added.name).toBe('news-of');
    expect(await schedules.add(wanted, key)).toEqual(added);
    await schedules.pause(added.name);
    expect(await schedules.add(wanted, key)).toMatchObject({ name: added.name, paused: true });
    await expect(schedules.add(wanted, newKey())).rejects.toMatchObject({ code: 'schedule_exists' });
    // A chat can neither see nor remove it.
    const ofChat = { ...wanted, task: { ...wanted.task, route: { channel: 'telegram', to: '1' } } };
    expect((await schedules.add(ofChat, newKey())).name).toBe('news-of-2');
    await expect(schedules.add(ofChat, newKey())).rejects.toMatchObject({
      code: 'schedule_exists',
      params: { name: 'news-of-2' },
    });
  });
});

it('the id of a task is given by schedule and time', () => {
  const at = Date.parse('2026-12-01T00:00:00Z');
  expect(keyAt('a', at)).toBe(keyAt('a', at));
  expect(new Set([keyAt('a', at), keyAt('b', at), keyAt('a', at + 1_000)]).size).toBe(3);
  expect(taskIdOf(keyAt('a', at), new Date(at))).toMatch(/^kimi-1796083200-\d{9}$/);
});

/** @returns the client of an engine without workflows: those of other tests would keep every payload. */
function idle(client: Client): Client {
  return Object.create(client, { workflow: { value: { list: () => [] } } }) as Client;
}

it('files and large prompts of a schedule are kept, however old', async () => {
  const { add, schedules, world } = await open({ payloadKeys: `k:${Buffer.alloc(32, 7).toString('base64')}` });
  const file = await tasksOf(world).keep({ name: 'a.txt', content: Buffer.from('一份檔案') });
  await add({ when: '每月 1 號 8:00' }, { files: [file] });
  const { client, payloads } = world;
  await expect
    .poll(async () => {
      const listed = await client.workflowService.listSchedules({ namespace: 'default' });
      return listed.schedules.map(({ scheduleId: id }) => id);
    })
    .toContain(scheduleId(world.taskQueue, 'morning'));
  const later = Date.now() + 400 * DAY_MS;
  expect(await sweepPayloads(payloads.folder, idle(client), later)).toEqual([]);
  // A stack with other keys, in the same namespace, cannot read the schedule, and has a folder of its own.
  const other = await open();
  await tasksOf(other.world).keep({ name: 'a.txt', content: Buffer.from('一份檔案') });
  expect(await sweepPayloads(other.world.payloads.folder, idle(other.world.client), later)).toHaveLength(1);
  await schedules.remove('morning');
  await expect.poll(async () => await sweepPayloads(payloads.folder, idle(client), later)).toHaveLength(1);
});

it('the API: every response conforms to its schema', async () => {
  const { world } = await open();
  const socket = await serveApi(world);
  const body = { when: '每天 8:00', timezone: 'Asia/Taipei', task: { prompt: '晨報', name: '晨 報' } };
  const added = await call(socket, 'POST', '/v1/schedules', { body });
  expect(added.status).toBe(201);
  expect(schemas.schedule.parse(added.body)).toEqual(added.body);
  const path = `/v1/schedules/${encodeURIComponent('晨 報')}`;
  const started = await call(socket, 'POST', `${path}/run`, { body: { wait_ms: 10_000 } });
  expect(started).toMatchObject({ status: 201, body: { status: 'accepted' } });
  startedTask.parse(started.body);
  for (const action of ['pause', 'resume']) {
    const changed = await call(socket, 'POST', `${path}/${action}`);
    expect(changed.status).toBe(200);
    expect(schemas.schedule.parse(changed.body)).toEqual(changed.body);
  }
  await expect
    .poll(async () => {
      const { body: list } = await call(socket, 'GET', '/v1/schedules');
      return schemas.scheduleList.parse(list).schedules.map((schedule) => schedule.last_task?.task_id);
    })
    .toEqual([(started.body as { task_id: string }).task_id]);
  expect(await call(socket, 'DELETE', path)).toMatchObject({ status: 200, body: { name: '晨 報' } });
  expect(await call(socket, 'DELETE', path)).toMatchObject({ status: 404, body: { code: 'unknown_schedule' } });
  const wrong = await call(socket, 'POST', '/v1/schedules', { body: { ...body, when: '明天' } });
  expect(wrong).toMatchObject({ status: 422, body: { code: 'unknown_times', words: '明天' } });
});
