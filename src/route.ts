import { z } from 'zod';
import { chatTarget } from './chat-target.ts';
import type { Route } from './contract.ts';

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

/** @returns whether both are one chat. A thread of a group is a chat of its own. */
export function isSameChat(one: Route, other: Route): boolean {
  return chatOf(one) === chatOf(other);
}

function chatOf({ channel, account_id = 'default', to, thread_id }: Route): string {
  return JSON.stringify([channel, account_id, to, thread_id]);
}
