/** Reads when a schedule is due. The engine does the calendar: here words become cron expressions of five fields. */

/** When a schedule is due: by the clock of its time zone, or after each interval. */
export type Times = { cron: string[] } | { every_ms: number };

/** Minutes and hours have no names, so that no sentence of five words is an expression. */
const CRON = /^(?:[\d*][\d*/,-]* ){2}[\d*?][\d*/,-]* [\da-z*][\da-z*/,-]* [\da-z*?][\da-z*/,-]*$/;

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Longest interval, in milliseconds: longer ones are days, which have a time of day. */
const LONGEST_MS = 24 * HOUR_MS;

const NUMBER = String.raw`\d{1,2}|[一二兩两三四五六七八九十]{1,3}`;
const AND = String.raw`\s*(?:[、,，]\s*(?:and )?|和|及|與|跟| and )\s*`;

/** @returns when a schedule is due; `undefined` if the words are not understood. */
export function readTimes(given: string): Times | undefined {
  const spaced = given.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim();
  const words = spaced.replaceAll(/(?<=\p{Script=Han}) | (?=\p{Script=Han})/gu, '');
  if (CRON.test(words)) return { cron: eitherDay(words.replaceAll('?', '*')) };
  return intervalIn(words) ?? daysIn(words);
}

/** Longest words at the beginning of a text that are read as times, in UTF-16 units. */
const LONGEST_WORDS = 100;

/** @returns the words at the beginning of a text that say when a schedule is due, and what follows; `undefined` if it begins otherwise. */
export function timesAtStart(text: string): { when: string; rest: string } | undefined {
  // Not within a word: `三點整理` is `三點` and `整理`.
  const words = new Intl.Segmenter('zh', { granularity: 'word' }).segment(text.slice(0, 2 * LONGEST_WORDS));
  const ends = Array.from(words, ({ index, segment }) => index + segment.length).filter((end) => end <= LONGEST_WORDS);
  for (const end of ends.toReversed()) {
    const when = text.slice(0, end).trim();
    if (readTimes(when)) return { when, rest: text.slice(end).replace(/^[\s,，:：、。]+/, '') };
  }
  return undefined;
}

/** In cron, a day of the month and a day of the week mean either; the engine takes both as conditions. */
function eitherDay(expression: string): string[] {
  const [minute, hour, day = '*', month, weekday = '*'] = expression.split(' ');
  if (day.startsWith('*') || weekday.startsWith('*')) return [expression];
  return [`${minute} ${hour} ${day} ${month} *`, `${minute} ${hour} * ${month} ${weekday}`];
}

const INTERVAL = new RegExp(
  `^(?:每隔?|every )(?:(?<count>${NUMBER})\\s*)?個?(?:(?<hours>小時|小时|鐘頭|hours?)|(?<minutes>分鐘|分钟|分|minutes?|mins?))$|^(?<hourly>hourly)$`,
  'u',
);

/** An interval that divides the hour or the day is counted from its beginning, by the clock; any other one from now. */
function intervalIn(words: string): Times | undefined {
  const { count = '1', hours, minutes, hourly } = INTERVAL.exec(words)?.groups ?? {};
  const n = numberOf(count);
  if (hours ?? hourly) {
    if (24 % n === 0) return { cron: [n === 24 ? '0 0 * * *' : `0 */${n} * * *`] };
    return intervalOf(n * HOUR_MS);
  }
  if (!minutes) return undefined;
  return 60 % n === 0 ? { cron: [n === 60 ? '0 * * * *' : `*/${n} * * * *`] } : intervalOf(n * MINUTE_MS);
}

function intervalOf(every_ms: number): Times | undefined {
  return every_ms > 0 && every_ms <= LONGEST_MS ? { every_ms } : undefined;
}

/** Days, then times of the day. */
function daysIn(words: string): Times | undefined {
  for (const [pattern, daysOf] of DAYS) {
    const found = pattern.exec(words);
    const days = found && daysOf(found[1] ?? '');
    const times = found && timesIn(words.slice(found[0].length));
    if (days && times) return { cron: times.map(({ hour, minute }) => `${minute} ${hour} ${days}`) };
  }
  return undefined;
}

const CHINESE_DAYS = '日一二三四五六';
const ENGLISH_DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const CHINESE_DAY = '[一二三四五六日天]';
const ENGLISH_DAY = '(?:sun|mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?)(?:days?)?';
const CHINESE_WEEK = '(?:週|周|星期|禮拜|礼拜)';

