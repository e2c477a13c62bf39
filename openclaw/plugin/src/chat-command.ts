import type { Route } from '../../../src/shared/chat.ts';
import { excerptOf } from '../../../src/shared/format.ts';
import { parseTaskId, TASK_ID_IN } from '../../../src/shared/task-id.ts';
import type { Reply } from './buttons.ts';
import { optionsIn, optionsOf, type ChatOptions } from './chat-options.ts';
import { isAboutSchedules, scheduling } from './chat-schedule.ts';
import { saidBy, type Ran, type Run } from './command-line.ts';
import { HELP } from './help.ts';
import { forChat, UNKNOWN_CHAT, type Chat } from './routes.ts';
import type { Notifier } from './notifier.ts';

/**
 * Subcommands, alone or with one word for a task, which the command line looks up: what it does not find must not become a
 * prompt, which is paid for. A sentence in Chinese has no spaces, but marks.
 */
const COMMAND = /^(?:(?<verb>status|list|cancel|allow|result|retry|usage|more)(?:\s+(?<id>[^\s?？!！,，、。]+))?)?$/iu;

/** `result TASK PAGE`, where a chat shows a long answer in pages. */
const PAGE = /^(?<verb>result)\s+(?<id>\S+)\s+(?<page>\d+)$/i;

/** `search` with the words that are searched for in the questions and answers of the chat. */
const SEARCH = /^search(?:\s+(?<words>\S.*))?$/isu;

/** `help` alone. */
const ASKS_FOR_HELP = /^(?:help|說明|幫助)$/i;

/** `continue`, with the task or for the newest one of the chat, and what Kimi is asked next. */
const CONTINUE = /^continue(?:\s+(?<task>kimi-\S+))?(?:\s+(?<prompt>.+))?$/isu;

/** `more TASK`: the rest of an answer that was cut. A button writes it, and may be pressed twice. */
const MORE = /^more\s+(?<task>kimi-(?<second>\d+)-\d+)$/i;

/** What Kimi is asked by {@link MORE}. It is part of conversations in any language. */
const GO_ON = '請從中斷的地方繼續。 Continue where the answer was cut, in its language.';

const EVERY_TASK_ID = new RegExp(TASK_ID_IN, 'g');

/** The newest task of the chat. */
export const LAST = 'last';

/** Most tasks in a list in a chat. */
const LISTED = '10';

/** Characters of an answer that are shown in the chat; the whole answer follows as a file. */
const EXCERPT_CHARS = 2_000;

const NOT_AUTHORIZED =
  '只有閘道授權的人可以使用這個指令（commands.allowFrom）。\nThis command is for those whom the gateway authorizes (commands.allowFrom).';

const NO_PROMPT =
  '沒有問題可以交給 Kimi，所以什麼都沒做。請把問題寫在同一則訊息裡；/kimi help 有用法。\n' +
  'There is no question for Kimi, so nothing was done. Write it in the same message; /kimi help shows how.';

const NO_WORDS = '要搜尋什麼？請寫 /kimi search 字詞。\nSearch for what? Write /kimi search WORDS.';

/** @returns what a command says that needs a task. */
function noTask(verb: string): string {
  return (
    `哪一個任務？請寫 /kimi ${verb} 和它的編號、名稱或 last；/kimi list 可查看有哪些任務。\n` +
    `Which task? Write /kimi ${verb} with its id, its name or last; /kimi list shows the tasks.`
  );
}

const NO_MORE =
  '什麼都沒做：/kimi more 要有完整的任務編號；也可以寫 /kimi continue 請繼續。\n' +
  'Nothing was done: /kimi more needs the whole id of a task; or write /kimi continue go on.';

/** What a command says where a map has rows with an answer each. */
const HAS_ROWS = /kimi-dispatch result (?<map>kimi-\d+-\d+) --all/;

/** The sender of a command, and its chat. */
export interface Asker {
  chat: Chat;
  /** Whether the sender may use commands. A prompt only needs a sender that the gateway accepts. */
  isAuthorized: boolean;
}

