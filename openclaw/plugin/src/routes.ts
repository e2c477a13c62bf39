import { createHash } from 'node:crypto';
import type { CommandContext, Press, ReplyDispatchEvent, ToolContext } from 'openclaw/plugin-sdk/plugin-entry';
import type { Route } from '../../../src/shared/chat.ts';
import { chatTarget } from '../../../src/shared/chat-names.ts';
import { channelOf, OWN_PAGES } from './channels.ts';
import type { Run } from './command-line.ts';

/** The tasks that a caller can access: those of one chat, all (the gateway's owner outside of any chat), or none if the chat is unknown. */
export type Chat = Route | 'everyone' | 'unknown';

export const UNKNOWN_CHAT =
  '無法得知這是哪個聊天室，所以什麼都沒做。請改寫「Kimi：…」，或使用 kimi-dispatch 命令列。\n' +
  'The gateway does not say which chat this is, so nothing was done. Write “Kimi: …” instead, or use the kimi-dispatch command line.';

interface Place {
  channel: string | undefined;
  /** The channel's target. */
  to: string | undefined;
  accountId: string | undefined;
  threadId: string | number | undefined;
  sessionKey: string | undefined;
}

/**
 * The chat of a message: the target of the gateway's own reply. `To` and `From` differ from it: `To` is the bot's number in WhatsApp,
 * and `slash:<user>` for a slash command in Slack.
 */
export function chatOfMessage({ ctx }: Pick<ReplyDispatchEvent, 'ctx'>): Chat {
  const chat = chatAt({
    channel: ctx.OriginatingChannel,
    to: ctx.OriginatingTo,
    accountId: ctx.AccountId,
    threadId: ctx.MessageThreadId ?? ctx.TransportThreadId ?? rootOf(ctx),
    sessionKey: ctx.CommandTargetSessionKey ?? ctx.SessionKey,
  });
  const id = ctx.MessageSidFull ?? ctx.MessageSid;
  if (typeof chat === 'string' || !id) return chat;
  if (ctx.Timestamp !== undefined) return { ...chat, message: { id, at: ctx.Timestamp } };
  // `chat.send` and some channels have no time. A client may reuse an id: without the text in the key, the second message would
  // get the task of the first one.
  const said = JSON.stringify([id, ctx.BodyForCommands, ctx.RawBody, ctx.Body]);
  return { ...chat, message: { id: createHash('sha256').update(said).digest('hex').slice(0, 32), at: 0 } };
}

/** The first message of a thread. Only in a group: in a private chat Feishu sets the same field for a quotation too. */
function rootOf({ OriginatingChannel = '', ChatType, RootMessageId }: ReplyDispatchEvent['ctx']): string | undefined {
  return channelOf(OriginatingChannel).threadsByRoot && ChatType !== 'direct' ? RootMessageId : undefined;
}

/**
 * The chat of a slash command in Discord, which is not a message. Discord delivers it once, so it may start a task; any other
 * command here has bypassed the message hook and may be redelivered.
 */
export function chatOfCommand({ channel, from, to, accountId, messageThreadId, sessionKey }: CommandContext): Chat {
  const { kind, id } = /^discord:(?:(?<kind>channel|group):)?(?<id>\d+)$/.exec(from ?? '')?.groups ?? {};
  if (channel !== 'discord' || !to?.startsWith('slash:') || !id) return 'unknown';
  return chatAt({
    channel,
    to: `${kind ? 'channel' : 'user'}:${id}`,
    accountId,
    threadId: messageThreadId,
    sessionKey,
  });
}

/** The chat of a button in Slack, as messages from there name it. A private chat has the name of its user. */
export function chatOfPress({ channel, accountId, conversationId, threadId, senderId }: Press): Route {
  return {
    channel,
    ...chatTarget(channel, conversationId.startsWith('D') && senderId ? senderId : conversationId),
    ...(accountId && { account_id: accountId }),
    ...(threadId && { thread_id: threadId }),
  };
}

/** The chat of an agent's run. */
export function chatOfAgent({ deliveryContext = {}, sessionKey, senderIsOwner }: ToolContext): Chat {
  const { channel, to, accountId, threadId } = deliveryContext;
  if (!channel && !to && senderIsOwner === true) return 'everyone';
  return chatAt({ channel, to, accountId, threadId, sessionKey });
}

/** Normalises the gateway's names of a chat. */
function chatAt({ channel, to, accountId, threadId, sessionKey }: Place): Chat {
  if (channel === OWN_PAGES && sessionKey) return { channel, to: sessionKey, session_key: sessionKey };
  if (!channel || !to || to.startsWith('slash:')) return 'unknown';
  const thread = threadId ?? channelOf(channel).threadInSession?.exec(sessionKey ?? '')?.[1];
  return {
    channel,
    ...(thread !== undefined && { thread_id: String(thread) }),
    ...chatTarget(channel, to),
    ...(accountId && { account_id: accountId }),
    ...(sessionKey && { session_key: sessionKey }),
  };
}

/** Commands that start a task for the chat, now or on time. */
const STARTING = /^(?:dispatch|retry|schedule add)\b/;

/**
 * @returns the command line, restricted to the tasks of a chat. The gateway's own pages access all tasks; those that they start are
 *   theirs. If the chat is unknown, it only reports that.
 */
export function forChat(run: Run, chat: Chat): Run {
  if (chat === 'unknown') return async () => ({ exit: null, stdout: '', stderr: UNKNOWN_CHAT });
  if (chat === 'everyone') return run;
  const isPage = chat.channel === OWN_PAGES;
  return async (args, input) => {
    if (isPage && !STARTING.test(args.join(' '))) return await run(args, input);
    // Words of a user that look like options stand after `--`.
    const end = args.includes('--') ? args.indexOf('--') : args.length;
    return await run([...args.slice(0, end), '--route', JSON.stringify(chat), ...args.slice(end)], input);
  };
}
