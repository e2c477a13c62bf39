/** The gateway's plugin (openclaw/plugin) without its gateway; `npm run e2e:openclaw` runs it in the real one. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, realpath, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Config, Presentation, SessionEntry } from 'openclaw/plugin-sdk/plugin-entry';
import { Answers } from '../../openclaw/plugin/src/answers.ts';
import { pressHandler } from '../../openclaw/plugin/src/buttons.ts';
import { answerCommand } from '../../openclaw/plugin/src/chat-command.ts';
import { commandLine, type Ran } from '../../openclaw/plugin/src/command-line.ts';
import { Notes } from '../../openclaw/plugin/src/notes.ts';
import { messageHook } from '../../openclaw/plugin/src/messages.ts';
import { chatOfAgent, chatOfCommand, chatOfMessage, UNKNOWN_CHAT } from '../../openclaw/plugin/src/routes.ts';
import { asData, isShownAsItIs } from '../../openclaw/plugin/src/safe-text.ts';
import { Notifier, type Sdk } from '../../openclaw/plugin/src/notifier.ts';
import { toolsFor, TOOL_NAMES } from '../../openclaw/plugin/src/tools.ts';
import { wakeRoute } from '../../openclaw/plugin/src/wake-route.ts';
import manifest from '../../openclaw/plugin/openclaw.plugin.json' with { type: 'json' };
import plugin from '../../openclaw/plugin/package.json' with { type: 'json' };
import { cliText } from '../../src/cli/text/index.ts';
import type { Route } from '../../src/shared/chat.ts';
import { Gateway, GatewayError } from '../../src/notify/gateway.ts';
import type { PluginWake } from '../../src/notify/protocol.ts';
import { PLUGIN_WAKE_PATH } from '../../src/notify/protocol.ts';
import { failureOf, serveAnswer } from '../support/answering.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { serve, temporaryFolder, until } from '../support/resources.ts';

const ID = 'kimi-1707654321-12345';
/** The task whose answer the message 55 carried. */
const BEFORE = 'kimi-1707654321-55';
const TOKEN = 'hook-very-secret';
const MEDIA = '/nowhere/media';
const ROUTE = { channel: 'telegram', to: '4242' };
const WAKE: PluginWake = {
  text: `Kimi 任務完成：calculator（${ID}）`,
  mode: 'now',
  task: { task_id: ID, task_name: 'calculator', status: 'done' },
  reply: 'deliver',
  route: ROUTE,
  message: '✅ the reply: 答案',
  maybe_repeated: '(again?)',
  rest: '(more)',
};

type Batch = Parameters<Sdk['toChannel']>[0];
type Message = Parameters<Sdk['toPage']>[0];
type Added = Awaited<ReturnType<Sdk['toPage']>>;
type Outcome = Awaited<ReturnType<Sdk['toChannel']>>;

/** The plugin's wake route on real HTTP, in front of a channel that records its messages. */
async function openPlugin({
  stateDir,
  config = { hooks: { token: TOKEN } },
  channel = async () => ({ status: 'sent' }),
  agentIds = ['main'],
  page = { ok: true, messageId: '1' },
  dispatches = true,
  fetched = fetch,
}: {
  stateDir?: string;
  config?: Config;
  channel?: (batch: Batch) => Promise<Outcome>;
  agentIds?: string[];
  /** What a page answers. */
  page?: Added;
  /** Whether messages are handed to the channel. */
  dispatches?: boolean;
  fetched?: Sdk['fetch'];
} = {}) {
  const sent: Batch[] = [];
  const events: { text: string; options: unknown }[] = [];
  const heartbeats: unknown[] = [];
  const sessions = new Map<string, { sessionId: string; updatedAt: number }>();
  const shownInPage: Message[] = [];
  const runtime = {
    config: { current: () => config },
    state: { resolveStateDir: () => '' },
    agent: {
      session: {
        getSessionEntry: ({ sessionKey }: { sessionKey: string }) => sessions.get(sessionKey),
        upsertSessionEntry: async ({ sessionKey, entry }: { sessionKey: string; entry: SessionEntry }) =>
          void sessions.set(sessionKey, entry),
      },
    },
    system: {
      enqueueSystemEvent: (text: string, options: unknown) => events.push({ text, options }) > 0,
      requestHeartbeat: (request: unknown) => void heartbeats.push(request),
    },
  };
  const notes = new Notes(stateDir ?? (await temporaryFolder()));
  const send = async (batch: Batch): Promise<Outcome> => {
    sent.push(batch);
    if (dispatches) batch.onPlatformSendDispatch?.();
    return await channel(batch);
  };
  const toPage = async (message: Message) => {
    shownInPage.push(message);
    return page;
  };
  const answers = new Answers(stateDir ?? (await temporaryFolder()));
  const sdk = {
    listAgentIds: () => agentIds,
    tryResolveDefaultAgentId: () => (agentIds.length === 1 ? agentIds[0] : undefined),
    toChannel: send,
    toPage,
    fetch: fetched,
  };
  const notifier = new Notifier({ runtime }, notes, sdk, answers);
  const warned: string[] = [];
  const ended: unknown[] = [];
  const handler = wakeRoute({ runtime, logger: { info: () => {}, warn: (line) => warned.push(line) } }, notifier, {
    ended: (...task) => void ended.push(task),
  });
  const url = await serve((request, response) => void handler(request, response));
  const wake = async (changes: Partial<PluginWake> = {}, key = ID, token = TOKEN) =>
    await new Gateway({ wakeUrl: `${url}${PLUGIN_WAKE_PATH}`, token }).wake({ ...WAKE, ...changes }, key);
  return { sent, shownInPage, sessions, events, heartbeats, notes, answers, url, wake, warned, ended, notifier };
}

