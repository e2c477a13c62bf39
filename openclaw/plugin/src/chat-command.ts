import type { Route } from '../../../src/shared/chat.ts';
import { excerptOf } from '../../../src/shared/format.ts';
import { parseTaskId, TASK_ID_IN } from '../../../src/shared/task-id.ts';
import type { Reply } from './buttons.ts';
import { saidBy, type Ran, type Run } from './command-line.ts';
import { forChat, UNKNOWN_CHAT, type Chat } from './routes.ts';
import type { Notifier } from './notifier.ts';

/** Subcommands, alone or with a task. A wrong id is reported by the command line; it must not become a prompt. */
const COMMAND = /^(?:(?<verb>status|list|cancel|result|retry|usage)(?:\s+(?<id>kimi-\S*))?)?$/i;

/** `result TASK PAGE`, where a chat shows a long answer in pages. */
const PAGE = /^(?<verb>result)\s+(?<id>kimi-\S+)\s+(?<page>\d+)$/i;

/** `search` with the words that are searched for in the questions and answers of the chat. */
const SEARCH = /^search\s+(?<words>\S.*)$/isu;

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

/** The sender of a command, and its chat. */
export interface Asker {
  chat: Chat;
  /** Whether the sender may use commands. A prompt only needs a sender that the gateway accepts. */
  isAuthorized: boolean;
}

/**
 * Starts a task for a chat.
 *
 * @param files paths of the files that go with it
 * @returns the reply: the two lines, the position in the queue, or the reason of a failure; and the task, which is not part of them
 */
export async function dispatchFromChat(
  run: Run,
  { prompt, before, once }: Asked,
  chat: Chat,
  files: readonly string[] = [],
): Promise<Reply> {
  const continuing = before === undefined ? [] : [`--continue=${before}`];
  const from = once && typeof chat !== 'string' ? { ...chat, message: once } : chat;
  return started(await forChat(run, from)(['dispatch', '-p', '-', ...continuing, ...attaching(files)], prompt));
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
}

/** @returns what Kimi is asked by these words after `/kimi`. */
export function askedBy(args: string): Asked {
  const { task, second } = MORE.exec(args)?.groups ?? {};
  if (task) return { prompt: GO_ON, before: task, once: { id: `more:${task}`, at: Number(second) * 1_000 } };
  const continued = CONTINUE.exec(args)?.groups;
  return continued ? { prompt: continued['prompt'] ?? '', before: continued['task'] ?? LAST } : { prompt: args };
}

/** @returns the options that attach files. */
export function attaching(files: readonly string[]): string[] {
  return files.map((path) => `--attach=${path}`);
}

/** @returns the command line that searches. Words may look like options. */
export function searching(words: string, limit: string, more: readonly string[] = []): string[] {
  return ['search', '-l', limit, ...more, '--', ...words.trim().split(/\s+/)];
}

/** @returns whether these words after `/kimi` are a command and no prompt. */
export function isCommand(args: string): boolean {
  return [SEARCH, PAGE, COMMAND].some((form) => form.test(args.trim()));
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
  const command = [SEARCH, PAGE, COMMAND].map((form) => form.exec(asked)?.groups).find(Boolean);
  if (!command) return await dispatchFromChat(run, askedBy(asked), chat);
  if (chat === 'unknown') return { text: UNKNOWN_CHAT };
  if (!isAuthorized) return { text: NOT_AUTHORIZED };
  const { verb = 'list', id, words, page = '1' } = command;
  const tasks = forChat(run, chat);
  if (words !== undefined) return { text: block(toChat(await tasks(searching(words, LISTED)))) };
  const ofTask = id ? [id] : [];
  switch (verb.toLowerCase()) {
    case 'usage':
      return { text: block(toChat(await run(['usage']))) };
    case 'retry':
      return started(await tasks(['retry', id ?? LAST]));
    case 'cancel':
      return { text: toChat(await tasks(['cancel', ...ofTask])) };
    case 'result': {
      const ran = await tasks(['result', ...ofTask]);
      if (ran.exit !== 0 || chat === 'everyone') {
        return { text: excerptOf(toChat(ran), EXCERPT_CHARS) };
      }
      const file = { name: `${id ?? 'result'}.md`, content: ran.stdout };
      const shown = {
        task_id: parseTaskId(id ?? lastTaskIn(ran) ?? '')?.task_id ?? '',
        page: Math.max(1, Number(page)),
      };
      const delivery = await notifier.showAnswer(chat, excerptOf(ran.stdout, EXCERPT_CHARS), file, shown);
      if (!delivery) return { text: `沒有第 ${shown.page} 段。 There is no part ${shown.page}.` };
      return delivery.outcome === 'sent' ? undefined : { text: delivery.error ?? delivery.outcome };
    }
    default:
      return { text: block(toChat(await tasks(id ? ['status', id] : ['list', '-l', LISTED]))) };
  }
}

/**
 * Commands that a chat has as well; `/kimi status` takes the place of `watch`. In parentheses a command is for the machine's
 * terminal: there `status` shows the address of the Web UI.
 */
const ADVISED = /kimi-dispatch (?<verb>status|list|cancel|result|retry|usage|watch)\b(?! [\w-]+[)）])/g;

/** @returns the text for a chat: an error advises its commands instead of those of a terminal. */
function toChat(ran: Ran): string {
  if (ran.exit === 0) return saidBy(ran);
  return saidBy(ran).replaceAll(ADVISED, (_, verb: string) => `/kimi ${verb === 'watch' ? 'status' : verb}`);
}

/** Keeps the columns of a table. */
function block(table: string): string {
  return table.includes('\n') ? `\`\`\`\n${table}\n\`\`\`` : table;
}
