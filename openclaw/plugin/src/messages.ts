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
import type { Answers } from './answers.ts';
import { messageOf, type Reply } from './buttons.ts';
import { channelOf } from './channels.ts';
import { answerCommand, askedBy, dispatchFromChat, isCommand, LAST, type Asked } from './chat-command.ts';
import { optionsIn } from './chat-options.ts';
import type { Run } from './command-line.ts';
import { filesNotTaken, filesOf } from './files.ts';
import type { ProgressLines } from './progress.ts';
import { typedText, withQuotation } from './prompt.ts';
import { chatOfMessage, type Chat } from './routes.ts';
import type { Notifier } from './notifier.ts';

const COMMAND = /^\s*\/kimi(?:@\S+)?(?:\s+(?<args>.*))?$/isu;

export interface MessageHook {
  run: Run;
  notifier: Pick<Notifier, 'show' | 'showAnswer'>;
  progress: Pick<ProgressLines, 'follow'>;
  answers: Pick<Answers, 'taskOf'>;
  /** Folder of the files that the gateway received. */
  media: string;
  isAuthorized: (ctx: InboundContext, cfg: Config) => boolean;
  logger: PluginApi['logger'];
}

/**
 * Handles the messages `Kimi: …` and `/kimi …`. `reply_dispatch` gives the chat of the reply, and the message with its time. The
 * gateway redelivers a message after a crash or a failed reply; the task id derives from the message, so that it stays one task. A
 * command handler of the gateway gets no message, so it must not start tasks.
 *
 * A later command in the same chat aborts a message that is still being handled (Telegram). The task is started and answered
 * anyway. The hook returns at the abort: until then, the gateway drops the command too.
 */
export function messageHook({ run, notifier, progress, answers, media, isAuthorized, logger }: MessageHook) {
  return async (event: ReplyDispatchEvent, context: ReplyDispatchContext) => {
    if (event.isTailDispatch) return undefined;
    const { ctx } = event;
    const { cfg, dispatcher, abortSignal } = context;
    const message = typedText(ctx);
    const command = COMMAND.exec(message)?.groups;
    const prompt = taskFromMessage(message);
    if (!command && prompt === undefined) return undefined;

    const chat = chatOfMessage(event);
    const answered = answer().catch((error: unknown) => {
      logger.warn(`kimi-dispatch: a message was not answered: ${field(String(error))}`);
      return false;
    });
    const queuedFinal = await Promise.race([answered, aborted(abortSignal)]);
    context.recordProcessed('completed', { reason: 'kimi-dispatch' });
    context.markIdle('message_completed');
    return { handled: true, queuedFinal, counts: dispatcher.getQueuedCounts() } satisfies ReplyDispatchResult;

    async function reply(): Promise<Reply | undefined> {
      const asked = command ? (command['args'] ?? '').trim() : (prompt ?? '');
      const asker = { chat, isAuthorized: isAuthorized(ctx, cfg) };
      if (command && isCommand(asked)) return await answerCommand(run, notifier, asked, asker);
      const wanted: Asked = command ? askedBy(asked) : optionsIn(asked);
      const { prompt: next, before: named, once, options } = wanted;
      // The rows of a map continue no task.
      const mayReply = (named === undefined || named === LAST) && !options?.has('map');
      const replied = mayReply ? await answeredBy(ctx, chat, answers) : undefined;
      const isContinuation = replied !== undefined || once !== undefined;
      const { taken, left } = await filesOf(ctx, media, isContinuation);
      const words = { ...wanted, prompt: withQuotation(next, ctx, isContinuation), before: replied ?? named };
      const { text, task_id } = await dispatchFromChat(run, words, asker, taken);
      return { text: [text, filesNotTaken(left)].filter(Boolean).join('\n\n'), ...(task_id && { task_id }) };
    }

    /** A quick reply is a message of the user who was answered: without commands, that user cannot cancel. */
    function offered({ text, task_id }: Reply): Reply {
      const isRefused = channelOf(ctx.OriginatingChannel ?? '').buttons === 'quickReply' && !isAuthorized(ctx, cfg);
      return { text, ...(task_id && !isRefused && { task_id }) };
    }

    /** @returns whether the dispatcher sends the answer. */
    async function answer(): Promise<boolean> {
      const said: Reply | undefined = await reply().catch((error: unknown) => ({ text: String(error) }));
      if (said?.task_id && typeof chat !== 'string') progress.follow(said.task_id, chat);
      if (said === undefined || event.suppressUserDelivery) return false;
      // The dispatcher sends nothing after an abort, and it would reply to the origin of a message that was written elsewhere for
      // this chat, e.g. by `chat.send`.
      const isPast = event.shouldRouteToOriginating || abortSignal?.aborted;
      if (!isPast || typeof chat === 'string')
        return dispatcher.sendFinalReply(messageOf(offered(said), ctx.OriginatingChannel, chat));
      const { outcome, error } = await notifier.show(chat, said.text);
      if (outcome !== 'sent') throw new Error(error ?? outcome);
      return true;
    }
  };
}

/** @returns the task whose answer this message replies to. */
async function answeredBy(
  { ReplyToId, ReplyToIsExternal }: InboundContext,
  chat: Chat,
  answers: MessageHook['answers'],
): Promise<string | undefined> {
  if (ReplyToId === undefined || ReplyToIsExternal || typeof chat === 'string') return undefined;
  return await answers.taskOf(chat, ReplyToId);
}

/** Resolves at the abort. */
async function aborted(signal: AbortSignal | undefined): Promise<false> {
  return await new Promise((resolve) => {
    if (signal?.aborted) resolve(false);
    signal?.addEventListener('abort', () => resolve(false), { once: true });
  });
}
