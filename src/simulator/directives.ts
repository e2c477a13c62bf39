import * as z from 'zod';
import { FORMS } from './forms.ts';
import { REFUSALS } from './errors.ts';

const count = z.coerce.number().int().nonnegative();
const yes = z.literal('1').optional();

/**
 * What can be asked of the simulator, by a line `[[simulate: key=value key=value]]` in the prompt.
 *
 * Of both faces:
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `delay` | ms | how long the answer takes; of the real API, when streamed: how long until its first byte |
 * | `status` | 400–599 | the request is refused with this status |
 * | `type` | word | error type of that refusal, or of the failure |
 * | `refusals` | n | only the first n times |
 * | `size` | n | the answer is n characters long |
 *
 * Of the one that calls back:
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `accept-delay` | ms | how long the API id takes |
 * | `hang-up` | `1` | the request is taken, then the connection is cut without an answer |
 * | `fail` | `1` | the callback reports an error |
 * | `drop` | `1` | the callback is never sent |
 * | `duplicates` | n | the callback is sent n times more |
 * | `signature` | `wrong`, `none` | the callback is badly signed, or not at all |
 * | `scheme` | `contract`, `standard` | the callback is signed in one way in place of both |
 * | `age` | s | how old the callback's `webhook-timestamp` is |
 * | `early` | `1` | the callback is sent before the API id is returned |
 * | `direct` | `1` | the dispatch call returns the answer itself, and no callback follows |
 *
 * Of the real API:
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `error` | name | the request is refused with this row of {@link REFUSALS}, e.g. `tpm` |
 * | `reasoning` | n | the model reasons for n characters; 0 for not at all |
 * | `chunks` | n | pieces the answer is streamed in |
 * | `chunk-delay` | ms | between two of them |
 * | `repeat` | n | the answer ends with one line, n times |
 * | `comments` | `1` | a comment line comes before each |
 * | `break` | `cut`, `eof`, `error`, `stall` | the stream breaks: the connection is cut; it ends without `[DONE]`; it reports an error (named by `error`); nothing more comes |
 * | `after` | n | after this many chunks, the one with the role counted; after all of them if not said |
 * | `breaks` | n | only the first n times |
 * | `form` | name | the answer comes in this form of {@link FORMS}, e.g. `no-done`, `breaks` times at most; no other wish of how it is streamed counts |
 * | `mark` | word | the name that requests are counted under: by it, and not by their prompt, they are the same |
 */
const wishes = z.object({
  delay: count.optional(),
  status: z.coerce.number().int().min(400).max(599).optional(),
  type: z.string().optional(),
  refusals: z.coerce.number().int().positive().optional(),
  size: z.coerce.number().int().positive().optional(),

  'accept-delay': count.default(0),
  'hang-up': yes,
  fail: yes,
  drop: yes,
  duplicates: z.coerce.number().int().min(0).max(100).default(0),
  signature: z.enum(['right', 'wrong', 'none']).default('right'),
  scheme: z.enum(['both', 'contract', 'standard']).default('both'),
  age: z.coerce.number().int().default(0),
  early: yes,
  direct: yes,

  error: z.enum(Object.keys(REFUSALS) as [keyof typeof REFUSALS]).optional(),
  reasoning: count.optional(),
  chunks: z.coerce.number().int().positive().optional(),
  'chunk-delay': count.optional(),
  repeat: count.default(0),
  comments: yes,
  break: z.enum(['cut', 'eof', 'error', 'stall']).optional(),
  after: count.default(Infinity),
  breaks: z.coerce.number().int().positive().default(Infinity),
  form: z.enum(Object.keys(FORMS) as [string]).optional(),
  mark: z.string().optional(),
});

export type Wishes = z.infer<typeof wishes>;

/** Reads what a prompt asks of the simulator. */
export function wishesIn(prompt: string): z.ZodSafeParseResult<Wishes> {
  const line = /\[\[simulate:(?<wishes>[^\]]*)\]\]/.exec(prompt)?.groups?.['wishes'] ?? '';
  const pairs = line
    .trim()
    .split(/\s+/)
    .map((wish) => wish.split('=', 2) as [string, string]);
  return wishes.safeParse(Object.fromEntries(pairs));
}
