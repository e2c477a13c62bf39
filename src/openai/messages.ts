/** Messages as a task has them: a system prompt, a conversation, and a question. */
import * as z from 'zod';
import type { FunctionCall, FunctionResult, TaskFile, Turn } from '../shared/task.ts';
import type { Attachment, CallerTasks, NewTask } from '../tasks/tasks.ts';
import { invalidValue, unsupported } from './errors.ts';
import { readPart } from './parameters.ts';

/** A file that was uploaded before. */
interface Uploaded {
  file_id: string;
  /** The parameter that names it. */
  at: string;
}

/** A message. */
interface Said {
  /** The parameter that it is, e.g. `messages[0]`. */
  at: string;
  role: 'system' | 'user' | 'assistant';
  texts: string[];
  images: string[];
  files: (Attachment | Uploaded)[];
  reasoning?: string;
  /** Functions that an answer asks for. */
  calls: FunctionCall[];
  /** What they returned, before the texts of the question. */
  results: FunctionResult[];
}

/** A system prompt, a conversation and a question of a task. */
export interface Dialogue {
  system: string | undefined;
  turns: { question: Said; answer: Said }[];
  question: Said;
}

const ROLES = { system: 'system', developer: 'system', user: 'user', assistant: 'assistant' } as const;
const role = z.enum(['system', 'developer', 'user', 'assistant']);

const text = z.strictObject({
  type: z.enum(['text', 'input_text', 'output_text']),
  text: z.string(),
  annotations: z.array(z.unknown()).optional(),
  logprobs: z.array(z.unknown()).optional(),
});
const detail = z.string().optional();
const chatImage = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.strictObject({ url: z.string(), detail }),
});
const inputImage = z.strictObject({ type: z.literal('input_image'), image_url: z.string(), detail });
const fileData = {
  filename: z.string().min(1).max(255).default('file'),
  file_data: z.string().min(1).optional(),
  file_id: z.string().optional(),
};
const chatFile = z.strictObject({ type: z.literal('file'), file: z.strictObject(fileData) });
const inputFile = z.strictObject({ type: z.literal('input_file'), ...fileData, detail });
const part = z.discriminatedUnion('type', [text, chatImage, inputImage, chatFile, inputFile]);

const message = z.strictObject({
  type: z.literal('message').optional(),
  role,
  content: z.union([z.string(), z.array(part)]),
  reasoning_content: z.string().optional(),
  // Of an answer that comes back as it was received.
  id: z.string().optional(),
  status: z.string().optional(),
  annotations: z.array(z.unknown()).optional(),
});

/** An answer of a chat that asks for functions, perhaps without a text. */
const callingMessage = message.extend({
  role: z.literal('assistant'),
  content: message.shape.content.optional(),
  tool_calls: z.array(
    z.strictObject({
      id: z.string(),
      type: z.literal('function'),
      function: z.strictObject({ name: z.string(), arguments: z.string() }),
      index: z.int().optional(),
    }),
  ),
});
const returned = z.union([z.string(), z.array(text)]);
const toolMessage = z.strictObject({
  role: z.literal('tool'),
  tool_call_id: z.string(),
  content: returned,
  name: z.string().optional(),
});

/** Items of a response's input. */
const item = { call_id: z.string(), id: z.string().optional(), status: z.string().optional() };
const functionCall = z.strictObject({
  type: z.literal('function_call'),
  ...item,
  name: z.string(),
  arguments: z.string(),
});
const functionOutput = z.strictObject({ type: z.literal('function_call_output'), ...item, output: returned });

/** @param name of the parameter @throws {OpenAiError} if a task cannot carry the messages */
export function dialogueOf(messages: readonly unknown[], name: string, instructions?: string): Dialogue {
  const said = messages.map((each, index) => saidIn(each, `${name}[${index}]`));
  const first = said.findIndex(({ role }) => role !== 'system');
  const head = first === -1 ? said : said.slice(0, first);
  const system = [...(instructions ? [instructions] : []), ...head.flatMap(({ texts }) => texts)].join('\n\n');
  const { turns, open } = turnsOf(first === -1 ? [] : said.slice(first));
  if (!open) throw invalidValue(name, 'the last message has to be of the role user, or has what a function returned');
  return { system: system === '' ? undefined : system, turns, question: open };
}

/** Questions in a row are one, as are the parts of an answer that asks for functions: the items of a response's input. */
function turnsOf(said: readonly Said[]): { turns: Dialogue['turns']; open: Said | undefined } {
  const turns: Dialogue['turns'] = [];
  let open: Said | undefined;
  for (const each of said) {
    if (each.role === 'system')
      throw unsupported(`${each.at}.role`, 'system messages are supported at the beginning only');
    const last = turns.at(-1);
    if (each.role === 'user') open = open ? together(open, each) : each;
    else if (open) {
      turns.push({ question: open, answer: each });
      open = undefined;
    } else if (last && [...last.answer.calls, ...each.calls].length > 0) last.answer = together(last.answer, each);
    else throw unsupported(`${each.at}.role`, 'an answer has to follow a question');
  }
  return { turns, open };
}

function together(one: Said, next: Said): Said {
  return {
    ...one,
    texts: [...one.texts, ...next.texts],
    images: [...one.images, ...next.images],
    files: [...one.files, ...next.files],
    calls: [...one.calls, ...next.calls],
    results: [...one.results, ...next.results],
  };
}

