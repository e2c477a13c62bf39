/**
 * Validation of requests, model by model (Moonshot's documentation). It shares no code with src/kimi: a mistake there must be refused
 * here, as Kimi would refuse it.
 */
import * as z from 'zod';
import { tokensIn } from './answers.ts';
import { firstCharacters } from '../shared/format.ts';
import { invalid, Refusal } from './errors.ts';
import type { ReceivedMessage } from './events.ts';

/** Characters that are kept of a message. */
const MESSAGE_CHARS = 300;

interface ModelRules {
  /** Tokens of prompt and answer together. */
  context: number;
  /** Default limit of an answer's tokens, its reasoning included. */
  defaultCap: number;
  /** Members of `GET /models` that differ between models. */
  listed: object;
  /** K2 models refuse `tool_choice: required` with thinking enabled; K3 accepts it. */
  family: 'k2' | 'k3';
  /** Whether `thinking: {type: disabled}` is accepted; K3 accepts it, against its documents. */
  mayNotThink: boolean;
  /** Whether every earlier answer has to come with its reasoning: documented, though K3 was seen to answer without. */
  needsReasoning: boolean;
}

const EFFORTS = { support: true, valid_efforts: ['low', 'high', 'max'], default_effort: 'max' };

const K3: ModelRules = {
  context: 1_048_576,
  defaultCap: 131_072,
  listed: { supports_dynamic_tools: true, think_efforts: EFFORTS, supports_thinking_type: 'only' },
  family: 'k3',
  mayNotThink: true,
  needsReasoning: true,
};
const K26: ModelRules = {
  context: 262_144,
  defaultCap: 32_768,
  listed: {},
  family: 'k2',
  mayNotThink: true,
  needsReasoning: false,
};
/** Its default limit is not known: K2.6's is assumed. */
const K27: ModelRules = { ...K26, mayNotThink: false, needsReasoning: true };

/** Retired models (moonshot-v1, kimi-k2.5) are unknown. K3.1 was never measured: K3's rules are assumed. */
export const MODELS: Record<string, ModelRules> = {
  'kimi-k3.1-pro': K3,
  'kimi-k3.1-pro-highspeed': K3,
  'kimi-k3': K3,
  'kimi-k2.7-code': K27,
  'kimi-k2.7-code-highspeed': K27,
  'kimi-k2.6': K26,
};

const part = z.union([
  z.looseObject({ type: z.literal('text'), text: z.string() }),
  z.looseObject({ type: z.literal('image_url') }),
  z.looseObject({ type: z.literal('video_url') }),
]);
/** A text, or parts: texts, pictures and videos. */
export const messageContent = z.union([z.string(), z.array(part)]);
const message = z.looseObject({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: messageContent.nullish(),
  name: z.string().optional(),
  partial: z.boolean().optional(),
  reasoning_content: z.string().nullish(),
  tool_calls: z.array(z.looseObject({ id: z.string() })).optional(),
  tool_call_id: z.string().optional(),
  tools: z.array(z.unknown()).optional(),
});
type Message = z.infer<typeof message>;

const tool = z.looseObject({
  type: z.enum(['function', 'builtin_function']),
  function: z.looseObject({
    // Moonshot's own begin with `$`.
    name: z.string().regex(/^\$?[a-zA-Z_][a-zA-Z0-9-_]{0,127}$/),
    parameters: z.looseObject({ required: z.array(z.string()).optional() }).optional(),
  }),
});

const messages = z.array(message).min(1);
const tokens = z.int().positive();

/** Members without effect here pass, as do unknown ones (Moonshot's documentation). */
const completionBody = z.looseObject({
  model: z.string(),
  messages,
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  max_tokens: tokens.nullish(),
  max_completion_tokens: tokens.nullish(),
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  n: z.number().nullish(),
  presence_penalty: z.number().nullish(),
  frequency_penalty: z.number().nullish(),
  thinking: z.looseObject({ type: z.enum(['enabled', 'disabled']) }).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(5)]).nullish(),
  response_format: z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema']) }).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z
    .union([z.enum(['auto', 'none', 'required']), z.looseObject({ function: z.looseObject({ name: z.string() }) })])
    .nullish(),
});
type Body = z.infer<typeof completionBody>;