/**
 * Starts a task for a chat, or one for each row of a file.
 *
 * @param files paths of the files that go with it
 * @returns the reply: the two lines, the position in the queue, or the reason of a failure; and the task, which is not part of them
 */
export async function dispatchFromChat(
  run: Run,
  { prompt, before, once, options = new Map(), refusal }: Asked,
  { chat, isAuthorized }: Asker,
  files: readonly string[] = [],
): Promise<Reply> {
  if (refusal !== undefined) return { text: refusal };
  if (prompt.trim() === '') return { text: NO_PROMPT };
  if (options.has('map') && !isAuthorized) return { text: NOT_AUTHORIZED };
  const more = optionsOf(options, files);
  if ('text' in more) return more;
  const continuing = before === undefined ? [] : [`--continue=${before}`];
  const from = once && typeof chat !== 'string' ? { ...chat, message: once } : chat;
  return started(await forChat(run, from)(['dispatch', '-p', '-', ...continuing, ...more], prompt));
}

/** @returns what is said of a task that was started: `retry` names the task before it first. */
function started(ran: Ran): Reply {
  const task_id = ran.exit === 0 ? lastTaskIn(ran) : undefined;
  return { text: toChat(ran), ...(task_id && { task_id }) };
}

/** @returns the task that a command names last, beside its output. */
function lastTaskIn({ stderr }: Ran): string | undefined {
  return stderr.match(EVERY_TASK_ID)?.at(-1);
}

/** What Kimi is asked, the task whose conversation it continues, and the key under which it is asked once. */
export interface Asked {
  prompt: string;
  before?: string;
  once?: Route['message'];
  options?: ChatOptions;
  /** Why nothing is asked. */
  refusal?: string;
}

/** @returns what Kimi is asked by these words after `/kimi`. */
export function askedBy(args: string): Asked {
  const { task, second } = MORE.exec(args)?.groups ?? {};
  if (task) return { prompt: GO_ON, before: task, once: { id: `more:${task}`, at: Number(second) * 1_000 } };
  const continued = CONTINUE.exec(args)?.groups;
  if (!continued) return optionsIn(args);
  return { ...optionsIn(continued['prompt'] ?? ''), before: continued['task'] ?? LAST };
}

/** @returns the command line that searches. Words may look like options. */
export function searching(words: string, limit: string, more: readonly string[] = []): string[] {
  return ['search', '-l', limit, ...more, '--', ...words.trim().split(/\s+/)];
}

/** @returns whether these words after `/kimi` are a command and no prompt. */
export function isCommand(args: string): boolean {
  const words = args.trim();
  if (MORE.test(words)) return false;
  return isAboutSchedules(words) || [ASKS_FOR_HELP, SEARCH, PAGE, COMMAND].some((form) => form.test(words));
}

/**
 * Answers `/kimi …`. A chat has access to its own tasks, the gateway's own pages to all.
 *
 * @returns the reply; `undefined` if it has been sent already
 */
export async function answerCommand(
  run: Run,
  notifier: Pick<Notifier, 'showAnswer'>,
  args: string,
  { chat, isAuthorized }: Asker,
): Promise<Reply | undefined> {
  const asked = args.trim();
  if (ASKS_FOR_HELP.test(asked)) return { text: HELP };
  if (!isCommand(asked)) return await dispatchFromChat(run, askedBy(asked), { chat, isAuthorized });
  if (chat === 'unknown') return { text: UNKNOWN_CHAT };
  if (!isAuthorized) return { text: NOT_AUTHORIZED };
  if (isAboutSchedules(asked)) return await changeSchedules(run, asked, chat);
  const command = [SEARCH, PAGE, COMMAND].map((form) => form.exec(asked)?.groups).find(Boolean);
  const { id, words, page = '1' } = command ?? {};
  const verb = SEARCH.test(asked) ? 'search' : command?.['verb']?.toLowerCase();
  const tasks = forChat(run, chat);
  if (words !== undefined) return { text: block(toChat(await tasks(searching(words, LISTED)))) };
  switch (verb) {
    case 'search':
      return { text: NO_WORDS };
    case 'more':
      return { text: NO_MORE };
    case 'usage':
      return { text: block(toChat(await run(['usage']))) };
    case 'retry':
      return started(await tasks(['retry', ...named(id ?? LAST)]));
    case 'cancel':
    case 'allow':
      return { text: id ? toChat(await tasks([verb, ...named(id)])) : noTask(verb) };
    case 'result':
      return await showResult(tasks, notifier, { id, page: Math.max(1, Number(page)) }, chat);
    case undefined: {
      const ran = await tasks(['list', '-l', LISTED]);
      return { text: ran.exit === 0 && !TASK_ID_IN.test(ran.stdout) ? HELP : block(toChat(ran)) };
    }
    default:
      return { text: block(toChat(await tasks(id ? ['status', ...named(id)] : ['list', '-l', LISTED]))) };
  }
}

