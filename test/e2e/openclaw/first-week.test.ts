/**
 * The real gateway: a reply to Kimi's answer continues its task, in every channel that says what is replied to; and files of messages
 * go to Kimi.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { Completion } from '../../../src/simulator/events.ts';
import type { TaskView } from '../../../src/shared/task.ts';
import { docx } from '../../support/documents.ts';
import { until } from '../../support/until.ts';
import type { ChatService, Said } from './chat-service.ts';
import { Discord } from './discord.ts';
import { Feishu } from './feishu.ts';
import { Slack } from './slack.ts';
import { GROUP, openStageOfChannels, OWNER, type Stage } from './stage.ts';
import { serveTelegram, type More, type Shown, type Telegram } from './telegram.ts';

const [slack, feishu, discord] = [new Slack(), new Feishu(), new Discord()];
const services: ChatService[] = [slack, feishu, discord];
let telegram: Telegram;
let stage: Stage;

beforeAll(async () => {
  telegram = await serveTelegram();
  await Promise.all(services.map(async (service) => await service.open()));
  stage = await openStageOfChannels(inject('temporalCli'), telegram, services);
});
afterAll(async () => {
  await stage.close();
  for (const service of services) service.stop();
  telegram.stop();
});

beforeEach(({ onTestFailed }) => {
  const seen = telegram.shown.length;
  onTestFailed(async () => {
    console.error(telegram.shown.slice(seen));
    for (const { channel, shown, unknown } of services) console.error(channel, shown, unknown);
    console.error('the gateway:', (await stage.gateway.log()).split('\n').slice(-40).join('\n'));
  });
});

/** The next matching message in a chat of Telegram that is not before this one. */
async function next(chat: number, fits: RegExp, from = 0): Promise<Shown> {
  return await until(() => telegram.shown.slice(from).find((shown) => shown.chat === chat && fits.test(shown.text)));
}

/** Says it in Telegram. @returns the first answer of the bot. */
async function say(text: string, more?: More, group?: number): Promise<Shown> {
  const from = telegram.shown.length;
  telegram.say(OWNER, text, group === undefined ? undefined : { id: group }, more);
  return await next(group ?? OWNER, /./, from);
}

/** Has it answered in Telegram. @returns the task, and the messages that carry the answer. */
async function ask(text: string, more?: More, group?: number) {
  const from = telegram.shown.length;
  expect((await say(text, more, group)).text).toMatch(/已派發/);
  const reply = await next(group ?? OWNER, /任務完成/, from);
  const [newest] = await stage.tasks();
  const task_id = newest?.task_id ?? '';
  await stage.acknowledged(task_id);
  const document = telegram.shown.slice(from).find(({ file }) => file);
  return { task_id, reply, document };
}

async function continues(task_id: string): Promise<string | undefined> {
  return ((await stage.view(task_id)) as TaskView & { continues?: string }).continues;
}

/** What Kimi was sent last. */
async function sent(): Promise<Completion | undefined> {
  return ((await stage.kimi()) as { completions?: Completion[] }).completions?.at(-1);
}

function textsOf(completion: Completion | undefined): string[] {
  return (completion?.messages ?? []).map(({ content }) =>
    typeof content === 'string' ? content : JSON.stringify(content),
  );
}