describe('a wake', () => {
  it('is shown in the chat of the task, bypassing the gateway’s outbox', async () => {
    const { wake, sent } = await openPlugin();
    await wake({ route: { ...ROUTE, account_id: 'second', thread_id: '7' } });
    expect(sent).toMatchObject([
      {
        channel: 'telegram',
        to: '4242',
        accountId: 'second',
        threadId: '7',
        skipQueue: true,
        payloads: [{ text: WAKE.message }],
      },
    ]);
  });

  it('of an answer that was cut has a button for the rest of it, where the channel has buttons', async () => {
    const { wake, sent } = await openPlugin();
    const presentation = {
      blocks: [
        {
          type: 'buttons',
          buttons: [{ label: '繼續 Continue', action: { type: 'command', command: `/kimi more ${ID}` } }],
        },
      ],
    };
    const file = { name: 'a.md', content: '`code`' };
    await wake({ is_cut: true, file });
    expect(sent.map(({ payloads }) => payloads[0])).toMatchObject([{ presentation }, { mediaUrl: expect.anything() }]);
    expect(sent[1]?.payloads[0]).not.toHaveProperty('presentation');
    await wake({ is_cut: true, route: { channel: 'whatsapp', to: '+886' } }, `${ID}-late`);
    await wake({ file }, `${ID}-again-1`);
    for (const { payloads } of sent.slice(2)) expect(payloads[0]).not.toHaveProperty('presentation');
  });

  it('that a task exceeds a budget has a button that lets it go on; an agent is told that only its user can', async () => {
    const { wake, sent, events } = await openPlugin();
    const task = { task_id: ID, task_name: 'report', status: 'paused' };
    const allow = { label: '照樣送出 Send anyway', action: { type: 'command', command: `/kimi allow ${ID}` } };
    await wake({ task }, `${ID}-budget`);
    expect(sent[0]?.payloads[0]).toMatchObject({ presentation: { blocks: [{ type: 'buttons', buttons: [allow] }] } });
    await wake({ task, reply: 'agent' }, `${ID}-budget-again-1`);
    expect(events[0]?.text).toMatch(/exceeds a budget and was not sent.*\n.*Only the user can let it go on/);
  });

  it('is pushed to LINE with the gateway’s own client, which has its proxy; the button is a quick reply', async () => {
    const pushed: unknown[] = [];
    const { wake, sent } = await openPlugin({
      config: { hooks: { token: TOKEN }, channels: { line: { channelAccessToken: 'secret' } } },
      fetched: async (url, { body }) => (pushed.push(url, JSON.parse(body as string)), Response.json({})),
    });
    await wake({
      route: { channel: 'line', to: 'U1' },
      is_cut: true,
      file: { name: 'a.md', content: 'x'.repeat(30_000) },
    });
    const [first, , second, rest] = pushed;
    expect([first, second]).toEqual(Array(2).fill('https://api.line.me/v2/bot/message/push'));
    const quickReply = { items: [{ action: { type: 'message', label: '繼續 Continue', text: `/kimi more ${ID}` } }] };
    // LINE shows the quick replies of the newest message only.
    expect(rest).toMatchObject({ messages: [{ type: 'text' }, { type: 'text', quickReply }] });
    expect(JSON.stringify(pushed).split('quickReply')).toHaveLength(2);
    expect(sent).toEqual([]);
  });

  it.each([
    ['om_1', 'om_1'],
    // Started by a button: no message has this id, and Feishu would refuse the reply.
    [`more:${BEFORE}`, undefined],
    ['card-action-c-1', undefined],
  ])('in Feishu quotes the message that asked: of %s, %s', async (id, quoted) => {
    const { wake, sent } = await openPlugin();
    await wake({ route: { channel: 'feishu', to: 'ou_1', message: { id, at: 1_707_654_321_000 } } });
    expect(sent[0]?.replyToId).toBe(quoted);
  });

  it('ends the line of progress, whoever notifies the user', async () => {
    const { wake, ended } = await openPlugin();
    await wake();
    await wake({ reply: 'agent', task: { ...WAKE.task, status: 'timed_out' } });
    expect(ended).toEqual([
      [ID, 'calculator', 'done'],
      [ID, 'calculator', 'timed_out'],
    ]);
  });

  describe('for a page of the gateway', () => {
    const route = { channel: 'webchat', to: 'agent:ops:one', session_key: 'agent:ops:one' };

    it('is added to its session, with the whole answer', async () => {
      const { wake, sent, shownInPage, sessions } = await openPlugin();
      const content = `${'x'.repeat(30_000)} MEDIA:/etc/hostname\n`;
      await wake({ route, file: { name: 'a.md', content } });
      const [sessionKey, { sessionId } = {}] = [...sessions][0] ?? [];
      expect(sessionKey).toBe(route.to);
      expect(shownInPage).toMatchObject([
        { agentId: 'ops', sessionKey, sessionId, text: WAKE.message, idempotencyKey: `kimi-dispatch:${ID}-0` },
        { text: content.trimEnd().replace('MEDIA', 'MEDIA\u200B'), idempotencyKey: `kimi-dispatch:${ID}-1` },
      ]);
      // Another one finds the session.
      await wake({ route }, `${ID}-late`);
      expect(shownInPage.at(-1)).toMatchObject({ sessionId });
      expect(sent).toEqual([]);
    });

    it('is repeated if the session cannot take it', async () => {
      const { wake } = await openPlugin({ page: { ok: false, reason: 'session changed' } });
      await expect(wake({ route })).rejects.toThrow('502: the page agent:ops:one: session changed');
    });

    it('wakes the agent of that session if configured', async () => {
      const { wake, events, heartbeats } = await openPlugin({ agentIds: ['main', 'ops'] });
      await wake({ route, reply: 'agent' });
      expect(events).toMatchObject([{ options: { sessionKey: route.to, contextKey: ID } }]);
      expect(events[0]?.options).not.toHaveProperty('deliveryContext');
      expect(heartbeats[0]).not.toHaveProperty('heartbeat');
    });
  });

  it('whose message holds the whole answer needs no file; otherwise the answer is attached unchanged', async () => {
    const { wake, sent } = await openPlugin();
    await wake({ file: { name: 'a.md', content: '答案\n' } });
    expect(sent).toHaveLength(1);
    const content = `${'x'.repeat(1_000)} @all\n`;
    await wake({ file: { name: 'a.md', content } }, `${ID}-late`);
    expect(sent).toHaveLength(3);
    expect(sent[2]).toMatchObject({ forceDocument: true, payloads: [{ text: '', mediaUrl: '/kimi-dispatch/a.md' }] });
    expect((await sent[2]?.mediaAccess?.readFile('/etc/passwd'))?.toString()).toBe(content);
  });

  it('is shown once, however often it is requested, also by a gateway started later', async () => {
    const stateDir = await temporaryFolder();
    const first = await openPlugin({ stateDir });
    await Promise.all([first.wake(), first.wake()]);
    await first.wake();
    const second = await openPlugin({ stateDir });
    await second.wake();
    expect([...first.sent, ...second.sent]).toHaveLength(1);
    await second.wake({}, `${ID}-again-1`);
    expect(second.sent).toHaveLength(1);
  });

  it('that was being sent when the gateway ended is sent again and says so; parts shown before are not repeated', async () => {
    const stateDir = await temporaryFolder();
    const dying = await openPlugin({
      stateDir,
      channel: async ({ forceDocument }) => (forceDocument ? await new Promise(() => {}) : { status: 'sent' }),
    });
    const file = { name: 'a.md', content: 'much more' };
    void dying.wake({ file }).catch(() => {});
    await until(() => dying.sent.length === 2);
    const next = await openPlugin({ stateDir });
    await next.wake({ file });
    expect(next.sent).toMatchObject([{ forceDocument: true, payloads: [{ text: '(again?)' }] }]);
    await next.wake({ file });
    expect(next.sent).toHaveLength(1);
  });

  it.each([
    ['failed', true],
    ['suppressed', false],
    ['partial_failed', false],
  ] as const)('that the channel answers with %s has that outcome', async (status, retryable) => {
    const { wake, sent } = await openPlugin({
      channel: async () => ({ status, error: Object.assign(new Error('Forbidden: blocked'), { error_code: 403 }) }),
    });
    const error = await failureOf(wake(), GatewayError);
    expect(error).toMatchObject({ type: status, retryable, message: expect.stringContaining('Forbidden: blocked') });
    await failureOf(wake(), GatewayError);
    expect(sent).toHaveLength(2);
    expect(sent[1]?.payloads[0]?.text).toBe(WAKE.message);
  });

  it.each([
    [{ code: 'ECONNREFUSED' }, WAKE.message],
    [{ error: Object.assign(new Error('no'), { code: 'ENOTFOUND' }) }, WAKE.message],
    [{ code: 'ECONNRESET' }, `(again?)\n\n${WAKE.message}`],
    // Slack: a refusal is a 200.
    [{ code: 'slack_webapi_platform_error', data: { ok: false, error: 'channel_not_found' } }, WAKE.message],
    [{ code: 'slack_webapi_rate_limited_error' }, WAKE.message],
    [{ code: 'slack_webapi_platform_error', data: { ok: false, error: 'fatal_error' } }, `(again?)\n\n${WAKE.message}`],
    // LINE and Discord.
    [{ cause: Object.assign(new Error('429'), { status: 429 }) }, WAKE.message],
    [{ status: 502 }, `(again?)\n\n${WAKE.message}`],
    // Feishu.
    [{ cause: Object.assign(new Error('400'), { response: { status: 400 } }) }, WAKE.message],
    [{ message: 'Feishu send failed: Bot/User can NOT be out of the chat.' }, WAKE.message],
    [{ code: 'OPENCLAW_PLATFORM_MESSAGE_NOT_DISPATCHED', retryable: true }, WAKE.message],
  ])('that failed in the channel with %j is sent again as %j', async (details, text) => {
    const answers: Outcome[] = [{ status: 'failed', error: Object.assign(new Error('x'), details) }];
    const { wake, sent } = await openPlugin({ channel: async () => answers.shift() ?? { status: 'sent' } });
    await failureOf(wake(), GatewayError);
    await wake();
    expect(sent[1]?.payloads[0]?.text).toBe(text);
  });

  it('that the channel refuses for good is not retried', async () => {
    const code = 'OPENCLAW_PLATFORM_MESSAGE_NOT_DISPATCHED';
    const error = Object.assign(new Error('the quota is used'), { code, retryable: false });
    const { wake } = await openPlugin({ channel: async () => ({ status: 'failed', error }) });
    expect(await failureOf(wake(), GatewayError)).toMatchObject({ type: 'refused', retryable: false });
  });

  it('that never reached the channel is not sent as one that may have been seen', async () => {
    const { wake, sent } = await openPlugin({
      channel: async () =>
        sent.length > 1 ? { status: 'sent' } : { status: 'failed', error: new Error('no such channel yet') },
      dispatches: false,
    });
    await failureOf(wake(), GatewayError);
    await wake();
    expect(sent[1]?.payloads[0]?.text).toBe(WAKE.message);
  });

  it('that fails is one line in the gateway’s log, whatever the channel’s error contains', async () => {
    const { wake, warned } = await openPlugin({
      channel: async () => ({ status: 'suppressed', reason: 'no\u001B[2J\r\n2026-11-29 forged\u202E' }),
    });
    await failureOf(wake(), GatewayError);
    expect(warned).toEqual([`kimi-dispatch: ${ID} was not delivered (suppressed): no [2J  2026-11-29 forged `]);
  });

  it('whose channel throws is retried', async () => {
    const { wake } = await openPlugin({
      channel: async () => {
        throw new Error('broken');
      },
    });
    expect(await failureOf(wake(), GatewayError)).toMatchObject({ type: 'failed', retryable: true });
  });

  it('of a task without a chat goes to the owner, or is refused', async () => {
    const { route: _route, ...wake } = WAKE;
    const owned = await openPlugin({
      config: { hooks: { token: TOKEN }, commands: { ownerAllowFrom: ['*', 'discord:user:77'] } },
    });
    await new Gateway({ wakeUrl: owned.url, token: TOKEN }).wake(wake, ID);
    expect(owned.sent).toMatchObject([{ channel: 'discord', to: 'user:77' }]);
    const orphan = await openPlugin();
    const error = await failureOf(new Gateway({ wakeUrl: orphan.url, token: TOKEN }).wake(wake, ID), GatewayError);
    expect(error).toMatchObject({
      type: 'no_chat',
      retryable: false,
      message: expect.stringContaining('commands.ownerAllowFrom'),
    });
  });

  it('wakes the agent of the chat with KIMI_REPLY=agent', async () => {
    const { wake, sent, events, heartbeats } = await openPlugin();
    const session_key = 'agent:main:telegram:group:-1';
    await wake({ reply: 'agent', route: { ...ROUTE, session_key } });
    expect(sent).toEqual([]);
    expect(events).toMatchObject([
      { options: { sessionKey: session_key, contextKey: ID, deliveryContext: { channel: 'telegram', to: '4242' } } },
    ]);
    expect(events[0]?.text).toContain(WAKE.message);
    expect(heartbeats).toMatchObject([
      { intent: 'immediate', sessionKey: session_key, heartbeat: { target: 'telegram', to: '4242' } },
    ]);
  });

  it.each([
    [{ session_key: 'agent:ops:main' }, ['ops', 'main'], 'agent:ops:main'],
    [{}, ['ops'], 'agent:ops:main'],
    [{ session_key: 'global' }, ['ops'], 'global'],
  ])('of %j wakes the agent of the session, or the gateway’s default one (%j)', async (changes, agentIds, session) => {
    const { wake, events } = await openPlugin({ agentIds });
    await wake({ reply: 'agent', route: { ...ROUTE, ...changes } });
    expect(events).toMatchObject([{ options: { sessionKey: session } }]);
  });

  it.each([
    [{}, ['ops', 'work'], /several agents/],
    [{ session_key: 'agent:main:main' }, ['ops'], /no agent main/],
  ])('of %j for an agent that is not known (%j) fails', async (changes, agentIds, message) => {
    const { wake, events } = await openPlugin({ agentIds });
    const error = await failureOf(wake({ reply: 'agent', route: { ...ROUTE, ...changes } }), GatewayError);
    expect(error).toMatchObject({ type: 'no_agent', retryable: false, message: expect.stringMatching(message) });
    expect(events).toEqual([]);
  });

  it.each([
    ['a wrong token', { hooks: { token: 'another' } }],
    ['a gateway without a token', {}],
    ['a token that is not a string', { hooks: { token: { source: 'env' } } }],
  ])('with %s is refused', async (_what, config) => {
    const { wake, sent } = await openPlugin({ config });
    expect(await failureOf(wake(), GatewayError)).toMatchObject({ type: 'unauthorized', retryable: false });
    expect(sent).toEqual([]);
  });

  it.each([
    ['an invalid key', {}, '../../etc/passwd'],
    ['the key of another task', {}, 'kimi-1-1'],
    ['no message', { message: '' }, ID],
    ['another way to reply', { reply: 'shout' as 'deliver' }, ID],
    ['a file in a folder', { file: { name: '../a', content: 'x' } }, ID],
  ])('with %s is refused', async (_what, changes, key) => {
    const { wake, sent } = await openPlugin();
    expect(await failureOf(wake(changes, key), GatewayError)).toMatchObject({ type: 'http_400' });
    expect(sent).toEqual([]);
  });
});

