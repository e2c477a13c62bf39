/** Messages as a task has them: a system prompt, a conversation, and a question. */
import * as z from 'zod';
import type { TaskFile, Turn } from '../shared/task.ts';
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

/** @param name of the parameter @throws {OpenAiError} if a task cannot carry the messages */
export function dialogueOf(messages: readonly unknown[], name: string, instructions?: string): Dialogue {
  const said = messages.map((each, index) => saidIn(each, `${name}[${index}]`));
  const first = said.findIndex(({ role }) => role !== 'system');
  const head = first === -1 ? said : said.slice(0, first);
  const system = [...(instructions ? [instructions] : []), ...head.flatMap(({ texts }) => texts)].join('\n\n');
  const { turns, open } = turnsOf(first === -1 ? [] : said.slice(first));
  if (!open) throw invalidValue(name, 'the last message has to be of the role user');
  return { system: system === '' ? undefined : system, turns, question: open };
}

/** Questions in a row are one. */
function turnsOf(said: readonly Said[]): { turns: Dialogue['turns']; open: Said | undefined } {
  const turns: Dialogue['turns'] = [];
  let open: Said | undefined;
  for (const each of said) {
    if (each.role === 'system')
      throw unsupported(`${each.at}.role`, 'system messages are supported at the beginning only');
    if (each.role === 'user') open = open ? together(open, each) : each;
    else if (open) {
      turns.push({ question: open, answer: each });
      open = undefined;
    } else throw unsupported(`${each.at}.role`, 'an answer has to follow a question');
  }
  return { turns, open };
}

function together(one: Said, next: Said): Said {
  return {
    ...one,
    texts: [...one.texts, ...next.texts],
    images: [...one.images, ...next.images],
    files: [...one.files, ...next.files],
  };
}

function saidIn(value: unknown, at: string): Said {
  const { role, content, reasoning_content: reasoning } = readPart(message, withoutEmpty(value), at);
  const said: Said = { at, role: ROLES[role], texts: [], images: [], files: [], ...(reasoning && { reasoning }) };
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
  if (textOf(question).trim() === '')
    throw invalidValue(question.at, 'a text is needed, also with a picture or a file');
  const keep = async ({ files }: Said): Promise<{ files?: TaskFile[] }> =>
    files.length === 0
      ? {}
      : { files: await Promise.all(files.map(async (file) => await tasks.keep(await contentOf(tasks, file)))) };
  const conversation = await Promise.all(
    turns.map(async (turn): Promise<Turn> => {
      const { images } = turn.question;
      const { reasoning } = turn.answer;
      return {
        prompt: textOf(turn.question),
        ...(images.length > 0 && { images }),
        ...(await keep(turn.question)),
        output: textOf(turn.answer),
        ...(reasoning !== undefined && { reasoning }),
      };
    }),
  );
  const { images } = question;
  return {
    prompt: textOf(question),
    ...(await keep(question)),
    ...(conversation.length > 0 && { conversation }),
    request: { ...(system !== undefined && { system }), ...(images.length > 0 && { images }) },
  };
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