describe('Telegram: a reply to Kimi’s answer', () => {
  it('continues its task, to the text or the file, in private and in a group, also after a restart', async () => {
    const first = await ask('Kimi：寫一首關於海的詩');
    const other = await ask('Kimi：another matter');
    const second = await ask('Kimi：短一點', { repliesTo: { id: first.reply.id } });
    expect(await continues(second.task_id)).toBe(first.task_id);
    expect(textsOf(await sent())).toEqual(['寫一首關於海的詩', expect.any(String), '短一點']);

    await stage.gateway.stop('SIGTERM');
    await stage.gateway.start();
    const third = await ask('Kimi：in English', { repliesTo: { id: second.document?.id ?? 0 } });
    expect(await continues(third.task_id)).toBe(second.task_id);
    expect(textsOf(await sent())).toHaveLength(5);
    const part = await ask('/kimi why?', { repliesTo: { id: other.reply.id, part: 'another matter' } });
    expect(await continues(part.task_id)).toBe(other.task_id);
    expect(textsOf(await sent()).at(-1)).toBe('why?\n\n> another matter');

    const ours = await ask('Kimi：for all', {}, GROUP);
    const next = await ask('Kimi：and now?', { repliesTo: { id: ours.reply.id } }, GROUP);
    expect(await continues(next.task_id)).toBe(ours.task_id);
    expect(stage.model.requests).toEqual([]);
  });

  it('/kimi continue takes the newest task of the chat, or the one it names, and none of another chat', async () => {
    const first = await ask('Kimi：alpha');
    await ask('Kimi：elsewhere', {}, GROUP);
    const second = await ask('/kimi continue shorter');
    expect(await continues(second.task_id)).toBe(first.task_id);
    const third = await ask(`/kimi continue ${first.task_id} longer`);
    expect(await continues(third.task_id)).toBe(first.task_id);
    const refused = await say(`/kimi continue ${first.task_id} x`, {}, GROUP);
    expect(refused.text).toContain(first.task_id);
    expect(refused.text).not.toMatch(/已派發/);
  });

  it('/kimi search finds what this chat asked and was answered; /kimi retry asks again; status shows what came before', async () => {
    const { task_id } = await ask('Kimi：pangolins of the south');
    await ask('Kimi：pangolins elsewhere', {}, GROUP);
    const found = await say('/kimi search PANGOLINS');
    expect(found.text).toContain(task_id);
    expect(found.text).not.toContain('elsewhere');
    const searched = await stage.gateway.invoke('kimi_search', { words: 'pangolins elsewhere' });
    expect(searched.body).toContain('pangolins elsewhere');
    const again = await ask(`/kimi retry ${task_id}`);
    expect(again.task_id).not.toBe(task_id);
    expect(textsOf(await sent())).toEqual(['pangolins of the south']);
    const next = await ask('/kimi continue and of the north?');
    const { text } = await say(`/kimi status ${next.task_id}`);
    expect(text).toContain('and of the north?');
    expect(text).toContain(again.task_id);
  });

  it('to another message takes its text along; without the trigger it is for the agent', async () => {
    const from = telegram.shown.length;
    const words = telegram.say(OWNER, '/kimi usage');
    await next(OWNER, /總計/, from);
    const quoting = await ask('Kimi：what is this?', { repliesTo: { id: words } });
    expect(await continues(quoting.task_id)).toBeUndefined();
    expect(textsOf(await sent())).toEqual(['what is this?\n\n> /kimi usage']);
    const asked = stage.model.requests.length;
    expect((await say('thanks', { repliesTo: { id: quoting.reply.id } })).text).toBe('ok');
    expect(stage.model.requests.length).toBe(asked + 1);
  });
});

const report = {
  name: 'report.docx',
  type: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  content: docx(['the third quarter was better']),
};
/** A picture of one pixel. */
const photo = {
  name: 'photo.png',
  type: 'image/png',
  content: Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  ),
};

describe('Telegram: files', () => {
  it('a document and a photo with a caption; the document of a message that is replied to is named', async () => {
    await ask('Kimi：summarise', { file: report });
    expect(textsOf(await sent()).join('\n')).toContain('the third quarter was better');
    const seen = await ask('Kimi：describe', { file: photo });
    expect((await stage.view(seen.task_id)).files).toMatchObject([{ bytes: photo.content.length }]);
    const shown = telegram.shown.length;
    const theirs = telegram.say(OWNER, 'here you are', undefined, { file: report });
    await next(OWNER, /^ok$/, shown);
    // The gateway stores no file of a message that is replied to.
    expect((await say('Kimi：and this?', { repliesTo: { id: theirs } })).text).toContain(
      '附件沒有交給 Kimi（document）',
    );
  });

  it('that cannot be read start nothing, and are named', async () => {
    const before = (await stage.tasks()).map(({ task_id }) => task_id);
    const voice = { name: 'voice.bin', type: 'application/octet-stream', content: Buffer.from([0, 1, 2, 3, 255]) };
    expect((await say('Kimi：listen', { file: voice })).text).toContain('voice');
    expect((await stage.tasks()).map(({ task_id }) => task_id)).toEqual(before);
  });
});