/** A request that Kimi would take. */
export interface CompletionRequest {
  model: string;
  stream: boolean;
  includeUsage: boolean;
  /** The text of all messages, without a partial answer. */
  prompt: string;
  /** The text after the last answer of a conversation: what is asked now. */
  asked: string;
  messages: ReceivedMessage[];
  /** The text an answer is to go on from; the answer does not repeat it. */
  prefix: string;
  prompt_tokens: number;
  thinks: boolean;
  /** Most tokens of the answer, its reasoning included. */
  cap: number;
  stop: string[];
  /** Tools that the model may call. */
  tools: z.infer<typeof tool>[];
  /** How often it has called some since the question. */
  rounds: number;
}

/**
 * Reads a body as Kimi would.
 *
 * @throws {Refusal}
 */
export function readRequest(json: unknown): CompletionRequest {
  const body = read(completionBody, json);
  const rules = rulesOf(body.model);
  const thinks = checkThinking(body, rules);
  checkFixed(body, thinks);
  checkMessages(body.messages, rules, thinks);
  checkCalls(body.messages);
  const { prompt, asked, partial, prompt_tokens } = readPrompt(body.messages);
  if (partial && body.response_format?.type === 'json_object') {
    // That it is refused is documented, the sentence is not.
    throw invalid('Invalid request: partial mode is incompatible with response_format json_object');
  }
  const stated = body.max_completion_tokens ?? body.max_tokens;
  const requested = prompt_tokens + (stated ?? 0);
  if (prompt_tokens > rules.context) throw invalid('Input token length too long');
  // Whether the default counts as well is not known: only what was said does.
  if (requested > rules.context) {
    throw invalid(
      `Invalid request: Your request exceeded model token limit: ${rules.context} (requested: ${requested})`,
    );
  }
  const prefix = partial ? textOf(partial) : '';
  return {
    model: body.model,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    prompt,
    asked,
    messages: body.messages.map(received),
    prefix,
    prompt_tokens,
    // With the reasoning given back it goes on to answer. Without it, and after an empty prefix, it starts from scratch
    // (Moonshot's guide to partial mode).
    thinks: thinks && !(prefix && partial?.reasoning_content),
    cap: stated ?? rules.defaultCap,
    stop: [body.stop ?? []].flat(),
    tools: callable(body),
    rounds: body.messages.slice(questionIn(body.messages)).filter(({ tool_calls: calls }) => calls).length,
  };
}

/**
 * Reads the body of a token estimate.
 *
 * @throws {Refusal}
 */
export function estimateTokens(json: unknown): number {
  const body = read(z.looseObject({ model: z.string(), messages }), json);
  rulesOf(body.model);
  return readPrompt(body.messages).prompt_tokens;
}

function read<T extends z.ZodType>(shape: T, json: unknown): z.infer<T> {
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  // The text after the colon is ours: Kimi's is known for few mistakes only.
  const reasons = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw invalid(`Invalid request: ${reasons.join('; ')}`);
}

function rulesOf(model: string): ModelRules {
  const rules = Object.hasOwn(MODELS, model) ? MODELS[model] : undefined;
  if (rules) return rules;
  throw new Refusal(404, 'resource_not_found_error', `Not found the model ${model} or Permission denied`);
}

/** @returns whether thinking is enabled. */
function checkThinking({ thinking, tool_choice: choice }: Body, { family, mayNotThink }: ModelRules): boolean {
  const thinks = thinking?.type !== 'disabled';
  if (!thinks && !mayNotThink) {
    throw invalid('invalid thinking: only type=enabled is allowed for this model');
  }
  const forced = typeof choice === 'object' && choice !== null ? 'specified' : choice;
  if (thinks && (forced === 'specified' || (forced === 'required' && family === 'k2'))) {
    throw invalid(`tool_choice '${forced}' is incompatible with thinking enabled`);
  }
  return thinks;
}

/** @returns the tools that may be called. */
function callable({ tools, tool_choice: choice }: Body): CompletionRequest['tools'] {
  if (!tools || choice === 'none') return [];
  if (typeof choice !== 'object' || choice === null) return tools;
  const named = tools.filter(({ function: { name } }) => name === choice.function.name);
  // The sentence is ours.
  if (named.length === 0) throw invalid(`Invalid request: there is no tool ${choice.function.name}`);
  return named;
}

