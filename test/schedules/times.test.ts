/** The words for when a schedule is due. */
import { expect, it } from 'vitest';
import { dueTime } from '../../src/shared/schedule.ts';
import { readTimes, timesAtStart } from '../../src/shared/times.ts';

it.each([
  ['每天 8:00', ['0 8 * * *']],
  ['每天 8：00', ['0 8 * * *']],
  ['每天早上八點', ['0 8 * * *']],
  ['每天上午 8 點半', ['30 8 * * *']],
  ['每天 12點5分', ['5 12 * * *']],
  ['每日晚上8點', ['0 20 * * *']],
  ['每天晚上 12 點', ['0 0 * * *']],
  ['每天中午', ['0 12 * * *']],
  ['每天下午 12:30', ['30 12 * * *']],
  ['每天 8:00、18:30', ['0 8 * * *', '30 18 * * *']],
  ['平日 9:00', ['0 9 * * 1-5']],
  ['每個週末 9:00', ['0 9 * * 0,6']],
  ['每週一 9:30', ['30 9 * * 1']],
  ['每周 一、三、週五 9:30', ['30 9 * * 1,3,5']],
  ['每週一到五 9:30', ['30 9 * * 1-5']],
  ['每星期六至日 20:00', ['0 20 * * 6-7']],
  ['每禮拜天 20:00', ['0 20 * * 0']],
  ['每月 1 號 8:00', ['0 8 1 * *']],
  ['每個月的十五日 8:00', ['0 8 15 * *']],
  ['每月 1 日、15 日 8:00', ['0 8 1,15 * *']],
  ['每月 1、15 號 8:00', ['0 8 1,15 * *']],
  ['每月1、十五號8:00、18:00', ['0 8 1,15 * *', '0 18 1,15 * *']],
  ['每小時', ['0 */1 * * *']],
  ['每 2 小時', ['0 */2 * * *']],
  ['每兩個小時', ['0 */2 * * *']],
  ['每 24 小時', ['0 0 * * *']],
  ['每 30 分鐘', ['*/30 * * * *']],
  ['every day 8:00', ['0 8 * * *']],
  ['Every day at 8am', ['0 8 * * *']],
  ['every day at 12am', ['0 0 * * *']],
  ['daily at noon', ['0 12 * * *']],
  ['every Monday 9:30', ['30 9 * * 1']],
  ['every Monday and Thursday at 9:30 pm', ['30 21 * * 1,4']],
  ['tuesdays, wednesdays at 7:15', ['15 7 * * 2,3']],
  ['Mon-Fri 9:00', ['0 9 * * 1-5']],
  ['every weekday at 9:00', ['0 9 * * 1-5']],
  ['every month on the 1st and 15th at 8:00', ['0 8 1,15 * *']],
  ['the 1st of every month at 8:00', ['0 8 1 * *']],
  ['every 2 hours', ['0 */2 * * *']],
  ['hourly', ['0 */1 * * *']],
  ['0 8 * * *', ['0 8 * * *']],
  ['*/5 8-18 * * MON-FRI', ['*/5 8-18 * * mon-fri']],
  // Either day, as cron has it; the engine takes both as conditions.
  ['0 8 1 * 1', ['0 8 1 * *', '0 8 * * 1']],
])('%s', (words, cron) => {
  expect(readTimes(words)).toEqual({ cron });
});

it.each([
  ['每 45 分鐘', 45 * 60_000],
  ['every 5 hours', 5 * 3_600_000],
])('%s, which does not divide the hour or the day, is an interval', (words, every_ms) => {
  expect(readTimes(words)).toEqual({ every_ms });
});

it.each([
  '',
  '明天 8:00',
  '每天',
  '每天 8',
  '每天 25:00',
  '每天 8:60',
  '每月 32 號 8:00',
  '每 0 分鐘',
  'every 48 hours',
  'every day at eight am',
  'daily at 13pm',
  'every moonday 8:00',
  '@daily',
  '* * * * * *',
  '8 0',
])('"%s" is not understood', (words) => {
  expect(readTimes(words)).toBeUndefined();
});

it.each([
  ['每天 8:00 整理新聞', '每天 8:00', '整理新聞'],
  ['每天8:30，三件事', '每天8:30', '三件事'],
  ['每週五下午三點整理週報', '每週五下午三點', '整理週報'],
  ['平日早上八點三十分析市場', '平日早上八點三十', '分析市場'],
  ['每天中午提醒我', '每天中午', '提醒我'],
  ['每週一、三 9:00 和 17:00 10 條新聞', '每週一、三 9:00 和 17:00', '10 條新聞'],
  ['every Monday 9:30 summarise the week', 'every Monday 9:30', 'summarise the week'],
  ['every 2 hours: check', 'every 2 hours', 'check'],
  ['0 8 * * 1-5 news', '0 8 * * 1-5', 'news'],
])('at the beginning of "%s"', (text, when, rest) => {
  expect(timesAtStart(text)).toEqual({ when, rest });
});

it.each(['a meeting with Bob at 8:00', '整理每天 8:00 的新聞', '', '每天'])('none at the beginning of "%s"', (text) => {
  expect(timesAtStart(text)).toBeUndefined();
});

it('a Sunday is written in both languages', () => {
  const [due, now] = ['2026-12-06T00:00:00Z', Date.parse('2026-11-30T00:00:00Z')];
  expect(dueTime(due, 'Asia/Taipei', 'zh-TW', now)).toBe('12/6（日）08:00');
  expect(dueTime(due, 'Asia/Taipei', 'en', now)).toBe('Sun 6 Dec 08:00');
});
