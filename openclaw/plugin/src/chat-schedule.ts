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
    const named = name === undefined || action === 'list' ? [] : ['--', name];
    return {
      run: [['schedule', action, ...named]],
      ...(action === 'run' && { starts: true }),
      ...(action === 'list' && { lists: true }),
    };
  }
  const due = timesAtStart(rest);
  if (!due) return { text: NO_TIME };
  const { options, prompt } = optionsIn(due.rest);
  const more = optionsOf(options, []);
  return more ? { run: [['schedule', 'add', '-p', '-', ...more, '--', due.when], prompt] } : { text: NO_MAP };
}
