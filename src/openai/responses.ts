/** Requests for a response: a task, in the background or awaited. */
import * as z from 'zod';
import { present } from '../api/operation.ts';
import { TASK_ID } from '../shared/task-id.ts';
import type { Tool } from '../shared/task.ts';
import { Problem } from '../tasks/problem.ts';
import type { CallerTasks, NewTask } from '../tasks/tasks.ts';
import { invalidValue, unsupported } from './errors.ts';
import { functionsIn, responseChoice, responseFunction } from './functions.ts';
import { taskIdOf } from './ids.ts';
import { dialogueOf, partsOf } from './messages.ts';
import { common, effort, jsonSchema, readBody, thinkingOf, tokenLimit } from './parameters.ts';
import { outputOf } from './response-object.ts';

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z.string().optional(),
    description: z.string().optional(),
    strict: z.boolean().nullish(),
    schema: jsonSchema,
  }),
]);

/** Kimi's own tools under OpenAI's names. */
const TOOLS = { web_search: 'search', web_search_preview: 'search', code_interpreter: 'code' } as const;

const tool = z.discriminatedUnion('type', [
  responseFunction,
  z.strictObject({
    type: z.enum(['web_search', 'web_search_preview', 'code_interpreter']),
    container: z.strictObject({ type: z.literal('auto') }).optional(),
  }),
]);

const body = z.object({
  ...common,
  model: common.model.optional(),
  input: z.union([z.string(), z.array(z.unknown()).min(1)]),
  instructions: z.string().optional(),
  previous_response_id: z.string().optional(),
  background: z.boolean().optional(),
  max_output_tokens: tokenLimit,
  reasoning: z
    .strictObject({ effort: effort.nullish(), summary: z.unknown(), generate_summary: z.unknown() })
    .partial()
    .optional(),
  text: z.strictObject({ format: format.optional(), verbosity: z.literal('medium').nullish() }).optional(),
  tools: z.array(tool).max(128).optional(),
  tool_choice: responseChoice.optional(),
  service_tier: z.literal('flex').optional(),
});

export interface AskedResponse {
  task: NewTask;
  background: boolean;
  stream: boolean;
}

/** @throws {OpenAiError} if a parameter is wrong or not supported */
export async function responseIn(json: unknown, tasks: CallerTasks): Promise<AskedResponse> {
  const asked = readBody(body, json);
  const { background = false, stream = false, store, previous_response_id: previous, service_tier: tier } = asked;
  if (background && store === false) throw invalidValue('store', 'a response in the background is stored');
  if (tier && !background)
    throw unsupported('service_tier', 'flex is answered within a day, so only in the background');
  const { input, tools = [], tool_choice: choice } = asked;
  const messages =
    typeof input === 'string'
      ? [{ role: 'user', content: input }]
      : await Promise.all(input.map(async (item, index) => await itemIn(tasks, item, `input[${index}].id`)));
  const { request, conversation, ...parts } = await partsOf(tasks, dialogueOf(messages, 'input', asked.instructions));
  if (previous !== undefined && conversation) {
    throw unsupported('input', 'with previous_response_id, it may have no answers');
  }
  const wanted = asked.text?.format;
  const task: NewTask = present({
    model: asked.model,
    ...parts,
    conversation,
    ...(previous !== undefined && { continue: taskIdOf('Response', previous), own_options: true as const }),
    metadata: asked.metadata,
    wake: false as const,
    // As at OpenAI, webhooks report what is answered in the background.
    event: background ? { form: 'openai' as const } : undefined,
    request: present({
      ...request,
      temperature: asked.temperature,
      max_tokens: asked.max_output_tokens,
      ...thinkingOf(asked.model ?? '', asked.reasoning?.effort ?? undefined),
      json_schema: wanted?.type === 'json_schema' ? wanted.schema : undefined,
      ...(choice !== 'none' && ownTools(tools)),
      ...functionsIn(
        tools.filter((each) => each.type === 'function'),
        choice,
        asked.parallel_tool_calls,
      ),
      batch: tier && (true as const),
    }),
  });
  return { task, background, stream };
}

const reference = z.strictObject({ type: z.literal('item_reference'), id: z.string() });

/**
 * @param at the parameter that names the item
 * @returns an item; one of an earlier response, if that is named in its place (by the Vercel AI SDK), with the reasoning of its answer
 */
async function itemIn(tasks: CallerTasks, item: unknown, at: string): Promise<unknown> {
  const { data } = reference.safeParse(item);
  if (!data) return item;
  const [, task_id = ''] = /^(?:msg|fc)_([^_]+)/.exec(data.id) ?? [];
  const result = TASK_ID.test(task_id) ? await tasks.result(task_id).catch(unlessUnknown) : undefined;
  const named = result && outputOf(result).find(({ id }) => id === data.id);
  if (!named) throw invalidValue(at, `there is no item ${data.id}`);
  return named.type === 'message' ? { ...named, reasoning_content: result.reasoning } : named;
}

function unlessUnknown(error: unknown): undefined {
  if (!(error instanceof Problem && error.code === 'unknown_task')) throw error;
}

/** @returns the tools that Moonshot runs. */
function ownTools(tools: readonly z.output<typeof tool>[]): { tools?: Tool[] } {
  const own = tools.flatMap(({ type }) => (type === 'function' ? [] : [TOOLS[type]]));
  return own.length > 0 ? { tools: own } : {};
}
