import * as z from 'zod';
import { chatTarget } from './chat-target.ts';
import { ROUTE_MEMO, type Route } from './contract.ts';

/** Goes into logs and histories: short, in one line, without a space. */
const word = z.string().regex(/^[^\s\p{C}]{1,256}$/u);

/** A {@link Route} as it comes from outside. */
const routeSchema = z
  .strictObject({
    channel: z.string().regex(/^[a-z][\w-]{0,63}$/),
    to: word,
    account_id: word.optional(),
    thread_id: word.optional(),
    session_key: word.optional(),
    message: z.strictObject({ id: word, at: z.int().min(0).max(9_999_999_999_999) }).optional(),
  })
  .transform((route) => ({ ...route, ...chatTarget(route.channel, route.to) }));

/** Reads a route. @returns `undefined` where it is none. */
export function readRoute(json: string): Route | undefined {
  try {
    return routeSchema.parse(JSON.parse(json));
  } catch {
    return undefined;
  }
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
