/** The chat that asked for a task. */

/** A chat, as the agent's gateway knows it. */
export interface Route {
  /** e.g. `telegram`. */
  channel: string;
  /** The chat itself, without the channel's name in front: `4242`, not `telegram:4242`. */
  to: string;
  /** Which of the gateway's accounts on the channel. */
  account_id?: string;
  /** A topic or thread within the chat. */
  thread_id?: string;
  /** The gateway's conversation, whose agent is woken with `KIMI_REPLY=agent`. */
  session_key?: string;
  /** The message that asked for the task: a gateway that was killed may be given it again, and that is one task all the same. */
  message?: { id: string; /** Milliseconds since 1970. */ at: number };
}

/** Key of the task's {@link Route} in its workflow's memo. */
export const ROUTE_MEMO = 'route';

/**
 * The same chat under one name, however the gateway has it: `4242`, `telegram:4242`, `telegram:group:-100`, or with its topic,
 * `-100:topic:7`. Of other channels nothing but their own name in front is known to be spare: `channel:1` and `user:1` differ.
 */
export function chatTarget(channel: string, to: string): { to: string; thread_id?: string } {
  const bare = to.startsWith(`${channel}:`) ? to.slice(channel.length + 1) : to;
  if (channel !== 'telegram') return { to: bare };
  const [, chat = bare, thread_id] = /^(?:group:|direct:)?(.+?)(?::topic:(\d+))?$/.exec(bare) ?? [];
  return { to: chat, ...(thread_id !== undefined && { thread_id }) };
}

/** @returns the chat that asked for a task. */
export function routeIn({ memo }: { memo?: Record<string, unknown> }): Route | undefined {
  return memo?.[ROUTE_MEMO] as Route | undefined;
}

/** @returns whether both are one chat. A thread of a group is a chat of its own. */
export function isSameChat(one: Route, other: Route): boolean {
  return chatOf(one) === chatOf(other);
}

/** @returns what is the same for one message alone, wherever it comes from; `undefined` where the message is not known. */
export function messageKey(route: Route | undefined): string | undefined {
  return route?.message && JSON.stringify([chatOf(route), route.message.id, route.message.at]);
}

function chatOf({ channel, account_id = 'default', to, thread_id }: Route): string {
  return JSON.stringify([channel, account_id, to, thread_id]);
}

/**
 * Finds the contract's triggers at the start of a chat message, in any case:
 * `Kimi:`, `Kimi：` (full-width colon), or the word `kimi` followed by a space.
 *
 * @returns the task that follows the trigger, trimmed; `undefined` where there is no trigger or nothing follows it.
 */
export function taskFromMessage(message: string): string | undefined {
  const task = /^\s*kimi(?:[:：]|\s)(?<task>.*)$/isu.exec(message)?.groups?.['task']?.trim();
  return task === '' ? undefined : task;
}
