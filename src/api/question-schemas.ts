/** What is asked in a task, in the API. */
import * as z from 'zod';
import { TOOLS, type Turn } from '../shared/task.ts';
import { named, taskId } from './schema-parts.ts';

export const functionTool = named(
  'FunctionTool',
  'A function of the program that the model may ask for. The program runs it, and continues the task with what it returns.',
  z.strictObject({
    name: z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_-]{0,127}$/),
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional().describe('JSON Schema of its arguments.'),
    strict: z.boolean().optional(),
  }),
);

export const functionCall = named(
  'FunctionCall',
  'A function that an answer asks for.',
  z.strictObject({ id: z.string(), name: z.string(), arguments: z.string().describe('JSON, as the model wrote it.') }),
);

const functionResults = z
  .array(
    named('FunctionResult', 'What a function returned.', z.strictObject({ call_id: z.string(), output: z.string() })),
  )
  .min(1)
  .optional()
  .describe('Of each function that the answer before asks for. The prompt, which follows them, may be empty then.');

export const taskRequest = named(
  'TaskRequest',
  'Options of the request to the model. Which model accepts which: kimi-dispatch models.',
  z.strictObject({
    system: z.string().regex(/\S/).optional(),
    temperature: z.number().min(0).max(2).optional(),
    max_tokens: z.int().min(1).max(9_999_999).optional().describe('Of the answer, its reasoning included.'),
    thinking: z
      .string()
      .regex(/^[a-z]{1,16}$/)
      .optional(),
    images: z
      .array(z.string().regex(/^data:image\/[a-z]+;base64,/))
      .optional()
      .describe('`data:` URLs.'),
    json_schema: z.record(z.string(), z.unknown()).optional().describe('JSON Schema of the answer.'),
    batch: z.literal(true).optional().describe('Answered within a day, at 60 % of the price. Only at Moonshot.'),
    tools: z.array(z.enum(TOOLS)).min(1).optional().describe('What Kimi may use for its answer. Only at Moonshot.'),
    functions: z
      .array(functionTool)
      .min(1)
      .max(128)
      .optional()
      .describe('Not with `tools`. Only with KIMI_CALLBACKS=relay.'),
    function_choice: z
      .union([z.enum(['none', 'required']), z.strictObject({ name: z.string() })])
      .optional()
      .describe('Whether it has to ask for a function, or for this one; absent if the model decides.'),
    function_results: functionResults,
  }),
);

export const priority = z.literal([1, 2, 3, 4, 5]);
export const taskFile = named(
  'TaskFile',
  'A stored file that goes with a prompt.',
  z.strictObject({
    name: z.string().min(1).max(255),
    bytes: z.int().min(1).describe('Size of the file.'),
    kind: z
      .enum(['text', 'image', 'pages', 'document'])
      .describe('`pages`: scanned ones, as pictures. `document`: Kimi reads it.'),
    encoding: z.string().optional().describe('Of a text that is not UTF-8, e.g. Big5.'),
    stored_bytes: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    claim: z.string().max(200),
  }),
);

export const turn = named(
  'Turn',
  'A question and its answer.',
  z.strictObject({
    prompt: z.string(),
    images: taskRequest.shape.images,
    files: z.array(taskFile).optional(),
    function_results: functionResults,
    output: z.string(),
    reasoning: z.string().optional(),
    function_calls: z.array(functionCall).min(1).optional().describe('The output may be empty then.'),
  }) satisfies z.ZodType<Turn>,
);

export const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((words) => Object.keys(words).length <= 16, 'has more than 16 members')
  .describe('Words of the program that starts it, at most 16.');

/** How the end of a task is reported. */
export const reported = {
  wake: z
    .literal(false)
    .optional()
    .describe('The program asks for the answer itself: the gateway is not woken, and the inbox does not list it.'),
  notify: z
    .strictObject({ url: z.string().max(2_048) })
    .optional()
    .describe('The program that is sent a signed event when the task ends (docs/webhooks.md). Of a map: for the map.'),
  notify_as: taskId.optional().describe('A task whose own receiver is sent the event, if it has one.'),
};