function saidIn(given: unknown, at: string): Said {
  const value = withoutEmpty(given);
  const { type, role, tool_calls: calls } = (value ?? {}) as Record<string, unknown>;
  if (role === 'tool') {
    const { tool_call_id: call_id, content } = readPart(toolMessage, value, at);
    return { ...nothingSaid(at, 'user'), results: [{ call_id, output: outputOf(content) }] };
  }
  if (type === 'function_call') {
    const { call_id: id, name, arguments: args } = readPart(functionCall, value, at);
    return { ...nothingSaid(at, 'assistant'), calls: [{ id, name, arguments: args }] };
  }
  if (type === 'function_call_output') {
    const { call_id, output } = readPart(functionOutput, value, at);
    return { ...nothingSaid(at, 'user'), results: [{ call_id, output: outputOf(output) }] };
  }
  if (calls === undefined) return messageIn(readPart(message, value, at), at);
  const { tool_calls, content = '', ...rest } = readPart(callingMessage, value, at);
  const answer = messageIn({ content, ...rest }, at);
  return { ...answer, calls: tool_calls.map(({ id, function: called }) => ({ id, ...called })) };
}

function nothingSaid(at: string, role: Said['role']): Said {
  return { at, role, texts: [], images: [], files: [], calls: [], results: [] };
}

function outputOf(content: z.output<typeof returned>): string {
  return typeof content === 'string' ? content : content.map((each) => each.text).join('\n\n');
}

function messageIn({ role, content, reasoning_content: reasoning }: z.output<typeof message>, at: string): Said {
  const said: Said = { ...nothingSaid(at, ROLES[role]), ...(reasoning && { reasoning }) };
  if (typeof content === 'string') return { ...said, texts: [content] };
  for (const [index, each] of content.entries()) take(each, said, `${at}.content[${index}]`);
  if (said.texts.length === 0 && said.role !== 'user') throw invalidValue(`${at}.content`, 'is empty');
  const isText = said.images.length === 0 && said.files.length === 0;
  if (said.role !== 'user' && !isText)
    throw unsupported(`${at}.content`, `a message of the role ${role} has only text`);
  return said;
}

/** Clients send back what an answer did not have, e.g. `refusal: null` and `tool_calls: []`. */
function withoutEmpty(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, each]) => !isEmpty(each)));
}

function isEmpty(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 0);
}

function take(value: z.output<typeof part>, said: Said, at: string): void {
  switch (value.type) {
    case 'image_url':
      said.images.push(picture(value.image_url.url, `${at}.image_url.url`));
      break;
    case 'input_image':
      said.images.push(picture(value.image_url, `${at}.image_url`));
      break;
    case 'file':
      said.files.push(attachment(value.file, `${at}.file`));
      break;
    case 'input_file':
      said.files.push(attachment(value, at));
      break;
    default:
      said.texts.push(value.text);
  }
}

function picture(url: string, at: string): string {
  if (!/^data:image\/[a-z]+;base64,/.test(url)) throw unsupported(at, 'Kimi takes pictures as data: URLs in base64');
  return url;
}

function attachment(
  { filename, file_data: data, file_id }: z.output<typeof chatFile>['file'],
  at: string,
): Attachment | Uploaded {
  if (file_id !== undefined && data !== undefined) throw invalidValue(`${at}.file_id`, 'is given beside file_data');
  if (file_id !== undefined) return { file_id, at: `${at}.file_id` };
  if (data === undefined) throw invalidValue(`${at}.file_data`, 'is missing');
  const base64 = data.replace(/^data:[^,]*;base64,/, '');
  if (!/^[\w+/=-]+$/.test(base64)) throw invalidValue(`${at}.file_data`, 'is neither base64 nor a data: URL in base64');
  // Only its name, as `POST /v1/files` takes it.
  return { name: filename.split(/[/\\]/).at(-1) || 'file', content: Buffer.from(base64, 'base64') };
}

/** Stores the files of a dialogue. @returns the parts of a task that it makes up @throws {OpenAiError} if nothing is asked */
export async function partsOf(
  tasks: CallerTasks,
  { system, turns, question }: Dialogue,
): Promise<Pick<NewTask, 'prompt' | 'files' | 'conversation' | 'request'>> {
  const { images, files, results } = question;
  const hasOnlyResults = results.length > 0 && images.length === 0 && files.length === 0;
  if (textOf(question).trim() === '' && !hasOnlyResults)
    throw invalidValue(question.at, 'a text is needed, also with a picture or a file');
  const keep = async ({ files }: Said): Promise<{ files?: TaskFile[] }> =>
    files.length === 0
      ? {}
      : { files: await Promise.all(files.map(async (file) => await tasks.keep(await contentOf(tasks, file)))) };
  const conversation = await Promise.all(
    turns.map(async (turn): Promise<Turn> => {
      const { reasoning, calls } = turn.answer;
      return {
        prompt: textOf(turn.question),
        ...(turn.question.images.length > 0 && { images: turn.question.images }),
        ...(await keep(turn.question)),
        ...resultsOf(turn.question),
        output: textOf(turn.answer),
        ...(reasoning !== undefined && { reasoning }),
        ...(calls.length > 0 && { function_calls: calls }),
      };
    }),
  );
  return {
    prompt: textOf(question),
    ...(await keep(question)),
    ...(conversation.length > 0 && { conversation }),
    request: {
      ...(system !== undefined && { system }),
      ...(images.length > 0 && { images }),
      ...resultsOf(question),
    },
  };
}

function resultsOf({ results }: Said): { function_results?: FunctionResult[] } {
  return results.length > 0 ? { function_results: results } : {};
}

/** @throws {OpenAiError} if the file was not uploaded, or is gone */
async function contentOf({ uploads }: CallerTasks, file: Attachment | Uploaded): Promise<Attachment> {
  if (!('file_id' in file)) return file;
  const [known, content] = [await uploads.find(file.file_id), await uploads.content(file.file_id)];
  if (!known || !content) throw invalidValue(file.at, `there is no file ${file.file_id}`);
  return { name: known.name, content };
}

function textOf({ texts }: Said): string {
  return texts.join('\n\n');
}
