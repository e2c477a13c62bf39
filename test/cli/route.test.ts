/** The chat of a task: given to the command line, stored with the task, and sent with its notification. */
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { newestTasks } from '../../src/temporal/task-list.ts';
import { checkChat, lookUp } from '../../src/tasks/look-up.ts';
import { taskIdOf } from '../../src/tasks/task-id.ts';
import { PLUGIN_WAKE_PATH, type PluginWake } from '../../src/notify/protocol.ts';
import { isSameChat, messageKey, readRoute } from '../../src/shared/chat.ts';
import { serveAnswer } from '../support/answering.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { openWorld } from '../support/world.ts';

const ROUTE = { channel: 'telegram', to: '4242', account_id: 'default', session_key: 'agent:main:main' };

describe('a route', () => {
  it.each(['4242', 'telegram:4242', 'telegram:direct:4242'])('to %s is to 4242', (to) => {
    expect(readRoute(JSON.stringify({ ...ROUTE, to }))).toEqual(ROUTE);
  });

  it.each([
    '',
    'x',
    '[]',
    '{"channel":"telegram"}',
    '{"channel":"telegram","to":""}',
    '{"channel":"tele gram","to":"1"}',
    '{"channel":"telegram","to":"1\\n2"}',
    '{"channel":"telegram","to":"1\\u0007"}',
    '{"channel":"telegram","to":4242}',
    '{"channel":"telegram","to":"1","prompt":"x"}',
    JSON.stringify({ channel: 'telegram', to: 'x'.repeat(257) }),
  ])('%s is invalid', (json) => {
    expect(readRoute(json)).toBeUndefined();
  });

  it('is the same chat in another session, and another one in another topic or account', () => {
    const { session_key: _session, account_id: _account, ...bare } = ROUTE;
    expect(isSameChat(ROUTE, bare)).toBe(true);
    expect(isSameChat(ROUTE, { ...ROUTE, thread_id: '7' })).toBe(false);
    expect(isSameChat(ROUTE, { ...ROUTE, account_id: 'second' })).toBe(false);
    expect(isSameChat(ROUTE, { ...ROUTE, to: '1' })).toBe(false);
  });
});

describe('a task of a chat', () => {
  it('is notified there, in its language, with its whole answer; other chats cannot access it', async () => {
    const { url, received } = await serveAnswer(200, { outcome: 'sent' });
    const world = await openWorld({ delayMs: 0, reply: 'deliver', wakeUrl: `${url}${PLUGIN_WAKE_PATH}` });
    const started = await world.start('x', { route: ROUTE, lang: 'en' });
    await world.start('x');
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    const { output } = (await world.results.read(started.task_id)) ?? {};
    const wake = received
      .map(({ body }) => JSON.parse(body) as PluginWake)
      .find(({ task: { task_id } }) => task_id === started.task_id);
    expect(wake).toMatchObject({
      text: `Kimi task done: calculator (${started.task_id})`,
      mode: 'now',
      task: { task_name: 'calculator', status: 'done' },
      reply: 'deliver',
      route: ROUTE,
      message: expect.stringMatching(/^✅ Kimi task done!\n\n📋 Task: calculator\n/),
      file: { name: 'calculator.md', content: output },
    });

    const tasks = async (chat?: typeof ROUTE) =>
      (await newestTasks(world.client, world.taskQueue, chat ? { route: chat } : {}, 10)).map(({ task_id }) => task_id);
    await expect.poll(async () => (await tasks()).length).toBe(2);
    expect(await tasks(ROUTE)).toEqual([started.task_id]);
    expect(await tasks({ ...ROUTE, to: '1' })).toEqual([]);
    expect(await lookUp(world.client, started.task_id)).toMatchObject({ route: ROUTE });
    const check = async (chat: typeof ROUTE | undefined): Promise<void> => {
      const context = { withClient: async (work: (client: unknown) => Promise<unknown>) => await work(world.client) };
      await checkChat(context as never, started.task_id, chat);
    };
    await expect(check(ROUTE)).resolves.toBeUndefined();
    await expect(check({ ...ROUTE, to: '1' })).rejects.toMatchObject({ code: 'unknown_task' });
    await expect(check(undefined)).resolves.toBeUndefined();
  });
});

describe('a message', () => {
  it('that the gateway redelivers after a kill is one task, also when that has ended', async () => {
    const world = await openWorld({ delayMs: 0 });
    const route = { ...ROUTE, message: { id: '7', at: 1_707_654_321_000 } };
    const started = await Promise.all([world.start('x', { route }), world.start('x', { route })]);
    const [{ task_id }] = started;
    expect(task_id).toMatch(/^kimi-1707654321-\d{9}$/);
    expect(started).toMatchObject([{}, { task_id }]);
    await world.handle({ task_id }).result();
    expect(await world.start('x', { route: { ...route, session_key: 'agent:other' } })).toEqual({
      status: 'known',
      task_id,
      task_name: 'calculator',
    });
    const others = [
      { ...route, to: '1' },
      { ...route, message: { id: '8', at: route.message.at } },
      { ...route, message: { id: '7', at: route.message.at + 1 } },
    ];
    for (const other of others) {
      expect((await world.start('x', { route: other })).task_id).not.toBe(task_id);
    }
    expect(world.counts).toMatchObject({ requests: 4, billed: 4 });
  });

  it('whose derived task id is taken gets a new one', async () => {
    const world = await openWorld({ delayMs: 0 });
    const route = { ...ROUTE, message: { id: '7', at: 1_707_654_322_000 } };
    const workflowId = taskIdOf(messageKey(route) ?? '', new Date(route.message.at));
    const other = await world.client.workflow.start('somebodyElse', {
      workflowId,
      taskQueue: `${world.taskQueue}-other`,
    });
    onTestFinished(async () => void (await other.terminate()));
    expect((await world.start('x', { route })).task_id).not.toBe(workflowId);
  });
});

describe('a chat', () => {
  it('that has used up its tasks of this hour gets the time of its next one; other chats are unaffected', async () => {
    const world = await openWorld();
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_MAX_TASKS_PER_CHAT_HOUR: '2',
    });
    const dispatch = async (to: string) =>
      await inProcess(['dispatch', '-p', 'x', '--route', JSON.stringify({ channel: 'telegram', to })], env);
    for (let most = 0; most < 2; most += 1) expect(await dispatch('1')).toMatchObject({ code: 0 });
    await expect
      .poll(async () => await dispatch('1'))
      .toMatchObject({
        code: 11,
        stdout: '',
        stderr: expect.stringMatching(/一小時內的 2 個任務已用完.*請在 60 分鐘後再試/),
      });
    expect(await dispatch('2')).toMatchObject({ code: 0 });
    expect(await inProcess(['dispatch', '-p', 'x'], env)).toMatchObject({ code: 0 });
    // A redelivered message starts none.
    const route = { channel: 'telegram', to: '3', message: { id: '1', at: Date.now() } };
    const again = async () =>
      await inProcess(['dispatch', '-p', 'x', '-n', 'own', '--route', JSON.stringify(route)], env);
    expect(await again()).toMatchObject({ code: 0, stdout: expect.stringContaining('：own\n') });
    expect(await dispatch('3')).toMatchObject({ code: 0 });
    await expect.poll(async () => (await dispatch('3')).code).toBe(11);
    expect(await again()).toMatchObject({ code: 0, stdout: expect.stringContaining('已派發：own\n') });
  });
});