/** @returns a channel that names its messages so, one request after the other. */
function sentAs(...ids: string[][]) {
  return async (): Promise<Outcome> => ({
    status: 'sent',
    results: (ids.shift() ?? []).map((messageId) => ({ messageId })),
  });
}

describe('the messages of an answer', () => {
  const file = { name: 'a.md', content: '# long' };
  it('are remembered with its task, each piece and the file, also after a restart', async () => {
    const stateDir = await temporaryFolder();
    const { wake } = await openPlugin({
      stateDir,
      channel: async ({ forceDocument }) => ({
        status: 'sent',
        results: [forceDocument ? { messageId: '3' } : { messageId: '2', receipt: { platformMessageIds: ['1', '2'] } }],
      }),
    });
    await wake({ file });
    const { answers } = await openPlugin({ stateDir });
    for (const id of ['1', '2', '3']) expect(await answers.taskOf(ROUTE, id)).toBe(ID);
    expect(await answers.taskOf({ ...ROUTE, thread_id: '7' }, '1')).toBe(ID);
    for (const other of [{ channel: 'slack' }, { to: '4343' }, { account_id: 'second' }]) {
      expect(await answers.taskOf({ ...ROUTE, ...other }, '1')).toBeUndefined();
    }
    expect((await stat(join(stateDir, 'kimi-dispatch/answers.json'))).mode & 0o777).toBe(0o600);
  });

  it('are those of an answer that a chat asked for', async () => {
    const { wake, answers } = await openPlugin({ channel: sentAs(['1'], ['2']) });
    await wake();
    const { route: _, ...owners } = WAKE;
    const owned = await openPlugin({
      config: { hooks: { token: TOKEN }, commands: { ownerAllowFrom: ['telegram:4242'] } },
      channel: sentAs(['2'], ['3']),
    });
    await new Gateway({ wakeUrl: owned.url, token: TOKEN }).wake({ ...owners, file }, ID);
    expect(owned.sent).toHaveLength(2);
    expect(await answers.taskOf(ROUTE, '1')).toBeUndefined();
    expect(await owned.answers.taskOf(ROUTE, '2')).toBeUndefined();
  });

  it('that cannot be remembered do not keep the answer from its chat', async () => {
    const stateDir = await temporaryFolder();
    await mkdir(join(stateDir, 'kimi-dispatch/answers.json'), { recursive: true });
    const { wake, sent } = await openPlugin({ stateDir, channel: sentAs(['1'], ['2']) });
    await wake({ file });
    expect(sent).toHaveLength(2);
  });

  it('a thread under an answer belongs to the newest answer in it; any other thread to none', async () => {
    const { answers } = await openPlugin();
    await answers.add(ROUTE, ['1'], ID);
    await answers.add({ ...ROUTE, thread_id: '1' }, ['2'], 'kimi-1-2');
    await answers.add({ ...ROUTE, thread_id: '9' }, ['3'], 'kimi-1-3');
    expect(await answers.taskOf(ROUTE, '1')).toBe('kimi-1-2');
    expect(await answers.taskOf(ROUTE, '9')).toBeUndefined();
  });

  it('are five thousand at most, the newest', async () => {
    const { answers } = await openPlugin();
    await Promise.all([
      answers.add(
        ROUTE,
        Array.from({ length: 4_999 }, (_, n) => `old-${n}`),
        ID,
      ),
      answers.add(ROUTE, ['new-1'], ID),
      answers.add(ROUTE, ['new-2'], ID),
    ]);
    const known = ['old-0', 'old-1', 'new-1', 'new-2'].map(async (id) => await answers.taskOf(ROUTE, id));
    expect(await Promise.all(known)).toEqual([undefined, ID, ID, ID]);
  });
});

it('old notes are removed', async () => {
  const stateDir = await temporaryFolder();
  const folder = join(stateDir, 'kimi-dispatch/shown');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'kimi-1-1'), '1');
  await utimes(join(folder, 'kimi-1-1'), 0, 0);
  const notes = new Notes(stateDir);
  await notes.write(ID, { parts: 1, isUncertain: true });
  await notes.prune();
  expect(await readdir(folder)).toEqual([ID]);
  expect(await notes.read(ID)).toEqual({ parts: 1, isUncertain: true });
  expect(await notes.read('kimi-1-1')).toEqual({ parts: 0, isUncertain: false });
});

