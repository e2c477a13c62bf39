import * as z from 'zod';
import { chatTarget, type Route } from '../shared/chat.ts';

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
