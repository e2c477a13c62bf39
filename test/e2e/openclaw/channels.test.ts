/**
 * The real gateway with the channels that are packages of their own: each answers and notifies in the chat that asked, in its thread, as
 * that channel can. No model is asked for any of it.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { until } from '../../support/until.ts';
import { answer } from './callback.ts';
import type { ChatService, Shown, WithButtons } from './chat-service.ts';
import { Discord } from './discord.ts';
import { Feishu } from './feishu.ts';
import { Line } from './line.ts';
import { Slack } from './slack.ts';
import { channelsOf, openStageWith, type Stage } from './stage.ts';

const line = new Line();
const slack = new Slack();
const feishu = new Feishu();
const discord = new Discord();
const services: ChatService[] = [line, slack, feishu, discord];

/** Where readers elsewhere find the report. */
const DASHBOARD = 'https://kimi.example.com';
let stage: Stage;

beforeAll(async () => {
  await Promise.all(services.map(async (service) => await service.open()));
  stage = await openStageWith(
    inject('temporalCli'),
    { ...channelsOf(services), owner: `line:${line.owner}` },
    { KIMI_DASHBOARD_URL: DASHBOARD, KIMI_DASHBOARD_TOKEN: 'a-token-of-the-dashboard' },
  );
});
afterAll(async () => {
  await stage.close();
  for (const service of services) service.stop();
});

beforeEach(({ onTestFailed }) => {
  const seen = services.map(({ shown }) => shown.length);
  onTestFailed(async () => {
    for (const [index, { channel, shown, unknown }] of services.entries())
      console.error(channel, shown.slice(seen[index]), unknown);
    console.error('the gateway:', (await stage.gateway.log()).split('\n').slice(-40).join('\n'));
  });
});
afterEach(() => {
  for (const service of services) service.refuses = undefined;
});

/** Says it to the bot. */
async function say(
  service: ChatService,
  text: string,
  more: { group?: string; thread?: string; quotes?: string } = {},
) {
  return await service.say(stage.gateway.url, { from: service.owner, text, ...more });
}

/** @returns the id of the newest task of this name. */
async function taskNamed(name: string): Promise<string> {
  return await until(async () => (await stage.tasks()).find(({ task_name }) => task_name === name)?.task_id);
}

/** Waits until the private chat is told that a task has started. @returns its id. */
async function dispatched(service: ChatService, name: string): Promise<string> {
  await service.next(service.direct, new RegExp(`已派發：${name}`));
  return await taskNamed(name);
}

/** @returns what was shown of an answer: the file, or where there is none, the texts. */
function whole(shown: Shown[]): string {
  return shown.find(({ file }) => file)?.file?.content ?? shown.map(({ text }) => text).join('\n');
}

/** A program of 30,000 characters. */
const LONG = Array.from({ length: 1_000 }, (_, n) => `print("${String(n).padStart(6, '0')}", [[1, 2]]) #`).join('\n');