/** Beginnings of schedules, and their last three fields of cron. */
const DAYS: readonly [RegExp, (words: string) => string | undefined][] = [
  [/^(?:每天|每日|天天|every ?day|daily)/u, () => '* * *'],
  [/^(?:平日|每個?(?:平日|工作日|工作天)|every weekday|weekdays)/u, () => '* * 1-5'],
  [/^(?:每個?(?:週末|周末)|every weekend|weekends)/u, () => '* * 0,6'],
  [
    new RegExp(`^每個?${CHINESE_WEEK}(${CHINESE_DAY}(?:(?:${AND}|[到至~-])${CHINESE_WEEK}?${CHINESE_DAY})*)`, 'u'),
    (words) => `* * ${weekdays(words.replaceAll(new RegExp(CHINESE_WEEK, 'gu'), ''), chineseDay)}`,
  ],
  [
    new RegExp(`^(?:every |each |on )?(${ENGLISH_DAY}(?:(?:${AND}| to | ?- ?)${ENGLISH_DAY})*)(?![a-z])`, 'u'),
    (words) => `* * ${weekdays(words, englishDay)}`,
  ],
  [new RegExp(`^每個?月的?((?:(?:${NUMBER})\\s*[號号日]?${AND})*(?:${NUMBER})\\s*[號号日])`, 'u'), daysOfMonth],
  [
    /^(?:every month|monthly) on (?:the )?(\d{1,2}(?:st|nd|rd|th)?(?:(?:, | and )(?:the )?\d{1,2}(?:st|nd|rd|th)?)*)/u,
    daysOfMonth,
  ],
  [/^(?:on )?the (\d{1,2}(?:st|nd|rd|th)?) of (?:every|each) month/u, daysOfMonth],
];

function chineseDay(word: string): number {
  return word === '天' ? 0 : CHINESE_DAYS.indexOf(word);
}

function englishDay(word: string): number {
  return ENGLISH_DAYS.indexOf(word.slice(0, 3));
}

/** @returns the field of cron for a list of days and ranges. Cron's week ends on day 7, which is Sunday again. */
function weekdays(words: string, numberOfDay: (word: string) => number): string {
  const parts = words.split(new RegExp(AND, 'u'));
  return parts
    .map((part) => {
      const [first = 0, last] = part.split(/ to | ?- ?|[到至~]/u).map((day) => numberOfDay(day.trim()));
      return last === undefined ? String(first) : `${first}-${last === 0 ? 7 : last}`;
    })
    .join(',');
}

function daysOfMonth(words: string): string | undefined {
  const days = (words.match(new RegExp(NUMBER, 'gu')) ?? []).map(numberOf);
  return days.every((day) => day >= 1 && day <= 31) ? `${days.join(',')} * *` : undefined;
}

interface TimeOfDay {
  hour: number;
  minute: number;
}

const TIME = new RegExp(
  `^(?<period>凌晨|清晨|早上|上午|中午|下午|傍晚|晚上)?\\s*(?<hour>${NUMBER})(?:(?::|[點点时時](?=\\d))(?<minute>\\d{2})分?|[點点时時](?:整|(?<half>半)|(?<minutes>${NUMBER})分?)?)?\\s*(?<half_day>am|pm|a\\.m\\.|p\\.m\\.)?$`,
  'u',
);

/** A number alone is no time. */
const IS_TIME = /:|[點点时時]|m\.?$|^(?:noon|midnight|中午|午夜)$/u;

const NAMED: Record<string, TimeOfDay> = {
  noon: { hour: 12, minute: 0 },
  中午: { hour: 12, minute: 0 },
  midnight: { hour: 0, minute: 0 },
  午夜: { hour: 0, minute: 0 },
};

function timesIn(words: string): TimeOfDay[] | undefined {
  const times = words
    .trim()
    .replace(/^at /, '')
    .split(new RegExp(AND, 'u'))
    .map((word) => timeIn(word.trim()));
  return times.every((time) => time !== undefined) ? times : undefined;
}

function timeIn(word: string): TimeOfDay | undefined {
  if (!IS_TIME.test(word)) return undefined;
  if (Object.hasOwn(NAMED, word)) return NAMED[word];
  const { period = '', hour: given = '', minute, half, minutes, half_day: half_ = '' } = TIME.exec(word)?.groups ?? {};
  if (given === '') return undefined;
  const hour = hourIn24(numberOf(given), period, half_.charAt(0));
  const time = { hour, minute: half ? 30 : numberOf(minute ?? minutes ?? '0') };
  return hour >= 0 && time.hour < 24 && time.minute < 60 ? time : undefined;
}

/** @returns -1 if the hour is not one of its half of the day. */
function hourIn24(hour: number, period: string, half: string): number {
  if (half !== '' && (hour < 1 || hour > 12)) return -1;
  if (hour === 12 && (half === 'a' || period === '凌晨' || period === '晚上')) return 0;
  const isAfternoon = half === 'p' || ['下午', '傍晚', '晚上'].includes(period);
  if (period === '中午') return hour <= 2 ? hour + 12 : hour;
  return isAfternoon && hour < 12 ? hour + 12 : hour;
}

const DIGITS = '一二三四五六七八九';

/** @returns a number in digits or, below a hundred, in Chinese. */
function numberOf(word: string): number {
  if (/^\d+$/.test(word)) return Number(word);
  const [tens = '', ones = ''] = word.replaceAll(/[兩两]/gu, '二').split('十');
  if (!word.includes('十')) return DIGITS.indexOf(tens) + 1;
  return (tens === '' ? 1 : DIGITS.indexOf(tens) + 1) * 10 + (ones === '' ? 0 : DIGITS.indexOf(ones) + 1);
}
