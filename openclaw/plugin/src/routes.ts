import type {
  BeforeDispatchContext,
  BeforeDispatchEvent,
  CommandContext,
  ToolContext,
} from 'openclaw/plugin-sdk/plugin-entry';
import { chatTarget } from '../../../src/chat-target.ts';
import type { Route } from '../../../src/contract.ts';

/** The gateway's own pages, which nothing can be sent to: their tasks are told to the owner. */
const NOT_A_CHAT = 'webchat';

interface Place {
  channel: string | undefined;
  to: string | undefined;
  accountId: string | undefined;
  threadId?: string | number | undefined;
  sessionKey: string | undefined;
}

/** Where a message came from. */
export function routeOfMessage(event: BeforeDispatchEvent, context: BeforeDispatchContext): Route | undefined {
  const route = routeOf({
    channel: event.channel ?? context.channelId,
    to: context.conversationId ?? context.senderId,
    accountId: context.accountId,
    sessionKey: event.sessionKey,
  });
  const { messageId: id, timestamp: at } = event;
  return route && { ...route, ...(id !== undefined && at !== undefined && { message: { id, at } }) };
}

/** Where a `/kimi` came from. */
export function routeOfCommand({ channel, from, to, accountId, messageThreadId, sessionKey }: CommandContext) {
  return routeOf({ channel, to: to ?? from, accountId, threadId: messageThreadId, sessionKey });
}

/** The chat that an agent is talking to. */
export function routeOfAgent({ deliveryContext = {}, sessionKey }: ToolContext): Route | undefined {
  const { channel, to, accountId, threadId } = deliveryContext;
  return routeOf({ channel, to, accountId, threadId, sessionKey });
}

/** The same chat has the same route, however the gateway names it. */
function routeOf({ channel, to, accountId, threadId, sessionKey }: Place): Route | undefined {
  if (!channel || !to || channel === NOT_A_CHAT) return undefined;
  return {
    channel,
    ...(threadId !== undefined && { thread_id: String(threadId) }),
    ...chatTarget(channel, to),
    ...(accountId && { account_id: accountId }),
    ...(sessionKey && { session_key: sessionKey }),
  };
}

/** The option that names a chat to the command line. */
export function toRoute(route: Route | undefined): string[] {
  return route ? ['--route', JSON.stringify(route)] : [];
}