/** A fixed parameter may only have its one value. */
function checkFixed(body: Body, thinks: boolean): void {
  const fixed = {
    temperature: body.model === 'kimi-k2.6' && !thinks ? 0.6 : 1,
    top_p: 0.95,
    n: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
  };
  for (const [name, only] of Object.entries(fixed)) {
    const sent = body[name];
    if (sent !== undefined && sent !== null && sent !== only) {
      throw invalid(`invalid ${name}: only ${only} is allowed for this model`);
    }
  }
}

function checkMessages(messages: Message[], { needsReasoning }: ModelRules, thinks: boolean): void {
  messages.forEach((message, position) => {
    const { role, content, partial, tool_calls: calls, tools } = message;
    const isEmpty = typeof content === 'string' ? content.trim() === '' : (content ?? []).length === 0;
    if (isEmpty && !partial && !calls && !tools) {
      throw invalid(`Invalid request: the message at position ${position} with role '${role}' must not be empty`);
    }
    // The sentence is that of K2.5 on calls of tools. It and K2.6 take an empty one for a missing one, and a space for one.
    const isNeeded = needsReasoning || (thinks && calls);
    if (isNeeded && role === 'assistant' && !partial && !message.reasoning_content) {
      throw invalid(`thinking is enabled but reasoning_content is missing in assistant message at index ${position}`);
    }
  });
}

/** Every call has to be answered by the messages after it. */
function checkCalls(messages: Message[]): void {
  for (const [position, { tool_calls: calls = [] }] of messages.entries()) {
    const after = messages.slice(position + 1, position + 1 + calls.length);
    const answered = after.filter(({ role }) => role === 'tool').map(({ tool_call_id: id }) => id);
    const missing = calls.find(({ id }) => !answered.includes(id));
    // The sentence is OpenAI's: no source has Kimi's.
    if (missing) throw invalid(`Invalid request: tool_call_id ${missing.id} has no response message`);
  }
  const called = messages.flatMap(({ tool_calls: calls = [] }) => calls.map(({ id }) => id));
  const stray = messages.find(({ role, tool_call_id: id }) => role === 'tool' && !called.includes(id ?? ''));
  // Ours too.
  if (stray) throw invalid(`Invalid request: tool_call_id ${stray.tool_call_id} is not found`);
}

/** A partial answer and reasoning count as prompt. Pictures count no tokens here. */
function readPrompt(messages: Message[]): {
  prompt: string;
  asked: string;
  partial: Message | undefined;
  prompt_tokens: number;
} {
  const last = messages.at(-1);
  const partial = last?.role === 'assistant' && last.partial ? last : undefined;
  const whole = partial ? messages.slice(0, -1) : messages;
  const prompt = whole.map(textOf).join('\n');
  const asked = askedIn(whole);
  const reasoning = messages.map(({ reasoning_content }) => reasoning_content ?? '').join('');
  const prefix = partial ? textOf(partial) : '';
  return { prompt, asked, partial, prompt_tokens: tokensIn(prompt) + tokensIn(prefix) + tokensIn(reasoning) };
}

function received(message: Message): ReceivedMessage {
  const { role, reasoning_content: reasoning } = message;
  return {
    role,
    content: firstCharacters(textOf(message), MESSAGE_CHARS),
    ...(typeof reasoning === 'string' && { reasoning_content: firstCharacters(reasoning, MESSAGE_CHARS) }),
  };
}

/** @returns the text after the last answer of a conversation: what is asked now. */
export function askedIn(messages: readonly Asked[]): string {
  return messages
    .slice(questionIn(messages))
    .filter(({ role, tool_calls: calls }) => role !== 'tool' && !calls)
    .map(textOf)
    .join('\n');
}

type Asked = Pick<Message, 'content'> & { role: string; tool_calls?: unknown };

/** @returns the position after the last answer; calls of tools are none. */
function questionIn(messages: readonly Asked[]): number {
  return messages.findLastIndex(({ role, tool_calls: calls }) => role === 'assistant' && !calls) + 1;
}

/** @returns the text of a message, without pictures. */
export function textOf({ content }: Pick<Message, 'content'>): string {
  if (typeof content === 'string') return content;
  return (content ?? []).flatMap((part) => ('text' in part ? [String(part.text)] : [])).join('\n');
}
