/** `/kimi schedule …`: schedules of a chat. */
import { timesAtStart } from '../../../src/shared/times.ts';
import { optionsIn, optionsOf } from './chat-options.ts';
import type { Run } from './command-line.ts';

/** `schedule`, alone or with what is to be done. */
const SCHEDULE = /^(?:schedule(?=\s|$)|排程)\s*(?<rest>.*)$/isu;

const ACTIONS: Record<string, string> = { 清單: 'list', 暫停: 'pause', 恢復: 'resume', 執行: 'run', 刪除: 'remove' };

const ACTION = /^(?<verb>list|pause|resume|run|remove|清單|暫停|恢復|執行|刪除)(?:\s+(?<name>\S.*))?$/iu;

const NO_TIME =
  '看不出什麼時候要執行，所以什麼都沒做。例如：/kimi schedule 每天 8:00 整理今天的新聞；也可以用 list、pause、resume、run、remove。要問 Kimi 這句話，請寫「Kimi：schedule …」。\n' +
  'It does not begin with a time, so nothing was done. For example: /kimi schedule every day 8:00 summarise the news; or list, pause, resume, run, remove. To ask Kimi this, write “Kimi: schedule …”.';

/** A sixth field after the five of cron: then the first is seconds. Marked off, it begins the question. */
const SIXTH = /^\s+(?:[*?][\d/*,-]*|[0-7](?:[-,][0-7])*|(?:sun|mon|tue|wed|thu|fri|sat)(?:[-,][a-z]{3})*)(?=\s|$)/i;

const SIX_FIELDS =
  '這看起來是六欄的 cron，但 cron 只有五欄（沒有秒），所以什麼都沒做。如果第六個字是問題的開頭，請在五欄後面加冒號：/kimi schedule 0 8 * * *：5 則新聞。\n' +
  'This looks like a cron of six fields; there are five (no seconds), so nothing was done. If the sixth word begins the prompt, put a colon before it: /kimi schedule 0 8 * * *: 5 news items.';

const NO_PROMPT =
  '沒有寫要問 Kimi 什麼，所以什麼都沒做。例如：/kimi schedule 每天 8:00 整理今天的新聞。\n' +
  'It does not say what to ask Kimi, so nothing was done. For example: /kimi schedule every day 8:00 summarise the news.';

const NO_NAME =
  '哪一個排程？請在後面寫上它的名稱；/kimi schedule 可查看有哪些排程。\n' +
  'Which schedule? Write its name after it; /kimi schedule shows the schedules.';

/** Marks around a name. */
const QUOTED = /^["“「'](?<name>.+)["”」']$/u;

const NO_MAP = '排程不能用 --map，所以什麼都沒做。\nA schedule cannot have --map, so nothing was done.';

/** @returns whether these words after `/kimi` are about schedules. */
export function isAboutSchedules(args: string): boolean {
  return SCHEDULE.test(args);
}

/** @returns the arguments and the input of the command line, or why there are none. */
export function scheduling(args: string): { run: Parameters<Run>; starts?: true; lists?: true } | { text: string } {
  const rest = SCHEDULE.exec(args)?.groups?.['rest']?.trim() ?? '';
  if (rest === '') return { run: [['schedule', 'list']], lists: true };
  const { verb = '', name } = ACTION.exec(rest)?.groups ?? {};
  if (verb !== '') {
    const action = ACTIONS[verb] ?? verb.toLowerCase();
    if (name === undefined && action !== 'list') return { text: NO_NAME };
    const named = name === undefined || action === 'list' ? [] : ['--', QUOTED.exec(name)?.groups?.['name'] ?? name];
    return {
      run: [['schedule', action, ...named]],
      ...(action === 'run' && { starts: true }),
      ...(action === 'list' && { lists: true }),
    };
  }
  const due = timesAtStart(rest);
  if (!due) return { text: NO_TIME };
  if (/^[\d*]/.test(due.when) && SIXTH.test(rest.slice(due.when.length))) return { text: SIX_FIELDS };
  const { options, prompt, refusal } = optionsIn(due.rest);
  if (refusal !== undefined) return { text: refusal };
  if (prompt.trim() === '') return { text: NO_PROMPT };
  if (options.has('map')) return { text: NO_MAP };
  const more = optionsOf(options, []);
  return 'text' in more ? more : { run: [['schedule', 'add', '-p', '-', ...more, '--', due.when], prompt] };
}
