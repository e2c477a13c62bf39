/** Functions of the client, and the model's calls of them, in the forms of both endpoints. */
import type { ChatCompletionMessageFunctionToolCall } from 'openai/resources/chat/completions';
import type { FunctionTool as ResponseFunction, ResponseFunctionToolCall } from 'openai/resources/responses/responses';
import * as z from 'zod';
import { functionTool } from '../api/question-schemas.ts';
import { asksForFunctions, type ResultFile } from '../shared/result.ts';
import type { FunctionCall, FunctionTool, TaskRequest } from '../shared/task.ts';
import { invalidValue, unsupported } from './errors.ts';

const { name, description, parameters, strict } = functionTool.shape;

/** Members that are `null` are absent. */
const offered = {
  name,
  description: description.nullish(),
  parameters: parameters.nullish(),
  strict: strict.nullish(),
};

export const chatFunction = z.strictObject({ type: z.literal('function'), function: z.strictObject(offered) });
export const responseFunction = z.strictObject({ type: z.literal('function'), ...offered });

const word = z.enum(['none', 'required']);
export const chatChoice = z.union([
  word,
  z.strictObject({ type: z.literal('function'), function: z.strictObject({ name }) }),
]);
export const responseChoice = z.union([word, z.strictObject({ type: z.literal('function'), name })]);

type Offered = z.output<z.ZodObject<typeof offered>>;

/**
 * @param choice absent if the model decides
 * @param parallel whether the model may ask for several at once; absent if that is not said
 * @throws {OpenAiError} of what Kimi does not have, or would refuse
 */
export function functionsIn(
  tools: readonly Offered[],
  choice: 'none' | 'required' | { name: string } | undefined,
  parallel: boolean | undefined,
): Pick<TaskRequest, 'functions' | 'function_choice'> {
  if (tools.length === 0) {
    // Without functions it asks for none.
    if (choice === undefined || choice === 'none') return {};
    throw unsupported('tool_choice', 'there are no functions among the tools');
  }
  const names = new Set<string>();
  for (const { name: each } of tools) {
    if (names.has(each)) throw invalidValue('tools', `two functions have the name ${each}`);
    names.add(each);
  }
  if (typeof choice === 'object' && !names.has(choice.name))
    throw invalidValue('tool_choice', `the function ${choice.name} is not among the tools`);
  if (parallel === false) throw unsupported('parallel_tool_calls', 'Kimi may ask for several functions at once');
  return { functions: tools.map(functionOf), ...(choice !== undefined && { function_choice: choice }) };
}

function functionOf({ name, description, parameters, strict }: Offered): FunctionTool {
  return {
    name,
    ...(typeof description === 'string' && { description }),
    ...(parameters && { parameters }),
    ...(typeof strict === 'boolean' && { strict }),
  };
}

/** @returns the calls as a chat completion has them. */
export function chatCalls(calls: readonly FunctionCall[]): ChatCompletionMessageFunctionToolCall[] {
  return calls.map(({ id, ...call }) => ({ id, type: 'function', function: call }));
}

/** @returns the calls of a result as a response has them. */
export function callItems({ task_id, function_calls: calls = [], ...result }: ResultFile): ResponseFunctionToolCall[] {
  const status = asksForFunctions(result) ? 'completed' : 'incomplete';
  return calls.map(({ id: call_id, ...call }, index) => ({
    id: `fc_${task_id}_${index}`,
    type: 'function_call',
    status,
    call_id,
    ...call,
  }));
}

/** @returns the functions of a request as a response has them. */
export function shownFunctions({ functions = [] }: TaskRequest): ResponseFunction[] {
  return functions.map(({ parameters = null, strict = null, ...each }) => ({
    type: 'function',
    ...each,
    parameters,
    strict,
  }));
}
