/** What a chat offers besides text, in the real gateway: a button that cancels, and a line of progress that is edited. */
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { until } from '../../support/until.ts';
import { Slack } from './slack.ts';
import { GROUP, openStageWith, OWNER, telegramSettings, type Stage } from './stage.ts';
import { serveTelegram, type Telegram } from './telegram.ts';

const slack = new Slack();
let telegram: Telegram;
let stage: Stage;

beforeAll(async () => {
  telegram = await serveTelegram();
  await slack.open();
  stage = await openStageWith(
    inject('temporalCli'),
    {
      channels: { telegram: telegramSettings(telegram), slack: slack.settings() },
      owner: `telegram:${OWNER}`,
      env: slack.env(),
    },
    { KIMI_CALLBACKS: 'relay' },
  );
});
afterAll(async () => {
  await stage.close();
  slack.stop();
  telegram.stop();
});

beforeEach(({ onTestFailed }) => {
  onTestFailed(async () => {
    console.error(telegram.shown, slack.shown, slack.unknown);
    console.error('the gateway:', (await stage.gateway.log()).split('\n').slice(-40).join('\n'));
  });
});

/** What a chat is shown, with what replaced it. */
interface Line {
  text: string;
  edits?: string[];
}

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
])('a button under the first answer cancels the task in %s', async (_where, from, group) => {
  const chat = group?.id ?? from;
  telegram.say(from, `Kimi：cancelled in ${chat} [[simulate: chunks=300 chunk-delay=1000]]`, group);
  const dispatched = await until(() =>
    telegram.shown.find((shown) => shown.chat === chat && /已派發/.test(shown.text)),
  );
  expect(dispatched.buttons).toMatchObject([{ text: '取消 Cancel' }]);
  telegram.press(from, dispatched);
  await until(() => telegram.shown.find((shown) => shown.chat === chat && /任務已取消/.test(shown.text)));
  expect(stage.model.requests).toEqual([]);
});

it.concurrent(
  'Telegram: a long task has one line, which is edited and replaced at the end',
  { timeout: 300_000 },
  async () => {
    telegram.say(OWNER, `Kimi：telegram long alone ${LASTS}`);
    expect(await editsOf(() => telegram.shown, 'telegram-long-alone')).toBeGreaterThan(1);
  },
);

it.concurrent('a channel of Slack: the same', { timeout: 300_000 }, async () => {
  const text = `${slack.mention}Kimi：slack long together ${LASTS}`;
  await slack.say(stage.gateway.url, { from: slack.owner, text, group: slack.group });
  expect(await editsOf(() => slack.shown, 'slack-long-together')).toBeGreaterThan(1);
});