describe('text of an answer', () => {
  it.each([
    'MEDIA:/etc/passwd',
    '  media : ~/.openclaw/openclaw.json',
    '`MEDIA:` x',
    '![x](https://example.invalid/a.png)',
    '![[x]] ![x][1]',
    '<img src="http://127.0.0.1/a.png">',
    '<think>x</think> < final >y</final>',
    '<|assistant|> <｜end｜>',
    '[[reply_to:1]]',
    '[[ audio_as_voice ]]',
    '[Tool Call: x] [/TOOL_RESULT] [tool calls omitted]',
    'tool_call: x',
    '🛠️ Exec: ls',
    'NO_REPLY HEARTBEAT_OK',
    'hi @all, @everyone and @ĂŃŸ',
    '<!channel> <@U123> <@&5>',
    '[x](tg://user?id=1)',
    'a\uE200cite\uE202turn0\uE201',
  ])('%j triggers nothing, and looks the same', (text) => {
    const shown = asData(text);
    expect(shown).not.toMatch(
      /media\s*:|\[\[|!\[|@[\p{L}\p{N}&!]|<\s*[^\s\u200B]|\[\/?tool|tool_call|🛠️\s|NO_REPLY|HEARTBEAT_OK|tg:\/|\uE200c/iu,
    );
    expect(shown.replaceAll('\u200B', '')).toBe(text);
    expect(isShownAsItIs(text)).toBe(false);
  });

  it.each([
    ['slack', '`<!channel|x> <!subteam^S1> <@U123> <#C1> <https://evil.example|https://bank.example>`'],
    ['feishu', '```\n<at user_id="all"></at>\n```'],
  ])('in %s, %j triggers nothing, though it is code', (channel, text) => {
    const shown = asData(text, channel);
    expect(shown).not.toMatch(/<[^\u200B]/);
    expect(shown.replaceAll('\u200B', '')).toBe(text);
    expect(asData('`<!DOCTYPE html> <b> #include <x>`', channel)).not.toContain('\u200B');
  });

  it.each(['a @ b', '[x](y)', 'multimedia', '答案：`a[0]`', '1 < 2 <= 3'])('%j is unchanged', (text) => {
    expect(asData(text)).toBe(text);
  });

  it.each([
    ['答案是 42。\n\n- 一\n- 二', true],
    ['ha\n\nha', false],
    ['`code`', false],
    ['a | b', false],
    ['$x^2$', false],
  ])('%j is shown unchanged: %j', (text, isShown) => {
    expect(isShownAsItIs(text)).toBe(isShown);
  });
});

/**
 * Each chat as the channels of openclaw@2026.9.6 name it, for each source.
 */
const CHATS = [
  {
    // extensions/telegram: `telegram:${chatId}`; `from` of a message is the same.
    what: 'a private chat in Telegram',
    message: { OriginatingChannel: 'telegram', OriginatingTo: 'telegram:4242', ChatType: 'direct' },
    agent: { channel: 'telegram', to: 'telegram:4242' },
    chat: { channel: 'telegram', to: '4242' },
  },
  {
    what: 'a group in Telegram',
    message: { OriginatingChannel: 'telegram', OriginatingTo: 'telegram:-1001', ChatType: 'group' },
    agent: { channel: 'telegram', to: 'telegram:group:-1001' },
    chat: { channel: 'telegram', to: '-1001' },
  },
  {
    // buildTelegramInboundOriginTarget: `telegram:${chatId}:topic:${id}` in a forum, with MessageThreadId beside it.
    what: 'a topic in Telegram',
    message: {
      OriginatingChannel: 'telegram',
      OriginatingTo: 'telegram:-1001:topic:7',
      MessageThreadId: 7,
      ChatType: 'group',
    },
    agent: { channel: 'telegram', to: 'telegram:-1001:topic:7', threadId: 7 },
    chat: { channel: 'telegram', to: '-1001', thread_id: '7' },
  },
  {
    // extensions/whatsapp: `To: msg.platform.recipientJid` is the bot; `OriginatingTo: conversationId`.
    what: 'a private chat in WhatsApp',
    message: {
      OriginatingChannel: 'whatsapp',
      OriginatingTo: '+886912345678',
      To: '886900000000@s.whatsapp.net',
      ChatType: 'direct',
    },
    agent: { channel: 'whatsapp', to: '+886912345678' },
    chat: { channel: 'whatsapp', to: '+886912345678' },
  },
  {
    what: 'a group in WhatsApp',
    message: {
      OriginatingChannel: 'whatsapp',
      OriginatingTo: '120363041234567890@g.us',
      To: '886900000000@s.whatsapp.net',
      ChatType: 'group',
    },
    agent: { channel: 'whatsapp', to: '120363041234567890@g.us' },
    chat: { channel: 'whatsapp', to: '120363041234567890@g.us' },
  },
  {
    // extensions/discord: resolveDiscordConversationIdentity; a slash command has `to: slash:${user.id}`.
    what: 'a private chat in Discord',
    message: { OriginatingChannel: 'discord', OriginatingTo: 'user:77', ChatType: 'direct' },
    command: { channel: 'discord', from: 'discord:77', to: 'slash:77' },
    agent: { channel: 'discord', to: 'user:77' },
    chat: { channel: 'discord', to: 'user:77' },
  },
  {
    what: 'a channel in Discord',
    message: { OriginatingChannel: 'discord', OriginatingTo: 'channel:1234', ChatType: 'channel' },
    command: { channel: 'discord', from: 'discord:channel:1234', to: 'slash:77' },
    agent: { channel: 'discord', to: 'channel:1234' },
    chat: { channel: 'discord', to: 'channel:1234' },
  },
  {
    what: 'a thread in Discord',
    message: {
      OriginatingChannel: 'discord',
      OriginatingTo: 'channel:555',
      MessageThreadId: '555',
      ChatType: 'channel',
    },
    command: { channel: 'discord', from: 'discord:channel:555', to: 'slash:77', messageThreadId: '555' },
    agent: { channel: 'discord', to: 'channel:555', threadId: '555' },
    chat: { channel: 'discord', to: 'channel:555', thread_id: '555' },
  },
  {
    what: 'a group chat in Discord',
    message: { OriginatingChannel: 'discord', OriginatingTo: 'channel:99', ChatType: 'group' },
    command: { channel: 'discord', from: 'discord:group:99', to: 'slash:77' },
    agent: { channel: 'discord', to: 'channel:99' },
    chat: { channel: 'discord', to: 'channel:99' },
  },
  {
    // extensions/slack: formatSlackTarget; a slash command comes as a message too, `To: slash:U1`, `OriginatingTo: user:U1`.
    what: 'a private chat in Slack, and a slash command that only its user sees',
    message: {
      OriginatingChannel: 'slack',
      OriginatingTo: 'user:U0AB',
      To: 'slash:U0AB',
      SessionKey: 'agent:main:slack:slash:u0ab',
      CommandTargetSessionKey: 'agent:main:main',
      ChatType: 'direct',
    },
    agent: { channel: 'slack', to: 'user:U0AB' },
    chat: { channel: 'slack', to: 'U0AB' },
  },
  {
    what: 'a thread of a channel in Slack',
    message: {
      OriginatingChannel: 'slack',
      OriginatingTo: 'channel:C0AB',
      MessageThreadId: '1707654321.000100',
      ChatType: 'channel',
    },
    agent: { channel: 'slack', to: 'channel:C0AB', threadId: '1707654321.000100' },
    chat: { channel: 'slack', to: 'C0AB', thread_id: '1707654321.000100' },
  },
  {
    // extensions/line: `line:${userId}`, `line:group:${groupId}`, `line:room:${roomId}`, the same for From, To and OriginatingTo.
    what: 'a private chat in LINE',
    message: { OriginatingChannel: 'line', OriginatingTo: 'line:U4af49', ChatType: 'direct' },
    agent: { channel: 'line', to: 'line:U4af49' },
    chat: { channel: 'line', to: 'U4af49' },
  },
  {
    what: 'a group in LINE',
    message: { OriginatingChannel: 'line', OriginatingTo: 'line:group:Ca56f', ChatType: 'group' },
    agent: { channel: 'line', to: 'line:group:Ca56f' },
    chat: { channel: 'line', to: 'Ca56f' },
  },
  {
    // @openclaw/feishu: `chat:${chatId}`, `user:${openId}`; of a tool, the id alone.
    what: 'a private chat in Feishu',
    message: { OriginatingChannel: 'feishu', OriginatingTo: 'user:ou_1', RootMessageId: 'om_1', ChatType: 'direct' },
    agent: { channel: 'feishu', to: 'ou_1' },
    chat: { channel: 'feishu', to: 'ou_1' },
  },
  {
    what: 'a topic of a group in Feishu',
    message: { OriginatingChannel: 'feishu', OriginatingTo: 'chat:oc_1', RootMessageId: 'om_1', ChatType: 'group' },
    agent: { channel: 'feishu', to: 'oc_1:topic:om_1' },
    chat: { channel: 'feishu', to: 'oc_1', thread_id: 'om_1' },
  },
  {
    // extensions/signal: normalizeSignalMessagingTarget.
    what: 'a private chat in Signal',
    message: { OriginatingChannel: 'signal', OriginatingTo: '+886912345678', ChatType: 'direct' },
    agent: { channel: 'signal', to: 'signal:+886912345678' },
    chat: { channel: 'signal', to: '+886912345678' },
  },
  {
    what: 'a group in Signal',
    message: { OriginatingChannel: 'signal', OriginatingTo: 'group:aGVsbG8=', ChatType: 'group' },
    agent: { channel: 'signal', to: 'group:aGVsbG8=' },
    chat: { channel: 'signal', to: 'group:aGVsbG8=' },
  },
  {
    // extensions/imessage: replyTarget, `chat_id:` if the chat is known and `imessage:` or `sms:` otherwise.
    what: 'a chat in iMessage',
    message: { OriginatingChannel: 'imessage', OriginatingTo: 'chat_id:12', ChatType: 'direct' },
    agent: { channel: 'imessage', to: 'chat_id:12' },
    chat: { channel: 'imessage', to: 'chat_id:12' },
  },
  {
    what: 'a number in iMessage',
    message: { OriginatingChannel: 'imessage', OriginatingTo: 'imessage:+886912345678', ChatType: 'direct' },
    agent: { channel: 'imessage', to: 'imessage:+886912345678' },
    chat: { channel: 'imessage', to: '+886912345678' },
  },
];

describe('a chat', () => {
  it.each(CHATS)('$what is the same from each source', ({ message, command, agent, chat }) => {
    expect(chatOfMessage({ ctx: message })).toMatchObject(chat);
    expect(chatOfAgent({ deliveryContext: agent })).toEqual(chat);
    expect(command ? chatOfCommand(command) : chat).toEqual(chat);
    const { thread_id } = chat as { thread_id?: string };
    expect((chatOfMessage({ ctx: message }) as Route).thread_id).toBe(thread_id);
  });

  it('contains the message, its account and the session to wake', () => {
    const ctx = {
      OriginatingChannel: 'slack',
      OriginatingTo: 'user:U1',
      AccountId: 'work',
      SessionKey: 'agent:main:slack:slash:u1',
      CommandTargetSessionKey: 'agent:main:main',
      MessageSid: '7',
    };
    const chat = { channel: 'slack', to: 'U1', account_id: 'work', session_key: 'agent:main:main' };
    expect(chatOfMessage({ ctx: { ...ctx, Timestamp: 1_707_654_321_000 } })).toEqual({
      ...chat,
      message: { id: '7', at: 1_707_654_321_000 },
    });
  });

  it('of a message without a time is the same one only for the same text', () => {
    const ctx = { OriginatingChannel: 'line', OriginatingTo: 'line:U1', MessageSid: '7', RawBody: 'Kimi：x' };
    const { message } = chatOfMessage({ ctx }) as Route;
    expect(message).toEqual({ id: expect.stringMatching(/^[0-9a-f]{32}$/) as string, at: 0 });
    expect(chatOfMessage({ ctx: { ...ctx } })).toMatchObject({ message });
    expect((chatOfMessage({ ctx: { ...ctx, RawBody: 'Kimi：y' } }) as Route).message).not.toEqual(message);
  });

  it('is the session on the gateway’s own pages', () => {
    const page = { channel: 'webchat', to: 'agent:main:one', session_key: 'agent:main:one' };
    expect(chatOfMessage({ ctx: { OriginatingChannel: 'webchat', SessionKey: 'agent:main:one' } })).toEqual(page);
    expect(chatOfAgent({ deliveryContext: { channel: 'webchat' }, sessionKey: 'agent:main:one' })).toEqual(page);
    expect(chatOfAgent({ deliveryContext: { channel: 'webchat' } })).toBe('unknown');
  });

  it('is everyone’s for the gateway’s owner outside of any chat', () => {
    expect(chatOfAgent({ senderIsOwner: true })).toBe('everyone');
    expect(chatOfAgent({ senderIsOwner: true, deliveryContext: { channel: 'line', to: 'line:U1' } })).toMatchObject({
      to: 'U1',
    });
  });

  it.each([
    chatOfMessage({ ctx: {} }),
    chatOfMessage({ ctx: { OriginatingChannel: 'whatsapp' } }),
    chatOfMessage({ ctx: { OriginatingChannel: 'slack', OriginatingTo: 'slash:U1' } }),
    // They bypass the message hook: they may be redelivered, and `to` is the bot.
    chatOfCommand({ channel: 'telegram', from: 'telegram:4242', to: 'telegram:4242' }),
    chatOfCommand({ channel: 'whatsapp', from: '+886912345678', to: '886900000000@s.whatsapp.net' }),
    chatOfCommand({ channel: 'discord', from: 'discord:channel:1', to: 'channel:1' }),
    chatOfCommand({ channel: 'discord', to: 'slash:77' }),
    chatOfAgent({}),
    chatOfAgent({ senderIsOwner: false }),
    chatOfAgent({ senderIsOwner: true, deliveryContext: { channel: 'whatsapp' } }),
  ])('that cannot be determined is unknown (%#)', (chat) => {
    expect(chat).toBe('unknown');
  });
});

describe('a message', () => {
  type Change = Partial<Parameters<ReturnType<typeof messageHook>>[0]>;
  const ctx = {
    OriginatingChannel: 'telegram',
    OriginatingTo: 'telegram:4242',
    MessageSid: '7',
    Timestamp: 1_707_654_321_000,
    ChatType: 'direct',
  };
  const warned: string[] = [];
  const logger = { info: () => {}, warn: (line: string) => warned.push(line) };

  async function say(words: string, change: Change = {}, isAuthorized = true, media = MEDIA) {
    const runs: string[][] = [];
    const replies: string[] = [];
    const buttons: unknown[] = [];
    const followed: unknown[] = [];
    const shown: string[] = [];
    const hook = messageHook({
      run: async (args, input = '') => {
        runs.push([...args, input]);
        const said: Record<string, string> = {
          dispatch: `任務編號：${ID}`,
          retry: `重新派發任務 ${BEFORE} 的問題\n任務編號：${ID}\n這是模擬的答案`,
        };
        return { exit: 0, stdout: 'said @all', stderr: said[args[0] ?? ''] ?? '' };
      },
      progress: { follow: (...task) => void followed.push(task) },
      notifier: {
        show: async (_route, text) => {
          shown.push(text);
          return { outcome: 'sent' };
        },
        showAnswer: async () => undefined,
      },
      answers: { taskOf: async (_route, id) => (id === '55' ? BEFORE : undefined) },
      media,
      isAuthorized: () => isAuthorized,
      logger,
    });
    const dispatcher = {
      sendFinalReply: ({ text, presentation }: { text: string; presentation?: Presentation }) => {
        buttons.push(
          ...(presentation?.blocks ?? []).flatMap((block): unknown[] =>
            block.type === 'select' ? [block] : block.buttons,
          ),
        );
        return replies.push(text) > 0;
      },
      getQueuedCounts: () => ({ final: replies.length }),
    };
    const event = {
      shouldRouteToOriginating: false,
      ...change,
      ctx: { ...ctx, BodyForCommands: words, ...change.ctx },
    };
    return { handled: await hook(event, { cfg: {}, dispatcher, ...done }), runs, replies, shown, buttons, followed };
  }
  /** What the gateway was told of the message. */
  const ended: string[] = [];
  const done = {
    markIdle: (reason: string) => void ended.push(reason),
    recordProcessed: (outcome: string, { reason }: { reason: string }) => void ended.push(outcome, reason),
  };

  it('is done for the gateway once it is handled', async () => {
    ended.length = 0;
    await say('hello');
    expect(ended).toEqual([]);
    await say('Kimi: x');
    expect(ended).toEqual(['completed', 'kimi-dispatch', 'message_completed']);
  });

  const route = JSON.stringify({ ...ROUTE, message: { id: '7', at: 1_707_654_321_000 } });

  it.each(['Kimi：x y', 'kimi x y', '/kimi x y', '/kimi@javis_bot x y', '/KIMI\nx y'])(
    '%j starts a task whose id derives from the message',
    async (words) => {
      const { handled, runs, replies } = await say(words, {}, false);
      expect(runs).toEqual([['dispatch', '-p', '-', '--route', route, 'x y']]);
      expect(replies).toEqual(['said @\u200Ball']);
      expect(handled).toEqual({ handled: true, queuedFinal: true, counts: { final: 1 } });
    },
  );

  it('offers to cancel the task it started, and follows it', async () => {
    const { buttons, followed } = await say('Kimi: x');
    expect(buttons).toEqual([{ label: '取消 Cancel', action: { type: 'command', command: `/kimi cancel ${ID}` } }]);
    expect(followed).toEqual([[ID, JSON.parse(route)]]);
    expect(await say('/kimi list')).toMatchObject({ buttons: [], followed: [] });
    // WhatsApp would turn it into text.
    expect((await say('Kimi: x', { ctx: { OriginatingChannel: 'whatsapp' } })).buttons).toEqual([]);
  });

  it.each([
    // LINE would turn a button into a card.
    ['line', {}, [{ type: 'select', options: [{ action: { type: 'command', command: `/kimi cancel ${ID}` } }] }]],
    ['slack', {}, [{ action: { type: 'callback', value: `kimi-dispatch:cancel ${ID}` } }]],
    ['discord', {}, [{ action: { type: 'command', command: `/kimi cancel ${ID}` } }]],
    ['feishu', {}, [{ action: { type: 'command', command: `/kimi cancel ${ID}` } }]],
    // Feishu does not say in which topic a button was pressed: its command would look for the task elsewhere.
    ['feishu', { MessageThreadId: 'om_1' }, []],
  ])('%s %j offers it as that channel can', async (OriginatingChannel, more, buttons) => {
    const said = await say('Kimi: x', { ctx: { OriginatingChannel, OriginatingTo: 'chat:oc_1', ...more } });
    expect(said.buttons).toMatchObject(buttons);
    expect(said.buttons).toHaveLength(buttons.length);
  });

  it('offers no quick reply to a sender whose command would be refused; a button is for all who see it', async () => {
    const [line, discord] = ['line', 'discord'].map((OriginatingChannel) => ({
      ctx: { OriginatingChannel, OriginatingTo: 'C1', ChatType: 'group' },
    }));
    expect(await say('Kimi: x', line, false)).toMatchObject({ buttons: [], followed: [[ID, expect.anything()]] });
    expect((await say('Kimi: x', line)).buttons).toHaveLength(1);
    expect((await say('Kimi: x', discord, false)).buttons).toHaveLength(1);
  });

  it('“/kimi more” asks once for the rest of an answer, however often its button is pressed', async () => {
    const first = await say(`/kimi more ${BEFORE}`, { ctx: { ReplyToBody: 'the cut answer' } });
    const second = await say(`/kimi more ${BEFORE}`, { ctx: { MessageSid: '8' } });
    const [, second_of_task] = BEFORE.split('-');
    const once = { ...ROUTE, message: { id: `more:${BEFORE}`, at: Number(second_of_task) * 1_000 } };
    const words = ['dispatch', '-p', '-', `--continue=${BEFORE}`, '--route', JSON.stringify(once)];
    expect(first.runs).toEqual([[...words, expect.stringMatching(/^請從中斷的地方繼續。[^>]*$/)]]);
    expect(second.runs).toEqual(first.runs);
  });

  it('/kimi retry offers the same for the new task', async () => {
    const { runs, buttons, followed } = await say(`/kimi retry ${BEFORE}`);
    expect(runs).toEqual([['retry', BEFORE, '--route', route, '']]);
    expect(buttons).toMatchObject([{ action: { command: `/kimi cancel ${ID}` } }]);
    expect(followed).toEqual([[ID, JSON.parse(route)]]);
  });

  it.each(['@javis_bot Kimi: x', '<@U0BOT> Kimi: x', '<@!99> /kimi x'])('%j starts one in a group', async (words) => {
    const { runs } = await say(words, { ctx: { ChatType: 'group' } });
    expect(runs).toMatchObject([{ 0: 'dispatch', 5: 'x' }]);
  });

  it.each([
    ['Kimi: x @javis_bot', { ChatType: 'group' }, 'x'],
    ['@javis_bot @you Kimi：x', { ChatType: 'group' }, 'x'],
    // The bot's mention is removed, of Telegram and LINE no other one.
    ['Kimi：寫信給 @小明 @Javis_bot', { ChatType: 'group', BotUsername: 'javis_bot' }, '寫信給 @小明'],
    ['Kimi：寫信給 @小明', { ChatType: 'group', OriginatingChannel: 'line' }, '寫信給 @小明'],
    ['<at user_id="ou_bot">Javis</at> Kimi: x', { ChatType: 'group' }, 'x'],
    ['Kimi: write to @you', {}, 'write to @you'],
    ['Kimi: is &lt;b&gt; &amp;amp; bold?', { OriginatingChannel: 'slack' }, 'is <b> &amp; bold?'],
    ['Kimi: is &lt;b&gt; bold?', {}, 'is &lt;b&gt; bold?'],
    ['Kimi：翻譯這段', { ReplyToBody: 'Hello\nworld' }, '翻譯這段\n\n> Hello\n> world'],
    ['/kimi 翻譯這段', { ReplyToBody: 'Hello world', ReplyToQuoteText: 'world' }, '翻譯這段\n\n> world'],
    ['/kimi x', { OriginatingChannel: 'slack', ReplyToBody: 'a &lt; b' }, 'x\n\n> a < b'],
    // Feishu: of a text with a picture, the gateway escapes Markdown's characters; not of others.
    ['Kimi：a\\_b \\[1\\] \\\\x', { OriginatingChannel: 'feishu' }, 'a_b [1] \\x'],
    ['Kimi：a_b \\[1\\]', { OriginatingChannel: 'feishu' }, 'a_b \\[1\\]'],
    ['Kimi：a\\_b', {}, 'a\\_b'],
    ['Kimi：x', { OriginatingChannel: 'feishu', ReplyToBody: '[file message]' }, 'x'],
  ])('%j with %j has the prompt that the person typed', async (words, change, prompt) => {
    expect((await say(words, { ctx: { ...ctx, ...change } })).runs[0]?.at(-1)).toBe(prompt);
  });

  it.each([
    ['/kimi continue shorter', 'last', 'shorter'],
    [`/kimi Continue ${ID} shorter\nplease`, ID, 'shorter\nplease'],
    ['/kimi continue last night', 'last', 'last night'],
  ])('%j continues a conversation of this chat', async (words, before, prompt) => {
    const { runs } = await say(words);
    expect(runs).toEqual([['dispatch', '-p', '-', `--continue=${before}`, '--route', route, prompt]]);
  });

  it.each([
    ['Kimi：shorter', BEFORE, 'shorter'],
    ['/kimi shorter', BEFORE, 'shorter'],
    ['/kimi continue shorter', BEFORE, 'shorter'],
    [`/kimi continue ${ID} shorter`, ID, 'shorter\n\n> the answer'],
  ])('%j as a reply to an answer continues its task', async (words, before, prompt) => {
    const { runs } = await say(words, { ctx: { ...ctx, ReplyToId: '55', ReplyToBody: 'the answer' } });
    expect(runs).toEqual([['dispatch', '-p', '-', `--continue=${before}`, '--route', route, prompt]]);
  });

  it('as a reply to a selected part of an answer continues its task, about that part', async () => {
    const quote = { ReplyToId: '55', ReplyToBody: 'the answer', ReplyToQuoteText: 'answer' };
    const { runs } = await say('Kimi: why?', { ctx: { ...ctx, ...quote } });
    expect(runs).toMatchObject([{ 3: `--continue=${BEFORE}`, 6: 'why?\n\n> answer' }]);
  });

  it.each([
    ['a message that is no answer', { ReplyToId: '56' }],
    ['a message of another chat with the same id', { ReplyToId: '55', ReplyToIsExternal: true }],
  ])('as a reply to %s takes its text along', async (_what, reply) => {
    const { runs } = await say('Kimi: x', { ctx: { ...ctx, ...reply, ReplyToBody: 'their words' } });
    expect(runs).toEqual([['dispatch', '-p', '-', '--route', route, 'x\n\n> their words']]);
  });

  it('without the trigger is for the agent, also as a reply to an answer', async () => {
    expect(await say('thanks', { ctx: { ...ctx, ReplyToId: '55' } })).toMatchObject({ handled: undefined, runs: [] });
  });

  it('Kimi: continue … is a prompt', async () => {
    expect((await say('Kimi: continue the story')).runs).toMatchObject([{ 3: '--route', 5: 'continue the story' }]);
  });

  it('on the gateway’s own page is a task of that page, which can access all tasks', async () => {
    const page = { OriginatingChannel: 'webchat', SessionKey: 'agent:main:one' };
    const [args = []] = (await say('Kimi: x', { ctx: { ...ctx, ...page } })).runs;
    expect(args.slice(0, 4)).toEqual(['dispatch', '-p', '-', '--route']);
    expect(JSON.parse(args[4] ?? '')).toMatchObject({ channel: 'webchat', to: 'agent:main:one', message: { id: '7' } });
    expect((await say('/kimi list', { ctx: { ...ctx, ...page } })).runs).toEqual([['list', '-l', '10', '']]);
  });

  it('says which files were not taken', async () => {
    const media = [{ path: '/in/a.jpg', contentType: 'image/jpeg' }, { contentType: 'application/pdf' }];
    const { replies, runs } = await say('Kimi: what is this?', { ctx: { ...ctx, media } });
    expect(runs).toHaveLength(1);
    expect(replies[0]).toMatch(
      /^said @\u200Ball\n\n📎 附件沒有交給 Kimi（image\/jpeg, application\/pdf）：閘道沒有把它存成檔案/,
    );
    const single = await say('Kimi: x', { ctx: { ...ctx, media: [{ path: '/in/a---1.pdf', fileName: 'a.pdf' }] } });
    expect(single.replies[0]).toContain('（a.pdf）');
    // Feishu says only of which kind it is.
    const quoting = { OriginatingChannel: 'feishu', ReplyToBody: '[image message]' };
    expect((await say('Kimi: x', { ctx: { ...ctx, ...quoting } })).replies[0]).toContain('（image）');
  });

  it.each(['hello', 'Kimi:', '/kimis x', '/other kimi x'])('%j is not handled', async (words) => {
    expect(await say(words)).toMatchObject({ handled: undefined, runs: [], replies: [], shown: [] });
  });

  it.each(['/kimi', '/kimi list', '/kimi@javis_bot Status'])('%j lists the tasks of this chat', async (words) => {
    expect((await say(words)).runs).toEqual([['list', '-l', '10', '--route', route, '']]);
  });

  it('with options asks for what they say: --map for each row of its file, by those who may use commands', async () => {
    const media = await realpath(await temporaryFolder());
    const [rows, more] = [join(media, 'rows---1.csv'), join(media, 'more---2.pdf')];
    for (const path of [more, rows]) await writeFile(path, 'text\na');
    const files = {
      ctx: { ...ctx, media: [{ path: more }, { path: rows }], ReplyToId: '55', ReplyToBody: 'an answer' },
    };
    const { runs } = await say('Kimi：--逐筆 摘要 {{text}}', files, true, media);
    const options = [`--map=${rows}`, `--attach=${more}`];
    const prompt = expect.stringContaining('摘要 {{text}}') as string;
    expect(runs).toEqual([['dispatch', '-p', '-', ...options, '--route', route, prompt]]);
    const refused = await say('Kimi：--map x', files, false, media);
    expect(refused).toMatchObject({ runs: [], replies: [expect.stringContaining('commands.allowFrom')] });
    const second = join(media, 'other.jsonl');
    await writeFile(second, '{"text":"b"}');
    const two = await say('Kimi：--map x', { ctx: { ...ctx, media: [{ path: rows }, { path: second }] } }, true, media);
    expect(two).toMatchObject({ runs: [], replies: [expect.stringContaining('has rows---1.csv, other.jsonl')] });
    expect((await say('Kimi：--search x', {}, false)).runs).toMatchObject([{ 3: '--search' }]);
  });

  it.each(['list', 'usage', `cancel ${ID}`])(
    '/kimi %s from a sender who may not use commands does nothing',
    async (verb) => {
      const { runs, replies } = await say(`/kimi ${verb}`, {}, false);
      expect(runs).toEqual([]);
      expect(replies).toEqual([expect.stringContaining('commands.allowFrom')]);
    },
  );

  it.each(['Kimi: x', '/kimi x', '/kimi list', '/kimi usage', `/kimi result ${ID}`])(
    '%j from an unknown chat does nothing, and says so',
    async (words) => {
      const { runs, replies } = await say(words, { ctx: { OriginatingChannel: 'slack', OriginatingTo: 'slash:U1' } });
      expect(runs).toEqual([]);
      expect(replies).toEqual([UNKNOWN_CHAT]);
    },
  );

  it('written elsewhere for a chat is answered in that chat; with replies suppressed, nowhere', async () => {
    const routed = await say('Kimi: x', { shouldRouteToOriginating: true });
    expect(routed).toMatchObject({ replies: [], shown: ['said @all'] });
    const silent = await say('Kimi: x', { suppressUserDelivery: true });
    expect(silent).toMatchObject({ handled: { handled: true, queuedFinal: false }, replies: [], shown: [] });
    expect(silent.runs).toHaveLength(1);
    expect((await say('Kimi: x', { isTailDispatch: true })).handled).toBeUndefined();
  });

  it('that a command aborts returns immediately; its task is started, and answered without the dispatcher', async () => {
    const overtaken = new AbortController();
    const shown: string[] = [];
    let finish: ((ran: Ran) => void) | undefined;
    const hook = messageHook({
      run: async () => await new Promise((resolve) => (finish = resolve)),
      notifier: {
        show: async (_route, text) => {
          shown.push(text);
          return { outcome: 'failed', error: 'not\u001B[2J\nnow' };
        },
        showAnswer: async () => undefined,
      },
      progress: { follow: () => {} },
      answers: { taskOf: async () => undefined },
      media: MEDIA,
      isAuthorized: () => true,
      logger,
    });
    const dispatcher = { sendFinalReply: () => false, getQueuedCounts: () => ({}) };
    const event = { shouldRouteToOriginating: false, ctx: { ...ctx, BodyForCommands: 'Kimi: x' } };
    const handled = hook(event, { cfg: {}, dispatcher, abortSignal: overtaken.signal, ...done });
    overtaken.abort();
    expect(await handled).toEqual({ handled: true, queuedFinal: false, counts: {} });
    expect(shown).toEqual([]);
    finish?.({ exit: 0, stdout: 'dispatched', stderr: '' });
    await until(() => warned.length > 0);
    expect(shown).toEqual(['dispatched']);
    expect(warned).toEqual(['kimi-dispatch: a message was not answered: Error: not [2J now']);
  });
});

describe('a press of a button in Slack', () => {
  it.each([
    ['a channel', { conversationId: 'C1' }, { to: 'C1' }],
    ['a thread', { conversationId: 'C1', threadId: '1.2' }, { to: 'C1', thread_id: '1.2' }],
    // Messages of a private chat name its user.
    ['a private chat', { conversationId: 'D1' }, { to: 'U1' }],
  ])('in %s is the command of that chat', async (_where, place, chat) => {
    const asked: unknown[] = [];
    const shown: unknown[] = [];
    const press = pressHandler(
      async (...question) => (asked.push(question), { text: 'said' }),
      async (...reply) => void shown.push(reply),
    );
    const auth = { isAuthorizedSender: false };
    const interaction = { payload: `cancel ${ID}` };
    const from = { channel: 'slack', accountId: 'default', senderId: 'U1', ...place };
    expect(await press({ ...from, auth, interaction })).toEqual({ handled: true });
    const route = { channel: 'slack', account_id: 'default', ...chat };
    expect(asked).toEqual([[`cancel ${ID}`, { chat: route, isAuthorized: false }]]);
    expect(shown).toEqual([[route, { text: 'said' }]]);
  });
});

describe('/kimi', () => {
  async function ask(args: string, ran: Partial<Ran> = {}, route: Route = ROUTE) {
    const runs: { args: string[]; input: string | undefined }[] = [];
    const { notes, answers } = await openPlugin();
    const shown: Batch[] = [];
    const send = async (batch: Batch): Promise<Outcome> => {
      shown.push(batch);
      return { status: 'sent', results: [{ messageId: String(shown.length) }] };
    };
    const pushed: { text: string; quickReply?: unknown }[] = [];
    const push: Sdk['fetch'] = async (_url, { body }) => {
      pushed.push(...(JSON.parse(body as string) as { messages: typeof pushed }).messages);
      return Response.json({});
    };
    const runtime = { config: { current: () => ({ channels: { line: { channelAccessToken: 'secret' } } }) } };
    const notifier = new Notifier({ runtime } as never, notes, { toChannel: send, fetch: push } as never, answers);
    const run = async (words: string[], input?: string) => {
      runs.push({ args: words, input });
      return { exit: 0, stdout: 'said', stderr: '', ...ran };
    };
    const said = await answerCommand(run, notifier, args, { chat: route, isAuthorized: true });
    return { text: said?.text, runs, shown, pushed, answers };
  }
  const chat = ['--route', JSON.stringify(ROUTE)];

  it.each([
    ['寫一個計算器', ['dispatch', '-p', '-', ...chat], '寫一個計算器'],
    ['status report for the board', ['dispatch', '-p', '-', ...chat], 'status report for the board'],
    ['-p --help', ['dispatch', '-p', '-', ...chat], '-p --help'],
    ['list', ['list', '-l', '10', ...chat], undefined],
    ['Status', ['list', '-l', '10', ...chat], undefined],
    [`status ${ID}`, ['status', ID, ...chat], undefined],
    [`cancel ${ID}`, ['cancel', ID, ...chat], undefined],
    [`allow ${ID}`, ['allow', ID, ...chat], undefined],
    [`cancel ${ID}-late`, ['cancel', `${ID}-late`, ...chat], undefined],
    [`status ${ID}-again-1`, ['status', `${ID}-again-1`, ...chat], undefined],
    // The command line reports that it is no task id: it must not be paid for as a prompt.
    ['cancel kimi-1707', ['cancel', 'kimi-1707', ...chat], undefined],
    ['cancel last', ['cancel', 'last', ...chat], undefined],
    ['Cancel news', ['cancel', 'news', ...chat], undefined],
    ['allow 12345', ['allow', '12345', ...chat], undefined],
    ['result 晨報', ['result', '晨報', ...chat], undefined],
    ['status news', ['status', 'news', ...chat], undefined],
    // A word of a user cannot be an option.
    ['cancel --help', ['cancel', ...chat, '--', '--help'], undefined],
    ['cancel culture 是什麼？', ['dispatch', '-p', '-', ...chat], 'cancel culture 是什麼？'],
    ['status 是什麼意思？', ['dispatch', '-p', '-', ...chat], 'status 是什麼意思？'],
    ['more about llamas', ['dispatch', '-p', '-', ...chat], 'more about llamas'],
    ['retry', ['retry', 'last', ...chat], undefined],
    ['retry news', ['retry', 'news', ...chat], undefined],
    [`retry ${ID}`, ['retry', ID, ...chat], undefined],
    // Its words cannot widen it to other chats.
    ['search  半導體 --route x', ['search', '-l', '10', ...chat, '--', '半導體', '--route', 'x'], undefined],
    ['Search -- x', ['search', '-l', '10', ...chat, '--', '--', 'x'], undefined],
    ['research x', ['dispatch', '-p', '-', ...chat], 'research x'],
    ['--search 今天的新聞', ['dispatch', '-p', '-', '--search', ...chat], '今天的新聞'],
    // A phone makes a dash of two hyphens.
    ['—搜尋 --批次：x', ['dispatch', '-p', '-', '--search', '--batch', ...chat], 'x'],
    ['--預算 0.5 --batch x', ['dispatch', '-p', '-', '--budget=0.5', '--batch', ...chat], 'x'],
    ['continue --Search why', ['dispatch', '-p', '-', '--continue=last', '--search', ...chat], 'why'],
    ['--verbose is a flag', ['dispatch', '-p', '-', ...chat], '--verbose is a flag'],
    ['x --search', ['dispatch', '-p', '-', ...chat], 'x --search'],
    ['schedule', ['schedule', 'list', ...chat], undefined],
    ['schedule pause my news', ['schedule', 'pause', ...chat, '--', 'my news'], undefined],
    ['schedule remove "my news"', ['schedule', 'remove', ...chat, '--', 'my news'], undefined],
    ['schedule 0 8 * * *：5 則新聞', ['schedule', 'add', '-p', '-', ...chat, '--', '0 8 * * *'], '5 則新聞'],
    ['排程 刪除 晨報', ['schedule', 'remove', ...chat, '--', '晨報'], undefined],
    [
      'schedule 每天 8:00 --search {{date}} 的新聞',
      ['schedule', 'add', '-p', '-', '--search', ...chat, '--', '每天 8:00'],
      '{{date}} 的新聞',
    ],
    ['排程每天 8:00 x', ['schedule', 'add', '-p', '-', ...chat, '--', '每天 8:00'], 'x'],
    ['scheduled maintenance', ['dispatch', '-p', '-', ...chat], 'scheduled maintenance'],
    ['usage', ['usage'], undefined],
  ])('%s', async (args, words, input) => {
    const { runs, text, shown } = await ask(args);
    expect(runs).toEqual([{ args: words, input }]);
    expect(text ?? shown[0]?.payloads[0]?.text).toContain('said');
  });

  it.each([
    ['--serach x', 'did you mean --search?'],
    ['schedule 每天 8:00 --serach x', 'did you mean --search?'],
    ['--budget low x', '--budget needs an amount'],
    ['--map {{text}}', '--map needs an attached'],
    ['schedule a meeting with Bob', 'It does not begin with a time'],
    ['schedule 每天 8:00 --map x', 'cannot have --map'],
    ['schedule 0 0 8 * * * six', 'This looks like a cron of six fields'],
    ['schedule 每天 8:00', 'It does not say what to ask'],
    ['schedule pause', 'Which schedule?'],
    ['help', '--批次'],
    ['search', 'Write /kimi search WORDS'],
    ['cancel', 'Write /kimi cancel with its id, its name or last'],
    ['allow', 'Write /kimi allow with'],
    ['more', 'needs the whole id'],
    ['more last', 'needs the whole id'],
    ['continue', 'There is no question'],
    ['--search', 'There is no question'],
  ])('%s starts nothing, and says what to write', async (args, said) => {
    expect(await ask(args)).toMatchObject({ runs: [], text: expect.stringContaining(said) });
  });

  it.each(['zh-TW', 'en'] as const)('schedule advises no option where a name is taken (%s)', async (lang) => {
    const stderr = cliText(lang).schedule.exists('news');
    const { text } = await ask('schedule 每天 8:00 news', { exit: 2, stdout: '', stderr });
    expect(text).toMatch(/(?:換個問題開頭|Begin the prompt).*\/kimi schedule remove "news"/);
    expect(text).not.toContain('-n');
  });

  it('alone shows the tasks of the chat; where there are none, how to ask', async () => {
    expect((await ask('', { stdout: ID })).text).toBe(ID);
    expect((await ask('', { stdout: '沒有這樣的任務' })).text).toContain('--批次');
  });

  it('result of a map shows its counts, and the rows as a file that Excel reads', async () => {
    const stderr = `每一筆的答案：kimi-dispatch result ${ID} --all`;
    const { runs, shown } = await ask('result', { exit: 6, stdout: '30 筆中完成 27 筆', stderr });
    expect(runs.map(({ args }) => args.slice(0, 3))).toEqual([
      ['result', ...chat],
      ['result', ID, '--csv'],
    ]);
    expect(shown[0]?.payloads[0]?.text).toBe('30 筆中完成 27 筆');
    expect(shown[1]?.payloads[0]).toMatchObject({ mediaUrl: `/kimi-dispatch/${ID}.csv` });
    expect((await shown[1]?.mediaAccess?.readFile(''))?.toString()).toMatch(/^\uFEFF/);
  });

  it.each([`status ${ID}`, 'list', 'usage', 'schedule', '排程 清單'])('%s keeps its columns', async (args) => {
    const stdout = '任務  calculator\n狀態  完成';
    expect((await ask(args, { stdout })).text).toBe(`\`\`\`\n${stdout}\n\`\`\``);
  });

  it('result shows the beginning, and the whole answer as a file', async () => {
    const stdout = `\`\`\`py\n${'x'.repeat(5_000)}\n\`\`\``;
    const { shown, text } = await ask(`result ${ID}`, { stdout });
    expect(text).toBeUndefined();
    expect(shown).toHaveLength(2);
    expect(shown[0]?.payloads[0]?.text).toMatch(/^```py\nx{1000,2000}\n```$/);
    expect((await shown[1]?.mediaAccess?.readFile(''))?.toString()).toBe(stdout);
  });

  it('result of a long answer comes in pages where files cannot be sent, with a button for the next one', async () => {
    const stdout = Array.from({ length: 10_000 }, (_, n) => `line ${n}`).join('\n');
    const page = async (args: string) => {
      const { pushed, text } = await ask(args, { stdout, stderr: `任務編號：${ID}` }, { channel: 'line', to: 'U1' });
      return { pushed, text };
    };
    const first = await page('result');
    expect(first.pushed).toHaveLength(9);
    expect(first.pushed.at(-1)).toMatchObject({
      text: `（後面還有 There is more: /kimi result ${ID} 2）`,
      quickReply: { items: [{ action: { label: '下一段 Next', text: `/kimi result ${ID} 2` } }] },
    });
    const pages = [first, await page(`result ${ID} 2`), await page(`result ${ID} 3`)];
    const texts = pages.flatMap(({ pushed }) => pushed).filter(({ text }) => !text.startsWith('（'));
    expect(texts.map(({ text }) => text).join('\n')).toBe(stdout);
    expect(JSON.stringify(pages.at(-1))).not.toContain('quickReply');
    expect(await page(`result ${ID} 4`)).toEqual({ pushed: [], text: '沒有第 4 段。 There is no part 4.' });
  });

  it.each([
    ['result', `接續 ${BEFORE}\n任務編號：${ID}`],
    [`result ${ID}-late`, `接續 ${BEFORE}`],
    ['result last', `接續 ${BEFORE}\n任務編號：${ID}`],
  ])('%s can be replied to', async (args, stderr) => {
    const { answers } = await ask(args, { stdout: '`x`', stderr });
    for (const id of ['1', '2']) expect(await answers.taskOf(ROUTE, id)).toBe(ID);
  });

  it('shows the error of the command line', async () => {
    expect((await ask('cancel x', { exit: 4, stdout: '', stderr: '沒有 x。' })).text).toBe('沒有 x。');
  });

  it.each([
    [
      'zh-TW',
      ['/kimi list', '/kimi list', `/kimi status ${ID}`, `/kimi status ${ID}`, `（kimi-dispatch status ${ID}）`],
    ],
    ['en', ['/kimi list', '/kimi list', `/kimi status ${ID}`, `/kimi status ${ID}`, `(kimi-dispatch status ${ID})`]],
  ] as const)('advises the commands that a chat has (%s)', async (lang, advice) => {
    const say = cliText(lang);
    const sentences = [
      say.unknownTask(ID),
      say.usage.badTaskId('kimi-x'),
      say.unfinished(ID),
      say.engineSilent(ID),
      say.resultGone(ID, 'x.json'),
    ];
    for (const [index, stderr] of sentences.entries()) {
      const { text } = await ask(`result ${ID}`, { exit: 4, stdout: '', stderr });
      expect(text).toContain(advice[index]);
    }
    const { text } = await ask('寫', { exit: 10, stdout: '', stderr: say.engineGone('127.0.0.1:7233') });
    expect(text).toMatch(/\/kimi list.*kimi-dispatch doctor/);
  });
});

describe('the command line', () => {
  it('is run as configured, with the prompt on its standard input', async () => {
    const run = commandLine({
      pluginConfig: { command: [process.execPath, '-e', 'process.stdin.pipe(process.stdout);process.exitCode=3'] },
    });
    expect(await run([], '提示')).toEqual({ exit: 3, stdout: '提示', stderr: '' });
  });

  it('that cannot be run is reported in one sentence', async () => {
    const run = commandLine({ pluginConfig: { command: ['/nowhere/kimi'] } });
    expect(await run([])).toMatchObject({
      exit: null,
      stderr: expect.stringMatching(/^kimi-dispatch could not be run with .*config\.command/),
    });
  });
});

it('a plugin that was copied out of its package reports that the command line is missing', async () => {
  const run = commandLine({ rootDir: '/nowhere/openclaw/plugin' });
  expect(await run(['list'])).toMatchObject({ exit: null, stderr: expect.stringContaining('it is not there') });
});

describe('the agent’s tools', () => {
  it('take what the command line takes; files for it are removed afterwards', async () => {
    let seen: { args: string[]; system: string; schema: string } | undefined;
    const run = async (args: string[]) => {
      const of = (option: string) => args.find((arg) => arg.startsWith(`--${option}=`))?.split('=')[1] ?? '';
      seen = { args, system: await readFile(of('system'), 'utf8'), schema: await readFile(of('json-schema'), 'utf8') };
      return { exit: 0, stdout: '{}', stderr: '' };
    };
    const tools = toolsFor(run, {}, MEDIA);
    const more = {
      model: '--help',
      thinking: 'high',
      timeout: '5m',
      name: 'x',
      continue: ID,
      tools: ['search', 'fetch'],
    };
    await tools.kimi_dispatch.execute('1', { prompt: 'x', ...more, system: 'Be brief.', schema: { type: 'object' } });
    expect(seen?.args).toEqual(
      expect.arrayContaining([
        '--name=x',
        '--model=--help',
        '--thinking=high',
        '--timeout=5m',
        '--tools=search,fetch',
        `--continue=${ID}`,
      ]) as string[],
    );
    expect(seen).toMatchObject({ system: 'Be brief.', schema: '{"type":"object"}' });
    const files = seen?.args
      .filter((arg) => /^--(?:system|json-schema)=/.test(arg))
      .map((arg) => arg.split('=')[1] ?? '');
    expect(files?.map((file) => existsSync(file))).toEqual([false, false]);
  });

  it('ask for rows, given or in a file, and as a batch', async () => {
    const seen: { args: string[]; rows: string }[] = [];
    const run = async (args: string[]) => {
      const path = args.find((arg) => arg.startsWith('--map='))?.slice('--map='.length) ?? '';
      seen.push({ args, rows: await readFile(path, 'utf8') });
      return { exit: 0, stdout: '{}', stderr: '' };
    };
    const workspaceDir = await temporaryFolder();
    await writeFile(join(workspaceDir, 'rows.csv'), 'text\na');
    const tools = toolsFor(run, { workspaceDir }, MEDIA);
    await tools.kimi_map.execute('1', { prompt: '{{text}}', rows: ['a\nb', { text: 1 }], batch: true, budget: '2' });
    expect(seen[0]).toMatchObject({ rows: '{"text":"a\\nb"}\n{"text":1}' });
    expect(seen[0]?.args).toEqual(expect.arrayContaining(['--budget=2', '--batch']) as string[]);
    expect(existsSync(seen[0]?.args.find((arg) => arg.startsWith('--map='))?.slice('--map='.length) ?? '')).toBe(false);
    await tools.kimi_map.execute('2', { prompt: '{{text}}', file: 'rows.csv' });
    expect(seen[1]).toMatchObject({ rows: 'text\na' });
    const { content } = await tools.kimi_map.execute('3', { prompt: '{{text}}', file: '/etc/passwd' });
    expect(content).toMatchObject([{ text: expect.stringContaining('/etc/passwd cannot be attached') }]);
    expect(seen).toHaveLength(2);
  });

  it('need the release that the gateway’s own check asks for', () => {
    expect(plugin.openclaw.install.minHostVersion).toBe(plugin.peerDependencies.openclaw);
  });

  it('search and retry in the agent’s chat', async () => {
    const runs: string[][] = [];
    const run = async (args: string[]) => {
      runs.push(args);
      return { exit: 0, stdout: '[]', stderr: '' };
    };
    const tools = toolsFor(run, { deliveryContext: { channel: 'telegram', to: 'telegram:4242' } }, MEDIA);
    await tools.kimi_search.execute('1', { words: ' chips  --json', since: '30d' });
    await tools.kimi_retry.execute('2', { task_id: ID, model: 'kimi-k3' });
    const chat = ['--route', JSON.stringify(ROUTE)];
    expect(runs).toEqual([
      ['search', '-l', '10', '--json', '--since=30d', ...chat, '--', 'chips', '--json'],
      ['retry', ID, '--json', '--model=kimi-k3', ...chat],
    ]);
  });

  it('add and change schedules of the agent’s chat', async () => {
    const runs: [string[], string | undefined][] = [];
    const run = async (args: string[], input?: string) => {
      runs.push([args, input]);
      return { exit: 0, stdout: '{}', stderr: '' };
    };
    const tools = toolsFor(run, { deliveryContext: { channel: 'telegram', to: 'telegram:4242' } }, MEDIA);
    const wanted = { when: '--help', prompt: '{{date}} 的晨報', name: 'morning', timezone: 'Asia/Taipei' };
    await tools.kimi_schedule.execute('1', { action: 'add', ...wanted });
    await tools.kimi_schedule.execute('2', { action: 'list' });
    await tools.kimi_schedule.execute('3', { action: 'pause', name: '--all' });
    const chat = ['--route', JSON.stringify(ROUTE)];
    const options = ['--name=morning', '--timezone=Asia/Taipei', ...chat];
    expect(runs).toEqual([
      [['schedule', 'add', '-p', '-', '--json', ...options, '--', '--help'], '{{date}} 的晨報'],
      [['schedule', 'list', '--json', ...chat], undefined],
      [['schedule', 'pause', ...chat, '--', '--all'], undefined],
    ]);
  });

  it('are those of the manifest', () => {
    expect(manifest.contracts.tools).toEqual([...TOOL_NAMES]);
  });

  it('access the tasks of the agent’s chat, and report failures', async () => {
    const runs: string[][] = [];
    const run = async (args: string[]) => {
      runs.push(args);
      return { exit: 4, stdout: '', stderr: '沒有任務' };
    };
    const tools = toolsFor(run, { deliveryContext: { channel: 'telegram', to: 'telegram:4242' } }, MEDIA);
    const said = await tools.kimi_status.execute('1', { task_id: ID });
    expect(said).toEqual({ content: [{ type: 'text', text: '沒有任務' }], details: { exit: 4 } });
    await tools.kimi_dispatch.execute('2', { prompt: 'x', name: '--help' });
    expect(runs).toEqual([
      ['status', ID, '--json', '--route', JSON.stringify(ROUTE)],
      ['dispatch', '-p', '-', '--json', '--name=--help', '--route', JSON.stringify(ROUTE)],
    ]);
  });

  it('access no task outside of any chat, but can start one', async () => {
    const runs: string[][] = [];
    const run = async (args: string[]) => {
      runs.push(args);
      return { exit: 0, stdout: 'said', stderr: '' };
    };
    const tools = toolsFor(run, {}, MEDIA);
    for (const name of ['kimi_status', 'kimi_result', 'kimi_cancel', 'kimi_ack'] as const) {
      const { content } = await tools[name].execute('1', { task_id: ID, news: ID });
      expect(content).toEqual([{ type: 'text', text: UNKNOWN_CHAT }]);
    }
    expect(runs).toEqual([]);
    await tools.kimi_dispatch.execute('2', { prompt: 'x' });
    expect(runs).toEqual([['dispatch', '-p', '-', '--json']]);
  });

  it.each([
    ['kimi_status', 'task_id'],
    ['kimi_result', 'task_id'],
    ['kimi_cancel', 'task_id'],
    ['kimi_ack', 'news'],
  ] as const)('%s accepts the id of a notification, a repeated one too', (name, parameter) => {
    const tools = toolsFor(async () => ({ exit: 0, stdout: '', stderr: '' }), {}, MEDIA);
    const { properties } = tools[name].parameters as { properties: Record<string, { pattern: string }> };
    const pattern = new RegExp(properties[parameter]?.pattern ?? '');
    const words = [ID, `${ID}-late`, `${ID}-again-1`, `${ID}-late-again-2`, `${ID}-later`, `${ID}/../x`];
    expect(words.map((word) => pattern.test(word))).toEqual([true, true, true, true, false, false]);
  });
});

describe('doctor', () => {
  const owned = { hooks: { token: TOKEN }, commands: { ownerAllowFrom: ['telegram:4242'] } };

  it('finds the plugin, shows no message, and sends the owner a test on request', async () => {
    const { url, sent } = await openPlugin({ config: owned });
    const env = await cleanHome({
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      KIMI_LANG: 'en',
      KIMI_REPLY: 'deliver',
      OPENCLAW_WAKE_URL: `${url}/hooks/wake`,
      OPENCLAW_WAKE_TOKEN: TOKEN,
    });
    expect((await inProcess(['doctor'], env)).stdout).toContain('✓ the gateway’s plugin answers and accepts our token');
    expect(sent).toEqual([]);
    const wrong = await inProcess(['doctor', '--send-test'], { ...env, OPENCLAW_WAKE_TOKEN: 'wrong' });
    expect(wrong.stdout).toContain('✗ the gateway’s plugin does not accept our token');
    expect(sent).toEqual([]);
    expect((await inProcess(['doctor', '--send-test'], env)).stdout).toContain('✓ a test message was sent');
    expect(sent).toMatchObject([{ to: '4242', payloads: [{ text: 'Kimi Dispatch: the test message has arrived.' }] }]);
  });

  it('says what to do without a plugin, or without an owner', async () => {
    const { url } = await openPlugin();
    const env = await cleanHome({
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      KIMI_LANG: 'en',
      KIMI_REPLY: 'deliver',
      OPENCLAW_WAKE_URL: url,
      OPENCLAW_WAKE_TOKEN: TOKEN,
    });
    expect((await inProcess(['doctor', '--send-test'], env)).stdout).toMatch(
      /✗ the test message did not reach .*ownerAllowFrom/,
    );
    const { url: elsewhere } = await serveAnswer(404);
    expect((await inProcess(['doctor'], { ...env, OPENCLAW_WAKE_URL: elsewhere })).stdout).toMatch(
      /✗ the gateway’s plugin does not answer: .*setup openclaw/,
    );
    expect((await inProcess(['doctor', '--send-test'], { ...env, KIMI_REPLY: '' })).stdout).toContain(
      '✗ no test message was sent, since it needs the plugin',
    );
  });
});
