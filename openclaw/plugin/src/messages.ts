import type {
  Config,
  InboundContext,
  ReplyDispatchContext,
  ReplyDispatchEvent,
  ReplyDispatchResult,
} from 'openclaw/plugin-sdk/plugin-entry';
import { taskFromMessage } from '../../../src/shared/chat.ts';
import { answerCommand, dispatchFromChat } from './chat-command.ts';
import type { Run } from './command-line.ts';
import { chatOfMessage } from './routes.ts';
import { asData } from './safe-text.ts';
import type { Teller } from './teller.ts';

const COMMAND = /^\s*\/kimi(?:@\S+)?(?:\s+(?<args>.*))?$/isu;

export interface MessageHook {
  run: Run;
  teller: Pick<Teller, 'show'>;
  isAuthorized: (ctx: InboundContext, cfg: Config) => boolean;
}

/**
 * The one way in for messages, `Kimi: …` and `/kimi …` alike: `reply_dispatch` names the chat as the gateway itself would
 * reply to it, and the message with its time. The gateway hands a message over again when it was killed, or when the reply
 * could not be sent; the task's id comes from the message, so that it is one task all the same. A command handler of the
 * gateway is given no message, and is no place for anything that must happen once.
 */
export function messageHook({ run, teller, isAuthorized }: MessageHook) {
  return async (event: ReplyDispatchEvent, { cfg, dispatcher }: ReplyDispatchContext) => {
    if (event.isTailDispatch) return undefined;
    const { ctx } = event;
    const message = withoutMention(ctx);
    const command = COMMAND.exec(message)?.groups;
    const prompt = taskFromMessage(message);
    if (!command && prompt === undefined) return undefined;

    const chat = chatOfMessage(event);
    const text = await (
      command
        ? answerCommand(run, teller, command['args'] ?? '', { chat, isAuthorized: isAuthorized(ctx, cfg) })
        : dispatchFromChat(run, prompt ?? '', chat)
    ).catch((error: unknown) => String(error));
    return {
      handled: true,
      queuedFinal: await say(),
      counts: dispatcher.getQueuedCounts(),
    } satisfies ReplyDispatchResult;

    async function say(): Promise<boolean> {
      if (text === undefined || event.suppressUserDelivery) return false;
      // A message that was written elsewhere for this chat, e.g. by `chat.send`: the dispatcher would answer there.
      if (!event.shouldRouteToOriginating || typeof chat === 'string') {
        return dispatcher.sendFinalReply({ text: asData(text) });
      }
      const { outcome } = await teller.show(chat, text, undefined);
      return outcome === 'sent';
    }
  };
}

/** Where a group's bot answers to its name only, the name stands in front. */
function withoutMention({ ChatType, ...ctx }: InboundContext): string {
  const said = [ctx.BodyForCommands, ctx.RawBody, ctx.Body].find((text) => text?.trim()) ?? '';
  return ChatType === 'direct' ? said : said.replace(/^\s*(?:@\S+|<@[^>\s]+>)\s+/, '');
}
