import * as z from 'zod';
import type { ErrorDetail } from '../shared/error-detail.ts';
import type { AnswerCallback, Callback, ErrorCallback, Usage } from '../shared/callback.ts';
import { TOOLS } from '../shared/task.ts';

const tokens = z.int().nonnegative();

/** Optional members are dropped if they are wrong: the answer is paid for. */
const optional = <T extends z.ZodType>(shape: T) => shape.optional().catch(undefined);

/** Text that UTF-8 can encode: half of a surrogate pair, which JSON can contain, becomes U+FFFD. */
const text = z.string().transform((value) => value.toWellFormed());
const word = text.pipe(z.string().min(1));

const usage = z
  .object({
    prompt_tokens: tokens,
    completion_tokens: tokens,
    total_tokens: tokens.optional(),
    // Kimi was observed to send it twice.
    cached_tokens: optional(tokens),
    prompt_tokens_details: optional(z.object({ cached_tokens: tokens })),
    completion_tokens_details: optional(z.object({ reasoning_tokens: tokens })),
  })
  .transform((usage): Usage => {
    const { prompt_tokens, completion_tokens, completion_tokens_details } = usage;
    const cached_tokens = usage.prompt_tokens_details?.cached_tokens ?? usage.cached_tokens;
    return {
      prompt_tokens,
      completion_tokens,
      total_tokens: usage.total_tokens ?? prompt_tokens + completion_tokens,
      ...(cached_tokens !== undefined && { prompt_tokens_details: { cached_tokens } }),
      ...(completion_tokens_details && { completion_tokens_details }),
    };
  });

const functionCalls = optional(z.array(z.object({ id: text, name: text, arguments: text })).min(1));

const choice = z
  .object({
    message: z.object({ content: text, reasoning_content: optional(word), function_calls: functionCalls }),
    finish_reason: text.optional(),
  })
  // A model may spend all its tokens on reasoning: such an empty answer is paid for.
  .refine(
    ({ message: { content, function_calls: calls }, finish_reason }) =>
      content !== '' || calls !== undefined || finish_reason === 'length',
    { path: ['message', 'content'], message: 'is empty, and finish_reason is not length' },
  )
  .transform(({ message: { content, reasoning_content, function_calls }, ...rest }) => ({
    message: {
      content,
      ...(reasoning_content !== undefined && { reasoning_content }),
      ...(function_calls && { function_calls }),
    },
    ...rest,
  }));

/**
 * An answer, in a callback or a direct response (docs/http-api.md). Unused members are dropped without a check, since the answer is
 * paid for.
 */
const answer = z.object({ id: word, model: word, usage, choices: z.array(choice).min(1) });

const toolUse = z.object({
  tool: z.enum(TOOLS),
  input: text,
  sources: optional(z.array(text)),
  failed: optional(z.literal(true)),
  not_made: optional(z.literal(true)),
});
const toolUses = optional(z.array(toolUse));

const fallback = optional(
  z.object({
    asked_model: word,
    model: word,
    effort: optional(word),
    overloaded_ms: z.number().nonnegative(),
  }),
);

const metadata = z.object({ task_id: z.string(), task_name: text.optional() });

const answerCallback = answer
  .extend({
    metadata,
    error: z.null().optional(),
    interruptions: optional(z.int().positive()),
    tool_uses: toolUses,
    fallback,
  })
  .transform(({ error: _error, ...callback }): AnswerCallback => callback);

/** Only the relay sends it. */
const detail = z.object({ code: word }).catchall(z.union([text, z.number(), z.boolean(), z.array(text)]));

const errorCallback = z
  .object({
    id: word.optional(),
    model: word.optional(),
    error: z.object({ type: word, message: text, detail: optional(detail) }),
    partial: optional(text),
    partial_reasoning: optional(text),
    usage: optional(usage),
    interruptions: optional(z.int().positive()),
    tool_uses: toolUses,
    fallback,
    choices: z.undefined().optional(),
    metadata,
  })
  .transform(({ choices: _choices, error: { detail: said, ...error }, ...callback }): ErrorCallback => {
    return { ...callback, error: { ...error, ...(said && { detail: said as ErrorDetail }) } };
  });

/** A body that is not a callback; the message names every wrong member. */
export class MalformedCallback extends Error {
  override readonly name = 'MalformedCallback';
}

/**
 * Reads a callback from parsed JSON.
 *
 * @throws {MalformedCallback} with one sentence.
 */
export function parseCallback(json: unknown): Callback {
  const reportsError = typeof json === 'object' && json !== null && 'error' in json && json.error !== null;
  const parsed = (reportsError ? errorCallback : answerCallback).safeParse(json);
  if (!parsed.success) throw new MalformedCallback(explain(parsed.error));
  return parsed.data;
}

/**
 * Reads an answer that a provider returned from the dispatch call itself.
 *
 * @returns `undefined` if the body is not a complete answer.
 */
export function parseDirectAnswer(json: unknown, task_id: string): AnswerCallback | undefined {
  const parsed = answer.safeParse(json);
  if (!parsed.success) return undefined;
  return { ...parsed.data, metadata: { task_id } };
}

/** @returns the token counts of an answer; `undefined` if they are missing or invalid. */
export function readUsage(json: unknown): Usage | undefined {
  return usage.safeParse(json).data;
}

function explain(error: z.ZodError): string {
  return error.issues
    .map((issue) => `${issue.path.length > 0 ? issue.path.join('.') : 'body'}: ${issue.message}`)
    .join('; ');
}
