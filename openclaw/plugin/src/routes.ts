import { createHash } from 'node:crypto';
import type { CommandContext, ReplyDispatchEvent, ToolContext } from 'openclaw/plugin-sdk/plugin-entry';
import { chatTarget, type Route } from '../../../src/shared/chat.ts';
import type { Run } from './command-line.ts';

/**
 * Whose tasks a caller reaches: those of one chat, those of everyone (the gateway's own pages and its owner outside of any
 * chat), or none, since the chat is not known.
 */
export type Chat = Route | 'everyone' | 'unknown';

/** The gateway's own pages. Nothing can be sent there: the owner is notified of their tasks. */
const OWN_PAGES = 'webchat';

export const UNKNOWN_CHAT =
  '無法得知這是哪個聊天室，所以什麼都沒做。請改寫「Kimi：…」，或使用 kimi-dispatch 命令列。\n' +
  'The gateway does not say which chat this is, so nothing was done. Write “Kimi: …” instead, or use the kimi-dispatch command line.';

interface Place {
  channel: string | undefined;
  /** A target that the channel can send to. */
  to: string | undefined;
  accountId: string | undefined;
  threadId: string | number | undefined;
  sessionKey: string | undefined;
}

/**
 * The chat of a message: where the gateway itself would send its reply. `To` and `From` are no substitute: `To` is the bot's
 * own number in WhatsApp and `slash:<user>` for a slash command in Slack.
 */
export function chatOfMessage({ ctx }: Pick<ReplyDispatchEvent, 'ctx'>): Chat {
  const chat = chatAt({
    channel: ctx.OriginatingChannel,
    to: ctx.OriginatingTo,
    accountId: ctx.AccountId,
    threadId: ctx.MessageThreadId,
    sessionKey: ctx.CommandTargetSessionKey ?? ctx.SessionKey,
  });
  const id = ctx.MessageSidFull ?? ctx.MessageSid;
  if (typeof chat === 'string' || !id) return chat;
  if (ctx.Timestamp !== undefined) return { ...chat, message: { id, at: ctx.Timestamp } };
  // `chat.send` and some channels give no time. A client may use an id twice: without the text, the second message would be
  // answered with the first one's task.
  const said = JSON.stringify([id, ctx.BodyForCommands, ctx.RawBody, ctx.Body]);
  return { ...chat, message: { id: createHash('sha256').update(said).digest('hex').slice(0, 32), at: 0 } };
}

/**
 * The chat of a slash command in Discord, which does not come as a message. Discord delivers it once, so that it may start a
 * task; any other command that comes here has been missed by the message hook, and may come again.
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

/** The chat that an agent is talking to. */
export function chatOfAgent({ deliveryContext = {}, sessionKey, senderIsOwner }: ToolContext): Chat {
  const { channel, to, accountId, threadId } = deliveryContext;
  if (!channel && !to && senderIsOwner === true) return 'everyone';
  return chatAt({ channel, to, accountId, threadId, sessionKey });
}

/** The same chat has the same route, however the gateway names it. */
function chatAt({ channel, to, accountId, threadId, sessionKey }: Place): Chat {
  if (channel === OWN_PAGES) return 'everyone';
  if (!channel || !to || to.startsWith('slash:')) return 'unknown';
  return {
    channel,
    ...(threadId !== undefined && { thread_id: String(threadId) }),
    ...chatTarget(channel, to),
    ...(accountId && { account_id: accountId }),
    ...(sessionKey && { session_key: sessionKey }),
  };
}

/** @returns the command line, for the tasks of one chat. Where the chat is not known, it says so and does nothing. */
export function forChat(run: Run, chat: Chat): Run {
  if (chat === 'unknown') return async () => ({ exit: null, stdout: '', stderr: UNKNOWN_CHAT });
  if (chat === 'everyone') return run;
  return async (args, input) => await run([...args, '--route', JSON.stringify(chat)], input);
}
