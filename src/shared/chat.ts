/** The chat that asked for a task. */
import { chatTarget } from './chat-names.ts';

/** A chat, by the identifiers of the agent's gateway. */
export interface Route {
  /** e.g. `telegram`. */
  channel: string;
  /** In its normal form (src/shared/chat-names.ts): `4242`, not `telegram:4242`. */
  to: string;
  /** The gateway's account on the channel. */
  account_id?: string;
  /** A topic or thread within the chat. */
  thread_id?: string;
  /** The gateway's conversation, whose agent is woken with `KIMI_REPLY=agent`. */
  session_key?: string;
  /** The message that started the task: a gateway that was killed may receive it again, which must not start a second task. */
  message?: { id: string; /** Milliseconds since 1970. */ at: number };
}

/** Key of the task's {@link Route} in its workflow's memo. */
export const ROUTE_MEMO = 'route';

/** Names of channels. */
export const CHANNEL = /^[a-z][\w-]{0,63}$/;

/** Other names appear in logs and histories: short, on one line, without a space. */
export const CHAT_WORD = /^[^\s\p{C}]{1,256}$/u;

/** Latest time of a message, in milliseconds since 1970. */
export const LATEST_MESSAGE_MS = 9_999_999_999_999;

/** Parses a route given from outside. @returns `undefined` if it is invalid. */
export function readRoute(json: string): Route | undefined {
  try {
    const { channel, to, account_id, thread_id, session_key, message, ...others } = JSON.parse(json) as Route;
    const words = [to, ...[account_id, thread_id, session_key, message?.id].filter((word) => word !== undefined)];
    const isRoute =
      matches(CHANNEL, channel) &&
      words.every((word) => matches(CHAT_WORD, word)) &&
      (message === undefined || isMessage(message)) &&
      Object.keys(others).length === 0;
    return isRoute ? withTarget(JSON.parse(json) as Route) : undefined;
  } catch {
    return undefined;
  }
}

/** @returns the route with the chat in its one form. */
export function withTarget(route: Route): Route {
  return { ...route, ...chatTarget(route.channel, route.to) };
}

function matches(pattern: RegExp, word: unknown): boolean {
  return typeof word === 'string' && pattern.test(word);
}

function isMessage({ id, at, ...others }: NonNullable<Route['message']>): boolean {
  const isTime = Number.isSafeInteger(at) && at >= 0 && at <= LATEST_MESSAGE_MS;
  return matches(CHAT_WORD, id) && isTime && Object.keys(others).length === 0;
}

/** @returns the chat that asked for a task, from the workflow's memo. */
export function routeIn({ memo }: { memo?: Record<string, unknown> }): Route | undefined {
  return memo?.[ROUTE_MEMO] as Route | undefined;
}

/** @returns whether both are the same chat. */
export function isSameChat(one: Route, other: Route): boolean {
  return chatKey(one) === chatKey(other);
}

/** @returns the chat that a thread belongs to; of any other chat, the chat itself. */
export function withoutThread({ thread_id: _, ...chat }: Route): Route {
  return chat;
}

/** @returns a key that is unique to a message; `undefined` if the message is not known. */
export function messageKey(route: Route | undefined): string | undefined {
  return route?.message && JSON.stringify([chatKey(route), route.message.id, route.message.at]);
}

/** @returns a key that is unique to a chat. A thread of a group is a separate chat. */
export function chatKey({ channel, account_id = 'default', to, thread_id }: Route): string {
  return JSON.stringify([channel, account_id, to, thread_id]);
}

/**
 * Finds the triggers at the start of a chat message, in any case:
 * `Kimi:`, `Kimi：` (full-width colon), or the word `kimi` followed by a space.
 *
 * @returns the task that follows the trigger, trimmed; `undefined` if there is no trigger or no text after it.
 */
export function taskFromMessage(message: string): string | undefined {
  const task = /^\s*kimi(?:[:：]|\s)(?<task>.*)$/isu.exec(message)?.groups?.['task']?.trim();
  return task === '' ? undefined : task;
}
