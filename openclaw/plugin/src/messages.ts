import type {
  Config,
  InboundContext,
  PluginApi,
  ReplyDispatchContext,
  ReplyDispatchEvent,
  ReplyDispatchResult,
} from 'openclaw/plugin-sdk/plugin-entry';
import { taskFromMessage } from '../../../src/shared/chat.ts';
import { field } from '../../../src/shared/format.ts';
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
  logger: PluginApi['logger'];
}

/**
 * The one way in for messages, `Kimi: …` and `/kimi …` alike: `reply_dispatch` names the chat as the gateway itself would
 * reply to it, and the message with its time. The gateway hands a message over again when it was killed, or when the reply
 * could not be sent; the task's id comes from the message, so that it is one task all the same. A command handler of the
 * gateway is given no message, and is no place for anything that must happen once.
 *
 * A command that follows in the same chat aborts the message that the gateway is still working on (Telegram). What was asked
 * is carried out and answered all the same. The hook returns at the abort: until then, the gateway drops the command too.
 */
export function messageHook({ run, teller, isAuthorized, logger }: MessageHook) {
  return async (event: ReplyDispatchEvent, { cfg, dispatcher, abortSignal }: ReplyDispatchContext) => {
    if (event.isTailDispatch) return undefined;
    const { ctx } = event;
    const message = withoutMention(ctx);
    const command = COMMAND.exec(message)?.groups;
    const prompt = taskFromMessage(message);
    if (!command && prompt === undefined) return undefined;

    const chat = chatOfMessage(event);
    const answered = answer().catch((error: unknown) => {
      logger.warn(`kimi-dispatch: a message was not answered: ${field(String(error))}`);
      return false;
    });
    return {
      handled: true,
      queuedFinal: await Promise.race([answered, aborted(abortSignal)]),
      counts: dispatcher.getQueuedCounts(),
    } satisfies ReplyDispatchResult;

    /** @returns whether the answer is on its way to the chat. */
    async function answer(): Promise<boolean> {
      const text = await (
        command
          ? answerCommand(run, teller, command['args'] ?? '', { chat, isAuthorized: isAuthorized(ctx, cfg) })
          : dispatchFromChat(run, prompt ?? '', chat)
      ).catch((error: unknown) => String(error));
      if (text === undefined || event.suppressUserDelivery) return false;
      // The dispatcher sends nothing after an abort. A message that was written elsewhere for this chat, e.g. by `chat.send`, it
      // would answer there.
      const isPast = event.shouldRouteToOriginating || abortSignal?.aborted;
      if (!isPast || typeof chat === 'string') return dispatcher.sendFinalReply({ text: asData(text) });
      const { outcome, error } = await teller.show(chat, text, undefined);
      if (outcome !== 'sent') throw new Error(error ?? outcome);
      return true;
    }
  };
}

/** Resolves at the abort. */
async function aborted(signal: AbortSignal | undefined): Promise<false> {
  return await new Promise((resolve) => {
    if (signal?.aborted) resolve(false);
    signal?.addEventListener('abort', () => resolve(false), { once: true });
  });
}

/** Where a group's bot answers to its name only, the name stands in front. */
function withoutMention({ ChatType, ...ctx }: InboundContext): string {
  const said = [ctx.BodyForCommands, ctx.RawBody, ctx.Body].find((text) => text?.trim()) ?? '';
  return ChatType === 'direct' ? said : said.replace(/^\s*(?:@\S+|<@[^>\s]+>)\s+/, '');
}
