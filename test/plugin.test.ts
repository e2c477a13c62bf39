/** The gateway's plugin (openclaw/plugin) without its gateway; `npm run e2e:openclaw` runs it in the real one. */
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { answerCommand } from '../openclaw/plugin/src/chat-command.ts';
import { commandLine, type Ran } from '../openclaw/plugin/src/command-line.ts';
import { Notes } from '../openclaw/plugin/src/notes.ts';
import { routeOfAgent, routeOfCommand, routeOfMessage } from '../openclaw/plugin/src/routes.ts';
import { asData } from '../openclaw/plugin/src/safe-text.ts';
import { Teller } from '../openclaw/plugin/src/teller.ts';
import { toolsFor, TOOL_NAMES } from '../openclaw/plugin/src/tools.ts';
import { wakeRoute } from '../openclaw/plugin/src/wake-route.ts';
import manifest from '../openclaw/plugin/openclaw.plugin.json' with { type: 'json' };
import { Gateway, GatewayError } from '../src/gateway.ts';
import type { PluginWake } from '../src/plugin-wake.ts';
import { PLUGIN_WAKE_PATH } from '../src/plugin-wake.ts';
import { failureOf, serveAnswer } from './support/answering.ts';
import { cleanHome, cli } from './support/cli.ts';
import { serve, temporaryFolder, until } from './support/world.ts';

const ID = 'kimi-1707654321-12345';
const TOKEN = 'hook-very-secret';
const ROUTE = { channel: 'telegram', to: '4242' };
const WAKE: PluginWake = {
  text: `Kimi 任務完成：calculator（${ID}）`,
  mode: 'now',
  task: { task_id: ID, task_name: 'calculator', status: 'done' },
  reply: 'deliver',
  route: ROUTE,
  message: '✅ the reply: 答案',
  maybe_repeated: '(again?)',
};

type Batch = Parameters<ConstructorParameters<typeof Teller>[2]>[0];
type Outcome = Awaited<ReturnType<ConstructorParameters<typeof Teller>[2]>>;

/** The plugin's wake route on real HTTP, in front of a channel that keeps what it is given. */
async function openPlugin({
  stateDir,
  config = { hooks: { token: TOKEN } },
  channel = async () => ({ status: 'sent' }),
}: {
  stateDir?: string;
  config?: { hooks?: { token?: unknown }; commands?: { ownerAllowFrom?: string[] } };
  channel?: (batch: Batch) => Promise<Outcome>;
} = {}) {
  const sent: Batch[] = [];
  const events: { text: string; options: unknown }[] = [];
  const heartbeats: unknown[] = [];
  const runtime = {
    config: { current: () => config },
    state: { resolveStateDir: () => '' },
    system: {
      enqueueSystemEvent: (text: string, options: unknown) => events.push({ text, options }) > 0,
      requestHeartbeat: (request: unknown) => void heartbeats.push(request),
    },
  };
  const notes = new Notes(stateDir ?? (await temporaryFolder()));
  const teller = new Teller({ runtime }, notes, async (batch) => {
    sent.push(batch);
    return await channel(batch);
  });
  const handler = wakeRoute({ runtime, logger: { info: () => {}, warn: () => {} } }, teller);
  const url = await serve((request, response) => void handler(request, response));
  const wake = async (changes: Partial<PluginWake> = {}, key = ID, token = TOKEN) =>
    await new Gateway({ wakeUrl: `${url}${PLUGIN_WAKE_PATH}`, token }).wake({ ...WAKE, ...changes }, key);
  return { sent, events, heartbeats, notes, url, wake };
}

