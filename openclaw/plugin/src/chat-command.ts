import type { Route } from '../../../src/shared/chat.ts';
import { excerptOf } from '../../../src/shared/format.ts';
import { parseTaskId, TASK_ID_IN } from '../../../src/shared/task-id.ts';
import type { Reply } from './buttons.ts';
import { optionsIn, optionsOf, type ChatOption } from './chat-options.ts';
import { isAboutSchedules, scheduling } from './chat-schedule.ts';
import { saidBy, type Ran, type Run } from './command-line.ts';
import { HELP } from './help.ts';
import { forChat, UNKNOWN_CHAT, type Chat } from './routes.ts';
import type { Notifier } from './notifier.ts';

/** Subcommands, alone or with a task. A wrong id is reported by the command line; it must not become a prompt. */
const COMMAND = /^(?:(?<verb>status|list|cancel|allow|result|retry|usage)(?:\s+(?<id>kimi-\S*))?)?$/i;

/** `result TASK PAGE`, where a chat shows a long answer in pages. */
const PAGE = /^(?<verb>result)\s+(?<id>kimi-\S+)\s+(?<page>\d+)$/i;

/** `search` with the words that are searched for in the questions and answers of the chat. */
const SEARCH = /^search\s+(?<words>\S.*)$/isu;

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

const NO_ROWS =
  '--逐筆（--map）要附上一個 .csv、.jsonl 或 .txt，所以什麼都沒做。問題裡的 {{欄名}} 會逐筆代入，.txt 用 {{text}}。\n' +
  '--map needs an attached .csv, .jsonl or .txt, so nothing was done. {{column}} in the prompt stands for each row’s value, {{text}} of a .txt.';

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
  { prompt, before, once, options = [], misspelt }: Asked,
  { chat, isAuthorized }: Asker,
  files: readonly string[] = [],
): Promise<Reply> {
  if (misspelt) return { text: misspeltOption(misspelt) };
  if (options.includes('map') && !isAuthorized) return { text: NOT_AUTHORIZED };
  const more = optionsOf(options, files);
  if (!more) return { text: NO_ROWS };
  const continuing = before === undefined ? [] : [`--continue=${before}`];
  const from = once && typeof chat !== 'string' ? { ...chat, message: once } : chat;
  return started(await forChat(run, from)(['dispatch', '-p', '-', ...continuing, ...more], prompt));
}

function misspeltOption({ word, meant }: NonNullable<Asked['misspelt']>): string {
  return (
    `沒有 --${word} 這個選項，是不是 --${meant}？什麼都沒做。\n` +
    `There is no option --${word}; did you mean --${meant}? Nothing was done.`
  );
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
  options?: ChatOption[];
  misspelt?: ReturnType<typeof optionsIn>['misspelt'];
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
  const { verb = 'list', id, words, page = '1' } = command ?? {};
  const tasks = forChat(run, chat);
  if (words !== undefined) return { text: block(toChat(await tasks(searching(words, LISTED)))) };
  const ofTask = id ? [id] : [];
  switch (verb.toLowerCase()) {
    case 'usage':
      return { text: block(toChat(await run(['usage']))) };
    case 'retry':
      return started(await tasks(['retry', id ?? LAST]));
    case 'cancel':
    case 'allow':
      return { text: toChat(await tasks([verb.toLowerCase(), ...ofTask])) };
    case 'result':
      return await showResult(tasks, notifier, { id, page: Math.max(1, Number(page)) }, chat);
    default:
      return { text: block(toChat(await tasks(id ? ['status', id] : ['list', '-l', LISTED]))) };
  }
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
  const ran = await tasks(['result', ...(id ? [id] : [])]);
  const map = HAS_ROWS.exec(ran.stderr)?.groups?.['map'];
  const text = excerptOf(map === undefined ? toChat(ran) : ran.stdout, EXCERPT_CHARS);
  if ((ran.exit !== 0 && map === undefined) || typeof chat === 'string') return { text };
  const file =
    map === undefined
      ? { name: `${id ?? 'result'}.md`, content: ran.stdout }
      : { name: `${map}.csv`, content: `\uFEFF${(await tasks(['result', map, '--csv'])).stdout}\r\n` };
  const shown = { task_id: map ?? parseTaskId(id ?? lastTaskIn(ran) ?? '')?.task_id ?? '', page };
  const delivery = await notifier.showAnswer(chat, text, file, shown);
  if (!delivery) return { text: `沒有第 ${page} 段。 There is no part ${page}.` };
  return delivery.outcome === 'sent' ? undefined : { text: delivery.error ?? delivery.outcome };
}

/**
 * Commands that a chat has as well; `/kimi status` takes the place of `watch`. In parentheses a command is for the machine's
 * terminal: there `status` shows the address of the Web UI.
 */
const ADVISED = /kimi-dispatch (?<verb>status|list|cancel|allow|result|retry|usage|watch|schedule)\b(?! [\w-]+[)）])/g;

/** @returns the text for a chat: an error advises its commands instead of those of a terminal. */
function toChat(ran: Ran): string {
  // A task that is paused is a success that advises a command.
  if (ran.exit === 0 && !ran.stdout.startsWith('⏸️')) return saidBy(ran);
  return saidBy(ran).replaceAll(ADVISED, (_, verb: string) => `/kimi ${verb === 'watch' ? 'status' : verb}`);
}

/** Keeps the columns of a table. */
function block(table: string): string {
  return table.includes('\n') ? `\`\`\`\n${table}\n\`\`\`` : table;
}
