import type { Route } from '../../../src/contract.ts';
import { excerptOf } from '../../../src/excerpt.ts';
import { saidBy, type Run } from './command-line.ts';
import { dispatchFromChat } from './dispatch.ts';
import { toRoute } from './routes.ts';
import { asData } from './safe-text.ts';
import type { Teller } from './teller.ts';

/** The words that are no prompt, each alone or with a task. The command line says what is wrong with an id: it must not become a prompt. */
const COMMAND = /^(?<verb>status|list|cancel|result|usage)(?:\s+(?<id>kimi-\S*))?$/i;

/** Tasks that a chat is shown: more would fill its screen. */
const LISTED = '10';

/** How much of an answer is shown in the chat itself, in characters; the whole follows as a file. */
const EXCERPT_CHARS = 2_000;

/** Answers `/kimi …`. A chat sees its own tasks; the gateway's own pages see all. */
export async function answerCommand(
  run: Run,
  teller: Teller,
  args: string,
  route: Route | undefined,
): Promise<{ text?: string; suppressReply?: boolean }> {
  const asked = args.trim();
  const { verb = '', id } = COMMAND.exec(asked)?.groups ?? {};
  const chat = toRoute(route);
  switch (verb.toLowerCase()) {
    case 'usage':
      return { text: block(await said(run, ['usage'])) };
    case 'cancel':
      return { text: await said(run, ['cancel', ...(id ? [id] : []), ...chat]) };
    case 'result': {
      const ran = await run(['result', ...(id ? [id] : []), ...chat]);
      if (ran.exit !== 0 || !route) return { text: asData(excerptOf(saidBy(ran), EXCERPT_CHARS)) };
      const file = { name: `${id ?? 'result'}.md`, content: ran.stdout };
      const told = await teller.show(route, excerptOf(ran.stdout, EXCERPT_CHARS), file);
      return told.outcome === 'sent' ? { suppressReply: true } : { text: told.error ?? told.outcome };
    }
    case 'status':
    case 'list':
      if (id) return { text: await said(run, ['status', id, ...chat]) };
      return { text: block(await said(run, ['list', '-l', LISTED, ...chat])) };
    default:
      return { text: await dispatchFromChat(run, asked, route) };
  }
}

async function said(run: Run, args: string[]): Promise<string> {
  return saidBy(await run(args));
}

/** Keeps the columns of a table. */
function block(table: string): string {
  return table.includes('\n') ? `\`\`\`\n${table}\n\`\`\`` : table;
}
