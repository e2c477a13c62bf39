/** What a chat offers besides text, in the real gateway: a button that cancels, and a line of progress that is edited. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { until } from '../../support/until.ts';
import type { Shown, WithButtons } from './chat-service.ts';
import { Discord } from './discord.ts';
import { Feishu } from './feishu.ts';
import { Slack } from './slack.ts';
import { GROUP, openStageOfChannels, OWNER, type Stage } from './stage.ts';
import { serveTelegram, type Telegram } from './telegram.ts';

const slack = new Slack();
const discord = new Discord();
const feishu = new Feishu();
const services: WithButtons[] = [slack, discord, feishu];
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
  onTestFailed(async () => {
    console.error(telegram.shown);
    for (const { shown, unknown } of services) console.error(shown, unknown);
    console.error('the gateway:', (await stage.gateway.log()).split('\n').slice(-40).join('\n'));
  });
});

/** What a chat is shown, with what replaced it. */
interface Line {
  text: string;
  edits?: string[];
}

/** A task that runs until it is cancelled. */
const ENDLESS = '[[simulate: chunks=600 chunk-delay=1000]]';

/** A task that streams its answer for longer than it takes until the second line. */
const LASTS = '[[simulate: size=2000 chunks=110 chunk-delay=900]]';

/** Follows a line to its end. @returns how often it was edited. */
async function editsOf(shown: () => Line[], name: string): Promise<number> {
  const lines = (): Line[] => shown().filter(({ text }) => text.includes(`⏳ ${name}：Kimi 正在`));
  const line = await until(() => lines()[0]);
  await until(() => line.edits?.at(-1)?.includes(`✅ ${name}`));
  expect(lines()).toEqual([line]);
  expect(stage.model.requests).toEqual([]);
  return line.edits?.length ?? 0;
}

it.each([
  ['a private chat', OWNER, undefined],
  ['a group', OWNER, { id: GROUP }],
])('a button under the first answer cancels the task in %s of Telegram', async (_where, from, group) => {
  const chat = group?.id ?? from;
  telegram.say(from, `Kimi：cancelled in ${chat} ${ENDLESS}`, group);
  const dispatched = await until(() =>
    telegram.shown.find((shown) => shown.chat === chat && /已派發/.test(shown.text)),
  );
  expect(dispatched.buttons).toMatchObject([{ text: '取消 Cancel' }]);
  telegram.press(from, dispatched);
  await until(() => telegram.shown.find((shown) => shown.chat === chat && /任務已取消/.test(shown.text)));
  expect(stage.model.requests).toEqual([]);
});

interface Place {
  group?: string;
  thread?: string;
}

async function say(service: WithButtons, text: string, place: Place = {}): Promise<void> {
  const mention = place.group === undefined ? '' : service.mention;
  await service.say(stage.gateway.url, { from: service.owner, text: `${mention}${text}`, ...place });
}

/** @returns the task whose name begins like this. */
async function taskNamed(name: string) {
  return await until(async () => (await stage.tasks()).find(({ task_name }) => task_name.startsWith(name)));
}

/** Starts a task. @returns the first answer. */
async function dispatched(service: WithButtons, name: string, more: Place = {}): Promise<Shown> {
  await say(service, `Kimi：${name} ${ENDLESS}`, more);
  return await service.next(more.group ?? service.direct, new RegExp(`已派發：${name.replaceAll(' ', '-')}`));
}

describe.each(services)('a button in $channel', (service) => {
  const { channel, owner, direct, group } = service;

  it.each(['private', 'group', 'thread'])('cancels its task, and no other (%s)', async (where) => {
    const more: Place =
      where === 'private' ? {} : { group, ...(where === 'thread' && { thread: service.earlier('first') }) };
    const shown = await dispatched(service, `${channel} ${where}`, more);
    const isLost = service === feishu && where === 'thread';
    expect(shown.buttons).toHaveLength(isLost ? 0 : 1);
    if (isLost) await say(service, `/kimi cancel ${(await taskNamed(`${channel}-${where}`)).task_id}`, more);
    else await service.press(stage.gateway.url, { from: owner, shown });
    const ended = await service.next(group === more.group ? group : direct, /任務已取消/);
    expect(ended.text).toContain(`${channel}-${where}`);
    expect(ended.thread).toBe(shown.thread);
    expect(stage.model.requests).toEqual([]);
  });

  it('does nothing for another chat', async () => {
    const shown = await dispatched(service, `${channel} of a chat`);
    await service.press(stage.gateway.url, { from: owner, shown, chat: group });
    // In Feishu the answer quotes the message of the button.
    await service.next(service === feishu ? direct : group, /沒有.*這個任務/);
    const { task_id, state } = await taskNamed(`${channel}-of-a-chat`);
    expect(state).toBe('dispatched');
    await say(service, `/kimi cancel ${task_id}`);
    await service.next(direct, /任務已取消/);
    expect(stage.model.requests).toEqual([]);
  });
});

it.concurrent('Telegram: a long task has one line, which is edited and replaced at the end', async () => {
  telegram.say(OWNER, `Kimi：telegram long alone ${LASTS}`);
  expect(await editsOf(() => telegram.shown, 'telegram-long-alone')).toBeGreaterThan(1);
});

it.concurrent.each(
  services.flatMap((service) => ['private', 'group'].map((where) => [service.channel, where, service] as const)),
)('%s, %s: the same', async (channel, where, service) => {
  const group = where === 'group' ? service.group : undefined;
  await say(service, `Kimi：${channel} long ${where} ${LASTS}`, group === undefined ? {} : { group });
  expect(await editsOf(() => service.shown, `${channel}-long-${where}`)).toBeGreaterThan(1);
});