describe('a wake', () => {
  it('is shown in the chat that asked, past the gateway’s own outbox', async () => {
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

  it('whose message holds the whole answer needs no file; any other has it, to the letter', async () => {
    const { wake, sent } = await openPlugin();
    await wake({ file: { name: 'a.md', content: '答案\n' } });
    expect(sent).toHaveLength(1);
    const content = `${'x'.repeat(1_000)} @all\n`;
    await wake({ file: { name: 'a.md', content } }, `${ID}-late`);
    expect(sent).toHaveLength(3);
    expect(sent[2]).toMatchObject({ forceDocument: true, payloads: [{ text: '', mediaUrl: '/kimi-dispatch/a.md' }] });
    expect((await sent[2]?.mediaAccess?.readFile('/etc/passwd'))?.toString()).toBe(content);
  });

  it('is shown once, whoever asks how often, also by a gateway that came after', async () => {
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

  it('that a gateway was sending when it ended is sent again and says so; what was shown before is not', async () => {
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
  ] as const)('that the channel answers with %s is told so', async (status, retryable) => {
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
  ])('that the channel failed at with %j is sent again as %j', async (details, text) => {
    const answers: Outcome[] = [{ status: 'failed', error: Object.assign(new Error('x'), details) }];
    const { wake, sent } = await openPlugin({ channel: async () => answers.shift() ?? { status: 'sent' } });
    await failureOf(wake(), GatewayError);
    await wake();
    expect(sent[1]?.payloads[0]?.text).toBe(text);
  });

  it('that throws is worth trying again', async () => {
    const { wake } = await openPlugin({
      channel: async () => {
        throw new Error('broken');
      },
    });
    expect(await failureOf(wake(), GatewayError)).toMatchObject({ type: 'failed', retryable: true });
  });

  it('of a task that no chat asked for goes to the owner, or is refused', async () => {
    const { route: _route, ...wake } = WAKE;
    const owned = await openPlugin({
      config: { hooks: { token: TOKEN }, commands: { ownerAllowFrom: ['*', 'discord:user:77'] } },
    });
    await new Gateway({ wakeUrl: owned.url, token: TOKEN }).wake(wake, ID);
    expect(owned.sent).toMatchObject([{ channel: 'discord', to: '77' }]);
    const orphan = await openPlugin();
    const error = await failureOf(new Gateway({ wakeUrl: orphan.url, token: TOKEN }).wake(wake, ID), GatewayError);
    expect(error).toMatchObject({
      type: 'no_chat',
      retryable: false,
      message: expect.stringContaining('commands.ownerAllowFrom'),
    });
  });

  it('wakes the agent of that chat where the user prefers it', async () => {
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
    ['a wrong token', { hooks: { token: 'another' } }],
    ['a gateway without one', {}],
    ['a token that is no text', { hooks: { token: { source: 'env' } } }],
  ])('with %s is refused', async (_what, config) => {
    const { wake, sent } = await openPlugin({ config });
    expect(await failureOf(wake(), GatewayError)).toMatchObject({ type: 'unauthorized', retryable: false });
    expect(sent).toEqual([]);
  });

  it.each([
    ['a key that is none', {}, '../../etc/passwd'],
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

it('notes that nobody will ask for any more are removed', async () => {
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

describe('what an answer says', () => {
  it.each([
    'MEDIA:/etc/passwd',
    '  media : ~/.openclaw/openclaw.json',
    '`MEDIA:` x',
    '[[reply_to:1]]',
    '[[ audio_as_voice ]]',
    'hi @all, @everyone and @ĂŃŸ',
    '<!channel> <@U123> <@&5>',
  ])('%j is an order to nobody, and reads the same', (text) => {
    const shown = asData(text);
    expect(shown).not.toMatch(/media\s*:|\[\[|@[\p{L}\p{N}&!]|<!/iu);
    expect(shown.replaceAll('\u200B', '')).toBe(text);
  });

  it.each(['a @ b', '[x](y)', 'multimedia', '答案：`a[0]`'])('%j is left as it is', (text) => {
    expect(asData(text)).toBe(text);
  });
});

describe('a route', () => {
  const telegram = { channel: 'telegram', accountId: 'default' };

  it('is the same however the gateway names the chat', () => {
    const route = { channel: 'telegram', to: '4242', account_id: 'default', session_key: 'agent:main:main' };
    const sessionKey = 'agent:main:main';
    expect(
      routeOfMessage(
        { content: '', channel: 'telegram', sessionKey },
        { accountId: 'default', conversationId: '4242' },
      ),
    ).toEqual(route);
    expect(routeOfCommand({ ...telegram, to: 'telegram:4242', sessionKey })).toEqual(route);
    expect(routeOfAgent({ deliveryContext: { ...telegram, to: 'telegram:4242' }, sessionKey })).toEqual(route);
  });

  it('of a message names it, where the gateway says which and when', () => {
    const context = { conversationId: '4242' };
    const said = { content: '', channel: 'telegram', messageId: '7', timestamp: 1_707_654_321_000 };
    const route = { channel: 'telegram', to: '4242' };
    expect(routeOfMessage(said, context)).toEqual({ ...route, message: { id: '7', at: 1_707_654_321_000 } });
    const { timestamp: _, ...untimed } = said;
    expect(routeOfMessage(untimed, context)).toEqual(route);
  });

  it('of another channel keeps what only that channel understands', () => {
    expect(routeOfCommand({ channel: 'discord', to: 'channel:77' })).toEqual({ channel: 'discord', to: 'channel:77' });
  });

  it('names a group and its topic', () => {
    const topic = { channel: 'telegram', to: '-1001', account_id: 'default', thread_id: '7' };
    expect(routeOfCommand({ ...telegram, to: 'telegram:group:-1001', messageThreadId: 7 })).toEqual(topic);
    expect(
      routeOfMessage({ content: '', channel: 'telegram' }, { accountId: 'default', conversationId: '-1001:topic:7' }),
    ).toEqual(topic);
  });

  it.each(['webchat', undefined])('of %s is none: nothing can be sent there', (channel) => {
    expect(routeOfMessage({ content: '', ...(channel && { channel }) }, { conversationId: 'x' })).toBeUndefined();
  });
});

describe('/kimi', () => {
  async function ask(args: string, ran: Partial<Ran> = {}) {
    const runs: { args: string[]; input: string | undefined }[] = [];
    const { notes } = await openPlugin();
    const shown: Batch[] = [];
    const teller = new Teller({ runtime: { config: { current: () => ({}) } } } as never, notes, async (batch) => {
      shown.push(batch);
      return { status: 'sent' };
    });
    const run = async (words: string[], input?: string) => {
      runs.push({ args: words, input });
      return { exit: 0, stdout: 'said', stderr: '', ...ran };
    };
    return { ...(await answerCommand(run, teller, args, ROUTE)), runs, shown };
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
    [`cancel ${ID}-late`, ['cancel', `${ID}-late`, ...chat], undefined],
    [`status ${ID}-again-1`, ['status', `${ID}-again-1`, ...chat], undefined],
    // The command line says that it is no task id: it must not be paid for as a prompt.
    ['cancel kimi-1707', ['cancel', 'kimi-1707', ...chat], undefined],
    ['usage', ['usage'], undefined],
  ])('%s', async (args, words, input) => {
    const { runs, text } = await ask(args);
    expect(runs).toEqual([{ args: words, input }]);
    expect(text).toContain('said');
  });

  it('result shows the beginning, and the whole as a file', async () => {
    const stdout = `\`\`\`py\n${'x'.repeat(5_000)}\n\`\`\``;
    const { shown, suppressReply } = await ask(`result ${ID}`, { stdout });
    expect(suppressReply).toBe(true);
    expect(shown).toHaveLength(2);
    expect(shown[0]?.payloads[0]?.text).toMatch(/^```py\nx{1000,2000}\n```$/);
    expect((await shown[1]?.mediaAccess?.readFile(''))?.toString()).toBe(stdout);
  });

  it('says why it did not work, in the words of the command line', async () => {
    expect(await ask('cancel', { exit: 2, stdout: '', stderr: '缺少 TASK。' })).toMatchObject({ text: '缺少 TASK。' });
  });
});

describe('the command line', () => {
  it('is run as the configuration has it, with the prompt on its standard input', async () => {
    const run = commandLine({
      pluginConfig: { command: [process.execPath, '-e', 'process.stdin.pipe(process.stdout);process.exitCode=3'] },
    });
    expect(await run([], '提示')).toEqual({ exit: 3, stdout: '提示', stderr: '' });
  });

  it('that cannot be run is told in a sentence', async () => {
    const run = commandLine({ pluginConfig: { command: ['/nowhere/kimi'] } });
    expect(await run([])).toMatchObject({
      exit: null,
      stderr: expect.stringMatching(/^kimi-dispatch could not be run with .*config\.command/),
    });
  });
});

it('a plugin that was copied out of its package says that it has no command line', async () => {
  const run = commandLine({ rootDir: '/nowhere/openclaw/plugin' });
  expect(await run(['list'])).toMatchObject({ exit: null, stderr: expect.stringContaining('it is not there') });
});

describe('the agent’s tools', () => {
  it('are those the manifest names', () => {
    expect(manifest.contracts.tools).toEqual([...TOOL_NAMES]);
  });

  it('reach the tasks of the chat that the agent is in, and say why they could not', async () => {
    const runs: string[][] = [];
    const run = async (args: string[]) => {
      runs.push(args);
      return { exit: 4, stdout: '', stderr: '沒有任務' };
    };
    const tools = toolsFor(run, { deliveryContext: { channel: 'telegram', to: 'telegram:4242' } });
    const said = await tools.kimi_status.execute('1', { task_id: ID });
    expect(said).toEqual({ content: [{ type: 'text', text: '沒有任務' }], details: { exit: 4 } });
    await tools.kimi_dispatch.execute('2', { prompt: 'x', name: '--help' });
    expect(runs).toEqual([
      ['status', ID, '--json', '--route', JSON.stringify(ROUTE)],
      ['dispatch', '-p', '-', '--json', '--name=--help', '--route', JSON.stringify(ROUTE)],
    ]);
  });

  it.each([
    ['kimi_status', 'task_id'],
    ['kimi_result', 'task_id'],
    ['kimi_cancel', 'task_id'],
    ['kimi_ack', 'news'],
  ] as const)('%s takes the name of a notification, a repeated one too', (name, parameter) => {
    const tools = toolsFor(async () => ({ exit: 0, stdout: '', stderr: '' }), {});
    const { properties } = tools[name].parameters as { properties: Record<string, { pattern: string }> };
    const pattern = new RegExp(properties[parameter]?.pattern ?? '');
    const words = [ID, `${ID}-late`, `${ID}-again-1`, `${ID}-late-again-2`, `${ID}-later`, `${ID}/../x`];
    expect(words.map((word) => pattern.test(word))).toEqual([true, true, true, true, false, false]);
  });
});

describe('doctor', () => {
  const owned = { hooks: { token: TOKEN }, commands: { ownerAllowFrom: ['telegram:4242'] } };

  it('finds the plugin, shows nobody anything, and sends the owner a test where it is asked to', async () => {
    const { url, sent } = await openPlugin({ config: owned });
    const env = await cleanHome({
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      KIMI_LANG: 'en',
      KIMI_REPLY: 'deliver',
      OPENCLAW_WAKE_URL: `${url}/hooks/wake`,
      OPENCLAW_WAKE_TOKEN: TOKEN,
    });
    expect((await cli(['doctor'], env)).stdout).toContain('✓ the gateway’s plugin is there, and takes our token');
    expect(sent).toEqual([]);
    const wrong = await cli(['doctor', '--send-test'], { ...env, OPENCLAW_WAKE_TOKEN: 'wrong' });
    expect(wrong.stdout).toContain('✗ the gateway’s plugin does not take our token');
    expect(sent).toEqual([]);
    expect((await cli(['doctor', '--send-test'], env)).stdout).toContain('✓ a test message was sent');
    expect(sent).toMatchObject([{ to: '4242', payloads: [{ text: 'Kimi Dispatch: this test reached you.' }] }]);
  });

  it('says what to do where there is no plugin, or no owner', async () => {
    const { url } = await openPlugin();
    const env = await cleanHome({
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      KIMI_LANG: 'en',
      KIMI_REPLY: 'deliver',
      OPENCLAW_WAKE_URL: url,
      OPENCLAW_WAKE_TOKEN: TOKEN,
    });
    expect((await cli(['doctor', '--send-test'], env)).stdout).toMatch(
      /✗ the test message did not reach .*ownerAllowFrom/,
    );
    const { url: elsewhere } = await serveAnswer(404);
    expect((await cli(['doctor'], { ...env, OPENCLAW_WAKE_URL: elsewhere })).stdout).toMatch(
      /✗ the gateway’s plugin does not answer: .*setup openclaw/,
    );
    expect((await cli(['doctor', '--send-test'], { ...env, KIMI_REPLY: '' })).stdout).toContain(
      '✗ there is no plugin to send a test through',
    );
  });
});
