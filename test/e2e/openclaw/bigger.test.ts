/** Bigger jobs, asked for in a chat of the real gateway: searching, rows of a file, a batch, on time, within a budget. */
import { beforeEach, describe, expect, inject, it } from 'vitest';
import { createSimulator } from '../../../src/simulator/app.ts';
import { moonshotOf } from '../../support/moonshot.ts';
import { lifetime, serve, shared, silent, temporaryFolder } from '../../support/resources.ts';
import { until } from '../../support/until.ts';
import { openStageOfChannels, OWNER, WEBHOOK_SECRET } from './stage.ts';
import { serveTelegram } from './telegram.ts';

/** Not `--simulate`: a simulation takes nothing from a budget. */
const opened = shared(async () => {
  const telegram = await serveTelegram();
  lifetime()(() => telegram.stop());
  const simulator = createSimulator({ secret: WEBHOOK_SECRET, delayMs: 0, log: silent });
  const moonshot = await moonshotOf(simulator.app, await temporaryFolder(), async (server) =>
    Number(new URL(await serve(server)).port),
  );
  const stage = await openStageOfChannels(inject('temporalCli'), telegram, [], {
    ...moonshot,
    KIMI_API_KEY: 'sk-of-the-end-to-end-test',
  });
  lifetime()(async () => await stage.close());
  return { telegram, stage };
});

beforeEach(({ onTestFailed }) => {
  const { telegram, stage } = opened();
  const seen = telegram.shown.length;
  onTestFailed(async () => {
    console.error('shown:', telegram.shown.slice(seen));
    console.error('the gateway:', (await stage.gateway.log()).split('\n').slice(-30).join('\n'));
  });
});

/** Says something, and returns what is shown next that fits. No model is asked. */
async function say(text: string, fits: RegExp, rows?: string) {
  const { telegram, stage } = opened();
  const file = rows === undefined ? {} : { file: { name: 'rows.csv', type: 'text/csv', content: Buffer.from(rows) } };
  telegram.say(OWNER, text, undefined, file);
  const shown = await telegram.next(OWNER, fits);
  expect(stage.model.requests).toEqual([]);
  return shown;
}

async function answerTo(name: string) {
  const { telegram, stage } = opened();
  await telegram.next(OWNER, new RegExp(`任務完成！[^]*${name}`));
  const found = await until(async () => (await stage.tasks()).find(({ task_name }) => task_name.startsWith(name)));
  return await stage.acknowledged(found.task_id);
}

it('--search lets Kimi search, and shows what it searched for', async () => {
  await say('Kimi：--搜尋 news of today', /已派發：news-of-today/);
  expect(await answerTo('news-of-today')).toMatchObject({ status: 'done', tool_uses: [{ tool: 'search' }] });
});

it('--batch is answered at 60 % of the price', async () => {
  await say('Kimi：--批次 answered later [[batch: delay=0]]', /已派發：answered-later/);
  expect((await answerTo('answered-later')).cost?.saved).toBeGreaterThan(0);
});

it('--map asks for each row of the attached CSV, and notifies once; its answers are a CSV', async () => {
  await say('Kimi：--逐筆 describe {{fruit}}', /已派發：describe（2 筆）/, 'fruit\napple\nbanana\n');
  expect(await answerTo('describe')).toMatchObject({ map: { rows: 2, done: 2 } });
  const { telegram } = opened();
  expect(telegram.shown.filter(({ text }) => /任務完成！[^]*describe/.test(text))).toHaveLength(1);
  await say('/kimi result', /2 筆/);
  const { file } = await telegram.next(OWNER, /^$/);
  expect(file?.name).toMatch(/^kimi-\d+-\d+\.csv$/);
  expect(file?.content).toMatch(/describe apple[^]*describe banana/);
});

it('/kimi schedule adds, lists, pauses, resumes, runs and removes', async () => {
  await say('/kimi schedule 每天 8:00 on time', /排程已建立：on-time/);
  await say('/kimi schedule list', /on-time/);
  await say('/kimi schedule pause on-time', /排程已暫停：on-time[^]*\/kimi schedule resume/);
  await say('/kimi schedule', /on-time[^]*已暫停/);
  await say('/kimi 排程 恢復 on-time', /排程已恢復：on-time/);
  await say('/kimi schedule run on-time', /已派發：on-time/);
  expect(await answerTo('on-time')).toMatchObject({ status: 'done', prompt: 'on time' });
  await say('/kimi schedule remove on-time', /排程已移除：on-time/);
  await say('/kimi schedule list', /還沒有排程/);
});

it('/kimi help shows what to write', async () => {
  expect((await say('/kimi help', /--逐筆/)).text).toContain('/kimi schedule every day 8:00');
});

describe('--budget pauses what may cost more, and asks', () => {
  it('with a button', async () => {
    const asked = await say('Kimi：--預算 0.001 pressed', /還沒有送出：pressed/);
    expect(asked.buttons).toMatchObject([{ text: '照樣送出 Send anyway' }]);
    opened().telegram.press(OWNER, asked);
    expect(await answerTo('pressed')).toMatchObject({ status: 'done', budget: 0.001 });
  });

  it('/kimi allow sends it', async () => {
    const asked = await say('Kimi：--budget 0.001 allowed', /還沒有送出：allowed/);
    const [command = ''] = /\/kimi allow \S+/.exec(asked.text) ?? [];
    await say(command, /已允許送出/);
    expect(await answerTo('allowed')).toMatchObject({ status: 'done' });
  });
});
