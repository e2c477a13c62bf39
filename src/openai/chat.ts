/** Chat completions: a task whose client waits. */
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { CompletionUsage } from 'openai/resources/completions';
import * as z from 'zod';
import { present } from '../api/operation.ts';
import { asksForFunctions, isTruncated, type ResultFile, type Tokens } from '../shared/result.ts';
import type { CallerTasks, NewTask } from '../tasks/tasks.ts';
import { failureOf, OpenAiError, overBudget, unsupported } from './errors.ts';
import type { Update } from './follow.ts';
import { chatCalls, chatChoice, chatFunction, functionsIn } from './functions.ts';
import { dialogueOf, partsOf } from './messages.ts';
import { common, effort, jsonSchema, readBody, thinkingOf, tokenLimit } from './parameters.ts';

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: z.string().optional(),
      description: z.string().optional(),
      strict: z.boolean().nullish(),
      schema: jsonSchema,
    }),
  }),
]);

const body = z.object({
  ...common,
  messages: z.array(z.unknown()).min(1),
  max_tokens: tokenLimit,
  max_completion_tokens: tokenLimit,
  reasoning_effort: effort,
  response_format: format.optional(),
  web_search_options: z.record(z.string(), z.unknown()).optional(),
  tools: z.array(chatFunction).max(128).optional(),
  tool_choice: chatChoice.optional(),
});

export interface AskedChat {
  task: NewTask;
  stream: boolean;
  includeUsage: boolean;
}

/** @throws {OpenAiError} if a parameter is wrong or not supported */
export async function chatIn(json: unknown, tasks: CallerTasks): Promise<AskedChat> {
  const asked = readBody(body, json);
  const { model, web_search_options: search, response_format: wanted, tools = [], tool_choice: choice } = asked;
  const [option] = Object.keys(search ?? {});
  if (option !== undefined) throw unsupported(`web_search_options.${option}`);
  const { request, ...parts } = await partsOf(tasks, dialogueOf(asked.messages, 'messages'));
  const task: NewTask = present({
    model,
    ...parts,
    metadata: asked.metadata,
    wake: false as const,
    request: present({
      ...request,
      temperature: asked.temperature,
      max_tokens: asked.max_completion_tokens ?? asked.max_tokens,
      ...thinkingOf(model, asked.reasoning_effort),
      json_schema: wanted?.type === 'json_schema' ? wanted.json_schema.schema : undefined,
      tools: search && ['search' as const],
      ...functionsIn(
        tools.map(({ function: each }) => each),
        typeof choice === 'object' ? choice.function : choice,
        asked.parallel_tool_calls,
      ),
    }),
  });
  return { task, stream: asked.stream ?? false, includeUsage: asked.stream_options?.include_usage ?? false };
}

function chatId(task_id: string): string {
  return `chatcmpl-${task_id}`;
}

type Message = ChatCompletion['choices'][number]['message'] & { reasoning_content?: string };

/** @throws {OpenAiError} if there is no answer */
export function completionOf(result: ResultFile): ChatCompletion {
  if (result.status !== 'done') throw failureOf(result);
  const { task_id, model, output, reasoning, function_calls: calls, tokens, created_at } = result;
  const message: Message = {
    role: 'assistant',
    content: output ?? (calls ? null : ''),
    refusal: null,
    ...(calls && { tool_calls: chatCalls(calls) }),
    // As Kimi's own API has it.
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
  };
  return {
    id: chatId(task_id),
    object: 'chat.completion',
    created: secondsOf(created_at),
    model,
    choices: [{ index: 0, message, finish_reason: finishOf(result), logprobs: null }],
    ...(tokens && { usage: usageOf(tokens) }),
  };
}

/** @param time ISO 8601 @returns seconds since 1970 */
export function secondsOf(time: string): number {
  return Math.floor(Date.parse(time) / 1000);
}

function finishOf(result: ResultFile): 'stop' | 'length' | 'tool_calls' {
  if (asksForFunctions(result)) return 'tool_calls';
  return isTruncated(result) ? 'length' : 'stop';
}

function usageOf({ prompt, completion, total, cached = 0, reasoning = 0 }: Tokens): CompletionUsage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: total,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

type Delta = ChatCompletionChunk['choices'][number]['delta'] & { reasoning_content?: string };

/**
 * @param started the task, and its start in seconds since 1970
 * @returns the chunks of a streamed completion
 * @throws {OpenAiError} if there is no answer, or another one than was begun
 */
export async function* chunksOf(
  updates: AsyncIterable<Update>,
  { task_id, model, created }: { task_id: string; model: string; created: number },
  includeUsage: boolean,
): AsyncGenerator<ChatCompletionChunk> {
  const head = { id: chatId(task_id), object: 'chat.completion.chunk' as const, created, model };
  const chunk = (delta: Delta, finish_reason: ReturnType<typeof finishOf> | null = null): ChatCompletionChunk => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason, logprobs: null }],
  });
  yield chunk({ role: 'assistant', content: '' });
  const sent = { content: '', reasoning: '' };
  for await (const update of updates) {
    if ('begun' in update) continue;
    if ('paused' in update) throw overBudget(task_id, update.paused);
    const { content, reasoning } = 'result' in update ? restOf(update.result, sent) : update;
    if (reasoning !== '') yield chunk({ reasoning_content: reasoning });
    if (content !== '') yield chunk({ content });
    sent.content += content;
    sent.reasoning += reasoning;
    if (!('result' in update)) continue;
    const { tokens, function_calls: calls } = update.result;
    if (calls) yield chunk({ tool_calls: chatCalls(calls).map((call, index) => ({ index, ...call })) });
    yield chunk({}, finishOf(update.result));
    if (includeUsage && tokens) yield { ...head, choices: [], usage: usageOf(tokens) };
  }
}

function restOf(result: ResultFile, sent: { content: string; reasoning: string }) {
  if (result.status !== 'done') throw failureOf(result);
  const { output = '', reasoning = '' } = result;
  if (!output.startsWith(sent.content)) throw textChanged(result.task_id);
  // Reasoning of another attempt does not continue what was sent.
  const isSame = sent.content === '' && reasoning.startsWith(sent.reasoning);
  return {
    content: output.slice(sent.content.length),
    reasoning: isSame ? reasoning.slice(sent.reasoning.length) : '',
  };
}

export function textChanged(task_id: string): OpenAiError {
  const message = `Kimi's answer was interrupted, and the text of the next attempt is another one; retrieve the response resp_${task_id} for the whole text`;
  return new OpenAiError(500, message, { code: 'text_changed' });
}
