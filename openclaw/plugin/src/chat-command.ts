import { excerptOf } from '../../../src/shared/format.ts';
import { saidBy, type Run } from './command-line.ts';
import { forChat, UNKNOWN_CHAT, type Chat } from './routes.ts';
import type { Teller } from './teller.ts';

/** The words that are no prompt, each alone or with a task. The command line says what is wrong with an id: it must not become a prompt. */
const COMMAND = /^(?:(?<verb>status|list|cancel|result|usage)(?:\s+(?<id>kimi-\S*))?)?$/i;

/** Tasks that a chat is shown: more would fill its screen. */
const LISTED = '10';

/** How much of an answer is shown in the chat itself, in characters; the whole follows as a file. */
const EXCERPT_CHARS = 2_000;

const NOT_AUTHORIZED =
  '只有閘道授權的人可以使用這個指令（commands.allowFrom）。\nThis command is for those whom the gateway authorizes (commands.allowFrom).';

/** Who asks, and for which chat. */
export interface Asker {
  chat: Chat;
  /** Whether the gateway lets the sender use commands. A prompt needs no more than that the gateway listens to the sender. */
  isAuthorized: boolean;
}

/**
 * Starts a task for a chat.
 *
 * @returns what the chat is told: the two lines, the position in the queue, or the reason.
 */
export async function dispatchFromChat(run: Run, prompt: string, chat: Chat): Promise<string> {
  return saidBy(await forChat(run, chat)(['dispatch', '-p', '-'], prompt));
}

/**
 * Answers `/kimi …`. A chat sees its own tasks; the gateway's own pages see all.
 *
 * @returns what is left to say; `undefined` where the answer has been sent.
 */
export async function answerCommand(
  run: Run,
  teller: Pick<Teller, 'show'>,
  args: string,
  { chat, isAuthorized }: Asker,
): Promise<string | undefined> {
  const asked = args.trim();
  const command = COMMAND.exec(asked)?.groups;
  if (!command) return await dispatchFromChat(run, asked, chat);
  if (chat === 'unknown') return UNKNOWN_CHAT;
  if (!isAuthorized) return NOT_AUTHORIZED;
  const { verb = 'list', id } = command;
  const tasks = forChat(run, chat);
  const ofTask = id ? [id] : [];
  switch (verb.toLowerCase()) {
    case 'usage':
      return block(saidBy(await run(['usage'])));
    case 'cancel':
      return saidBy(await tasks(['cancel', ...ofTask]));
    case 'result': {
      const ran = await tasks(['result', ...ofTask]);
      if (ran.exit !== 0 || chat === 'everyone') return excerptOf(saidBy(ran), EXCERPT_CHARS);
      const file = { name: `${id ?? 'result'}.md`, content: ran.stdout };
      const told = await teller.show(chat, excerptOf(ran.stdout, EXCERPT_CHARS), file);
      return told.outcome === 'sent' ? undefined : (told.error ?? told.outcome);
    }
    default:
      return block(saidBy(await tasks(id ? ['status', id] : ['list', '-l', LISTED])));
  }
}

/** Keeps the columns of a table. */
function block(table: string): string {
  return table.includes('\n') ? `\`\`\`\n${table}\n\`\`\`` : table;
}