/** Has it answered in the private chat, or a group. @returns the task, and the message that carries the answer. */
async function askIn(service: ChatService, text: string, more: Omit<Said, 'from' | 'text'> = {}) {
  const chat = more.group ?? service.direct;
  await service.say(stage.gateway.url, { from: service.owner, text, ...more });
  await service.next(chat, /已派發/);
  const reply = await service.next(chat, /任務完成/);
  const [newest] = await stage.tasks();
  await stage.acknowledged(newest?.task_id ?? '');
  return { task_id: newest?.task_id ?? '', reply: reply.id ?? '' };
}

describe.each([feishu, discord] as ChatService[])('$channel', (service) => {
  it.each(['direct', 'group'] as const)('a reply to Kimi’s answer continues its task (%s)', async (where) => {
    const chat = where === 'group' ? { group: service.group } : {};
    const mention = where === 'group' ? service.mention : '';
    const first = await askIn(service, `${mention}Kimi：one`, chat);
    await askIn(service, `${mention}Kimi：something else`, chat);
    const second = await askIn(service, `${mention}Kimi：two`, { ...chat, quotes: first.reply });
    expect(await continues(second.task_id)).toBe(first.task_id);
    const third = await askIn(service, `${mention}Kimi：three`, { ...chat, quotes: second.reply });
    expect(await continues(third.task_id)).toBe(second.task_id);
    expect(textsOf(await sent())).toEqual(['one', expect.any(String), 'two', expect.any(String), 'three']);
  });
});

it.each(['direct', 'group'] as const)('slack: a thread under Kimi’s answer continues it (%s)', async (where) => {
  const chat = where === 'group' ? { group: slack.group } : {};
  const mention = where === 'group' ? slack.mention : '';
  const first = await askIn(slack, `${mention}Kimi：one`, chat);
  const second = await askIn(slack, `${mention}Kimi：two`, { ...chat, thread: first.reply });
  expect(await continues(second.task_id)).toBe(first.task_id);
  const third = await askIn(slack, `${mention}Kimi：three`, { ...chat, thread: first.reply });
  expect(await continues(third.task_id)).toBe(second.task_id);
});

it('slack and feishu: files of a message', async () => {
  await askIn(slack, 'Kimi：summarise', { file: report });
  expect(textsOf(await sent()).join('\n')).toContain('the third quarter was better');
  // A text with a picture, in which the gateway escapes Markdown.
  const seen = await askIn(feishu, 'Kimi：describe [a_b] (1-2)', { file: photo });
  expect((await stage.view(seen.task_id)).files).toMatchObject([{ bytes: photo.content.length }]);
  expect(textsOf(await sent()).join('\n')).toContain('describe [a_b] (1-2)');
});

it('WebChat: files of a message', async () => {
  const page = await stage.gateway.openPage('agent:main:dashboard:files');
  await page.say('Kimi：read both', [report, photo]);
  await page.next(/任務完成[^]*read-both/);
  page.close();
  const [newest] = await stage.tasks();
  expect((await stage.view(newest?.task_id ?? '')).files).toMatchObject([
    { bytes: report.content.length },
    { bytes: photo.content.length },
  ]);
  expect(textsOf(await sent()).join('\n')).toContain('the third quarter was better');
});

it('feishu: the file of a message that is replied to is named', async () => {
  const quotes = feishu.earlier('', 'file');
  await feishu.say(stage.gateway.url, { from: feishu.owner, text: 'Kimi：and this?', group: feishu.group, quotes });
  expect((await feishu.next(feishu.group, /已派發/)).text).toContain('附件沒有交給 Kimi（file）');
  await feishu.next(feishu.group, /任務完成/);
  expect(textsOf(await sent())).toEqual(['and this?']);
});

it('discord: files of a message, and of the one it replies to', async () => {
  await askIn(discord, 'Kimi：summarise', { file: report });
  expect(textsOf(await sent()).join('\n')).toContain('the third quarter was better');
  const theirs = await discord.say(stage.gateway.url, { from: discord.owner, text: 'here you are', file: report });
  await discord.next(discord.direct, /^ok$/);
  await askIn(discord, 'Kimi：and this?', { quotes: theirs });
  expect(textsOf(await sent()).join('\n')).toContain('the third quarter was better');
});
