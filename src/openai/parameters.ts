/** Parameters of requests: what is read, what changes nothing, and what is refused since it would change the answer. */
import * as z from 'zod';
import { metadata } from '../api/question-schemas.ts';
import { modelOf, thinkingWords } from '../kimi/models.ts';
import type { TaskRequest } from '../shared/task.ts';
import { invalidValue, OpenAiError, unsupported } from './errors.ts';

/** Parameters that do not change the answer. Also `null` for any other one. */
const IGNORED = [
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
  // Parts of the response that Kimi does not have.
  'include',
];

/** Values that mean the same as no value. */
const WITHOUT_EFFECT: Record<string, unknown[]> = {
  n: [1],
  // Kimi's own.
  top_p: [1, 0.95],
  frequency_penalty: [0],
  presence_penalty: [0],
  logprobs: [false],
  top_logprobs: [0],
  logit_bias: [{}],
  stop: [[]],
  modalities: [['text']],
  tools: [[]],
  tool_choice: ['auto'],
  truncation: ['disabled'],
  verbosity: ['medium'],
  service_tier: ['auto', 'default'],
};

/** Parameters of both endpoints. */
export const common = {
  model: z.string().regex(/^\S{1,128}$/, 'is no name of a model'),
  temperature: z.number().min(0).max(2).optional(),
  metadata: metadata.optional(),
  stream: z.boolean().optional(),
  store: z.boolean().optional(),
  parallel_tool_calls: z.boolean().optional(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).optional(),
};

export const tokenLimit = z.int().min(1).max(9_999_999).optional();

export const effort = z
  .string()
  .regex(/^[a-z]{1,16}$/)
  .optional();

/** A format of the answer; in `response_format` the schema is a level deeper. */
export const jsonSchema = z.record(z.string(), z.unknown());

/**
 * Reads a body. Members that are `null` are absent.
 *
 * @throws {OpenAiError} naming the parameter that is wrong or not supported
 */
export function readBody<Schema extends z.ZodObject>(schema: Schema, body: unknown): z.output<Schema> {
  // Express leaves out what is not JSON.
  if (body === undefined)
    throw new OpenAiError(415, 'Send a body with Content-Type: application/json', { code: 'not_json' });
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalidValue('body', 'send a JSON object');
  const given = Object.entries(body).filter(
    ([name, value]) => value !== null && value !== undefined && !IGNORED.includes(name) && !hasNoEffect(name, value),
  );
  const unknown = given.find(([name]) => !Object.hasOwn(schema.shape, name));
  if (unknown) throw unsupported(unknown[0]);
  return readPart(schema, Object.fromEntries(given), '');
}

function hasNoEffect(name: string, value: unknown): boolean {
  const values = Object.hasOwn(WITHOUT_EFFECT, name) ? WITHOUT_EFFECT[name] : undefined;
  return values?.some((each) => JSON.stringify(each) === JSON.stringify(value)) ?? false;
}

/** @param at where the part is, e.g. `messages[0]` @throws {OpenAiError} */
export function readPart<Schema extends z.ZodType>(schema: Schema, value: unknown, at: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues);
  const param = paramOf(at, issue?.path ?? []);
  if (issue?.code === 'unrecognized_keys') throw unsupported(paramOf(param, [issue.keys[0] ?? '']));
  const given = issue?.path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown>)[key], value);
  if (param && given === undefined) {
    const kind = { param, code: 'missing_required_parameter' };
    throw new OpenAiError(400, `Missing required parameter: '${param}'`, kind);
  }
  throw invalidValue(param || 'body', issue?.message ?? 'is not valid');
}

/** @returns the issue that says most: that of the part of a union which fits best. */
function deepest(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  const [issue] = issues;
  if (issue?.code !== 'invalid_union') return issue;
  const within = issue.errors.map((each) => deepest(each)).filter((each) => each !== undefined);
  const [best] = within.toSorted((a, b) => b.path.length - a.path.length);
  return best && best.path.length > 0 ? { ...best, path: [...issue.path, ...best.path] } : issue;
}

function paramOf(at: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((before, key) => {
    if (typeof key === 'number') return `${before}[${key}]`;
    return before === '' ? String(key) : `${before}.${String(key)}`;
  }, at);
}

/** Words of `reasoning_effort` for models with low, high and max. */
const EFFORTS: Record<string, string> = { minimal: 'low', medium: 'high', xhigh: 'max' };

/** @returns an effort in the words of a model; its own words stay as they are. */
export function thinkingOf(model: string, word: string | undefined): Pick<TaskRequest, 'thinking'> {
  if (word === undefined) return {};
  if (word === 'none') return { thinking: 'off' };
  const known = modelOf(model);
  if (!known || thinkingWords(known).includes(word)) return { thinking: word };
  return { thinking: known.thinking === 'effort' ? (EFFORTS[word] ?? word) : 'on' };
}