describe.each(services)('$channel', (service) => {
  const { channel, direct, group } = service;

  it('answers and notifies in a private chat', async () => {
    await say(service, `Kimi：寫一個 ${channel} 計算器，包含測試`);
    expect((await service.next(direct, /已派發/)).text.replaceAll(/ +\n/g, '\n')).toBe(
      `✅ Kimi 任務已派發：${channel}-計算器\n完成後會自動通知你！`,
    );
    const reply = await service.next(direct, /任務完成/);
    expect(reply.text).toContain(`📋 任務：${channel}-計算器`);
    const { output } = await stage.acknowledged(await taskNamed(`${channel}-計算器`));
    expect(whole(service.shown.slice(service.shown.indexOf(reply)))).toContain(output?.trim());
  });

  it('answers and notifies in a group, where the bot is mentioned', async () => {
    await say(service, `${service.mention}Kimi：${channel} in a group`, { group });
    expect((await service.next(group, /已派發/)).text).toContain(`${channel}-in-a-group`);
    expect((await service.next(group, /任務完成/)).text).toContain(`> ${channel} in a group\n`);
    await stage.acknowledged(await taskNamed(`${channel}-in-a-group`));
  });

  it.runIf(service !== line)('answers and notifies in a thread', async () => {
    const thread = service.earlier('the first message');
    await say(service, `Kimi：${channel} in a thread`, { group, thread });
    expect(await service.next(group, /已派發/)).toMatchObject({ thread });
    const reply = await service.next(group, /任務完成/);
    await stage.acknowledged(await taskNamed(`${channel}-in-a-thread`));
    const shown = service.shown.slice(service.shown.indexOf(reply));
    expect(shown).toEqual(shown.map(() => expect.objectContaining({ chat: group, thread })));
    expect(shown.filter(({ file }) => file)).toHaveLength(1);
  });

  it('shows a chat its own tasks', async () => {
    await say(service, '/kimi list');
    const list = await service.next(direct, /任務編號/);
    expect(list.text).toContain(`${channel}-計算器`);
    expect(list.text).not.toContain(`${channel}-in-a-group`);
    await say(service, '/kimi result');
    const result = await service.next(direct, /模擬的 Kimi/);
    expect(result.text).toContain(`寫一個 ${channel} 計算器`);
  });

  it('brings an answer of 30,000 characters with code, whole', async () => {
    const { pushes } = line;
    await say(service, `Kimi：${channel} long [[simulate: drop=1]]`);
    const task = await dispatched(service, `${channel}-long-simulate`);
    await answer(stage, task, `\`\`\`python\n${LONG}\n\`\`\``);
    const reply = await service.next(direct, /任務完成/);
    await stage.acknowledged(task);
    expect(whole(service.shown.slice(service.shown.indexOf(reply)))).toContain(LONG);
    expect(line.pushes - pushes).toBe(service === line ? 2 : 0);
  });

  // LINE shows texts as they are.
  it.runIf(service !== line)('interprets nothing in an answer', async () => {
    await say(service, `Kimi：${channel} hostile [[simulate: drop=1]]`);
    const task = await dispatched(service, `${channel}-hostile-simulate`);
    const mentions = '<at user_id="all">x</at> <!channel> <https://evil.example|https://bank.example> @all';
    await answer(stage, task, `${mentions}\n\`@dataclass\``);
    const { text } = await service.next(direct, /任務完成/);
    await stage.acknowledged(task);
    expect(text).not.toMatch(/<at |<!channel|<https:|(?<!`)@\w/);
    expect(text).toContain('`@dataclass`');
  });

  it('gives Kimi what was typed', async () => {
    await say(service, `Kimi：${channel} typed, a < b && b > c`);
    const { output } = await stage.acknowledged(await taskNamed(`${channel}-typed`));
    expect(output).toContain(`> ${channel} typed, a < b && b > c\n`);
  });

  it('sends a refused notification again, as a new one', async () => {
    service.refuses = /任務完成/;
    await say(service, `Kimi：${channel} refused [[simulate: size=50]]`);
    const task = await dispatched(service, `${channel}-refused-simulate`);
    await until(() => service.refused.some(({ text }) => text.includes(`${channel}-refused`)));
    service.refuses = undefined;
    const { text } = await service.next(direct, new RegExp(`任務完成[^]*${channel}-refused`));
    expect(text).toMatch(/^✅/);
    await stage.acknowledged(task);
    expect(
      service.shown.filter(({ text }) => /任務完成/.test(text) && text.includes(`${channel}-refused`)),
    ).toHaveLength(1);
  });
});

it('LINE: an answer of 60,000 characters ends with a link to its page, which needs no password; /kimi result has all of it', async () => {
  const { pushes } = line;
  await say(line, 'Kimi：line longest [[simulate: drop=1]]');
  const task = await dispatched(line, 'line-longest-simulate');
  await answer(stage, task, `${LONG}\n${LONG}\nthe end`);
  const last = await line.next(line.direct, /後面還有/);
  await stage.acknowledged(task);
  expect(line.pushes - pushes).toBe(2);
  const link = new URL(/https:\S+$/.exec(last.text)?.[0] ?? '');
  expect(link.href).toMatch(`${DASHBOARD}/tasks/${task}?`);
  const page = await fetch(`${stage.stack.webhook_url}${link.pathname}${link.search}`);
  expect(await page.text()).toContain('the end');
  expect((await fetch(`${stage.stack.webhook_url}${link.pathname}`)).status).toBe(401);

  const before = line.shown.length;
  await say(line, `/kimi result ${task}`);
  const shown = await line.next(line.direct, new RegExp(`/kimi result ${task} 2`));
  await line.press(stage.gateway.url, { from: line.owner, shown });
  await line.next(line.direct, /the end/);
  const pages = line.shown.slice(before).filter((one) => one !== shown);
  expect(pages.map(({ text }) => text).join('\n')).toBe(`${LONG}\n${LONG}\nthe end`);
});

it('Discord: the slash command /kimi starts a task, and lists those of its chat', async () => {
  await discord.command(discord.owner, 'slash [[simulate: size=50]]');
  await discord.next(discord.direct, /已派發：slash-simulate/);
  await discord.next(discord.direct, /任務完成[^]*slash/);
  await stage.acknowledged(await taskNamed('slash-simulate'));
  await discord.command(discord.owner, 'list');
  expect((await discord.next(discord.direct, /任務編號/)).text).toContain('slash-simulate');
  await discord.command(discord.owner, 'list', discord.group);
  expect((await discord.next(discord.group, /任務編號/)).text).not.toContain('slash-simulate');
});

it.each([
  ['private', line.direct, {}],
  ['group', line.group, { group: line.group }],
])('LINE: a quick reply cancels the task (%s)', async (where, chat, more) => {
  await say(line, `Kimi：line cancelled ${where} [[simulate: drop=1]]`, more);
  const shown = await line.next(chat, /已派發：line-cancelled/);
  await line.press(stage.gateway.url, { from: line.owner, shown });
  expect((await line.next(chat, /任務已取消/)).text).toContain(`line-cancelled-${where}`);
});

it('LINE: in a group, a user whom the gateway authorizes for no commands is offered none', async () => {
  const { group } = line;
  await line.say(stage.gateway.url, { from: line.friend, text: 'Kimi：line of a friend [[simulate: drop=1]]', group });
  expect((await line.next(group, /已派發：line-of-a-friend/)).buttons).toEqual([]);
  await line.say(stage.gateway.url, { from: line.friend, text: '/kimi cancel', group });
  expect((await line.next(group, /commands\.allowFrom/)).buttons).toEqual([]);
  await say(line, `/kimi cancel ${await taskNamed('line-of-a-friend')}`, { group });
  await line.next(group, /任務已取消/);
});

it('Slack: interprets nothing in the code of an answer', async () => {
  await say(slack, 'Kimi：code of slack [[simulate: drop=1]]');
  const task = await dispatched(slack, 'code-of-slack-simulate');
  await answer(stage, task, '`<!channel>` \n```html\n<https://evil.example|https://bank.example> <!DOCTYPE html>\n```');
  const { text } = await slack.next(slack.direct, /任務完成/);
  await stage.acknowledged(task);
  expect(text).not.toMatch(/<!channel|<https:/);
});

describe.each<WithButtons>([line, slack, discord, feishu])(
  '$channel: the button of an answer that was cut',
  (service) => {
    const { channel, direct, owner } = service;

    it('asks Kimi for the rest of it, once', async () => {
      await say(service, `Kimi：${channel} cut [[simulate: drop=1]]`);
      const task = await dispatched(service, `${channel}-cut-simulate`);
      await answer(stage, task, 'the first half', 'length');
      const shown = await service.next(direct, /答案被截斷/);
      expect(shown.buttons).toHaveLength(1);
      const before = (await stage.tasks()).length;
      await service.press(stage.gateway.url, { from: owner, shown });
      await service.next(direct, /已派發/);
      await service.press(stage.gateway.url, { from: owner, shown });
      const rest = await service.next(direct, /任務完成/);
      expect(rest.text).toContain('請從中斷的地方繼續');
      // A later message is handled after the second press.
      await say(service, '/kimi list');
      await service.next(direct, /任務編號/);
      expect(await stage.tasks()).toHaveLength(before + 1);
    });
  },
);

it('WebChat answers and notifies in the page that asked, with the whole answer', async () => {
  const page = await stage.gateway.openPage('agent:main:dashboard:one');
  await page.say('Kimi：in a page [[simulate: drop=1]]');
  await page.next(/已派發：in-a-page/);
  const task = await taskNamed('in-a-page-simulate');
  await answer(stage, task, `\`\`\`python\n${LONG}\n\`\`\``);
  await page.next(/任務完成[^]*in-a-page/);
  await stage.acknowledged(task);
  const answers = async () => (await page.shown()).filter((text) => text.includes(LONG)).length;
  expect(await answers()).toBe(1);
  await page.say('/kimi list');
  await page.next(/任務編號[^]*in-a-page/);
  await page.say(`/kimi result ${task}`);
  await until(async () => (await answers()) === 2);
  page.close();
});

it('gives Kimi the message that is replied to', async () => {
  const quotes = feishu.earlier('the words of a friend [[simulate: status=400 type=quoted]]');
  await say(feishu, 'Kimi：翻譯這段', { group: feishu.group, quotes });
  // The simulated Kimi does what the quoted message says.
  expect((await feishu.next(feishu.group, /❌/)).text).toContain('Kimi 回應 400');
});

it('a gateway that is killed while answers wait shows each of them once', async () => {
  const tasks: string[] = [];
  for (const service of services) {
    await say(service, `Kimi：${service.channel} killed [[simulate: delay=8000 size=50]]`);
    tasks.push(await dispatched(service, `${service.channel}-killed-simulate`));
  }
  await stage.gateway.stop('SIGKILL');
  await until(async () =>
    (await Promise.all(tasks.map(async (task) => await stage.results.read(task)))).every(Boolean),
  );
  await stage.gateway.start();
  await Promise.all(tasks.map(async (task) => await stage.acknowledged(task)));
  for (const { channel, shown } of services) {
    const replies = shown.filter(({ text }) => /任務完成/.test(text) && text.includes(`${channel}-killed`));
    expect(replies, channel).toHaveLength(1);
    expect(replies[0]?.text).toMatch(/^✅/);
  }
});

it('none of it asked a model', () => {
  expect(stage.model.requests).toEqual([]);
});
