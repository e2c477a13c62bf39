import * as z from 'zod';
import { FORMS } from './forms.ts';
import { REFUSALS } from './errors.ts';

const count = z.coerce.number().int().nonnegative();
const yes = z.literal('1').optional();

/**
 * Directives for the simulator: a line `[[simulate: key=value key=value]]` in the prompt; in a conversation, after
 * its last answer.
 *
 * For both APIs:
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `delay` | ms | how long the answer takes; if it is streamed, until its first byte |
 * | `status` | 400–599 | the request is refused with this status |
 * | `type` | word | error type of that refusal, or of the failure |
 * | `refusals` | n | only the first n requests are refused |
 * | `size` | n | the answer is n characters long |
 *
 * For the API that calls back:
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `accept-delay` | ms | how long the API id takes |
 * | `hang-up` | `1` | the request is accepted, then the connection is closed without a response |
 * | `fail` | `1` | the callback reports an error |
 * | `drop` | `1` | the callback is never sent |
 * | `duplicates` | n | the callback is sent n times more |
 * | `signature` | `wrong`, `none` | the callback is badly signed, or not at all |
 * | `scheme` | `contract`, `standard` | the callback is signed by one scheme only |
 * | `age` | s | how old the callback's `webhook-timestamp` is |
 * | `early` | `1` | the callback is sent before the API id is returned |
 * | `direct` | `1` | the dispatch call returns the answer itself, and no callback follows |
 *
 * For Moonshot's API:
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `error` | name | the request is refused with this row of {@link REFUSALS}, e.g. `tpm` |
 * | `calls` | n | the model calls the tools of the request this often before it answers; once by default |
 * | `says` | `1` | it also writes its answer when it calls them |
 * | `reasoning` | n | the model reasons for n characters; 0 for not at all |
 * | `chunks` | n | pieces the answer is streamed in |
 * | `chunk-delay` | ms | pause between two of them |
 * | `repeat` | n | the last line of the answer is repeated n times |
 * | `comments` | `1` | a comment line precedes each |
 * | `break` | `cut`, `eof`, `error`, `stall` | the stream is interrupted: the connection is closed; it ends without `[DONE]`; it reports an error (named by `error`); no more data is sent |
 * | `after` | n | after this many chunks, the one with the role included; after all of them by default |
 * | `breaks` | n | only the first n requests are interrupted |
 * | `form` | name | the answer has this form of {@link FORMS}, e.g. `no-done`, at most `breaks` times; other directives on streaming are ignored |
 * | `mark` | word | requests with the same mark are counted as one request, whatever their prompts |
 */
const directives = z.object({
  delay: count.optional(),
  status: z.coerce.number().int().min(400).max(599).optional(),
  type: z.string().optional(),
  refusals: z.coerce.number().int().positive().optional(),
  size: z.coerce.number().int().positive().optional(),

  'accept-delay': count.optional(),
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
  calls: count.default(1),
  says: yes,
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

export type Directives = z.infer<typeof directives>;

/** Parses the directives of a prompt. */
export function directivesIn(prompt: string): z.ZodSafeParseResult<Directives> {
  const line = /\[\[simulate:(?<pairs>[^\]]*)\]\]/.exec(prompt)?.groups?.['pairs'] ?? '';
  const pairs = line
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split('=', 2) as [string, string]);
  return directives.safeParse(Object.fromEntries(pairs));
}