/** @returns the argument for a task. A word of a user may look like an option. */
function named(id: string): string[] {
  return id.startsWith('-') ? ['--', id] : [id];
}

async function changeSchedules(run: Run, args: string, chat: Chat): Promise<Reply> {
  const wanted = scheduling(args);
  if ('text' in wanted) return wanted;
  const ran = await forChat(run, chat)(...wanted.run);
  if (wanted.starts) return started(ran);
  return { text: wanted.lists ? block(toChat(ran)) : toChat(ran) };
}

/** Shows the beginning of an answer, and the whole as a file: of a map the counts, and its rows. */
async function showResult(
  tasks: Run,
  notifier: Pick<Notifier, 'showAnswer'>,
  { id, page }: { id: string | undefined; page: number },
  chat: Chat,
): Promise<Reply | undefined> {
  const ran = await tasks(['result', ...(id ? named(id) : [])]);
  const map = HAS_ROWS.exec(ran.stderr)?.groups?.['map'];
  const text = excerptOf(map === undefined ? toChat(ran) : ran.stdout, EXCERPT_CHARS);
  if ((ran.exit !== 0 && map === undefined) || typeof chat === 'string') return { text };
  const file =
    map === undefined
      ? { name: `${id ?? 'result'}.md`, content: ran.stdout }
      : { name: `${map}.csv`, content: `\uFEFF${(await tasks(['result', map, '--csv'])).stdout}\r\n` };
  const task = parseTaskId(id ?? '')?.task_id ?? lastTaskIn(ran);
  const shown = { task_id: map ?? task ?? '', page };
  const delivery = await notifier.showAnswer(chat, text, file, shown);
  if (!delivery) return { text: `沒有第 ${page} 段。 There is no part ${page}.` };
  return delivery.outcome === 'sent' ? undefined : { text: delivery.error ?? delivery.outcome };
}

/**
 * Commands that a chat has as well; `/kimi status` takes the place of `watch`. In parentheses a command is for the machine's
 * terminal: there `status` shows the address of the Web UI.
 */
const ADVISED = /kimi-dispatch (?<verb>status|list|cancel|allow|result|retry|usage|watch|schedule)\b(?! [\w-]+[)）])/g;

/** A chat has no `-n`: there a schedule is named after its prompt. */
const NAMING = [
  ['用 -n 取別的名稱', '換個問題開頭（名稱由它而來）'],
  ['Give another name with -n', 'Begin the prompt with other words (the name comes from them)'],
] as const;

/** @returns the text for a chat: an error advises its commands instead of those of a terminal. */
function toChat(ran: Ran): string {
  // A task that is paused is a success that advises a command.
  if (ran.exit === 0 && !ran.stdout.startsWith('⏸️')) return saidBy(ran);
  const said = NAMING.reduce((text, [advice, own]) => text.replace(advice, own), saidBy(ran));
  return said.replaceAll(ADVISED, (_, verb: string) => `/kimi ${verb === 'watch' ? 'status' : verb}`);
}

/** Keeps the columns of a table. */
function block(table: string): string {
  return table.includes('\n') ? `\`\`\`\n${table}\n\`\`\`` : table;
}
