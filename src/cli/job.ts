import { basename } from 'node:path';
import { langOf } from '../config/early.ts';
import { MAX_PROMPT_BYTES, type Priority, type TaskRequest } from '../shared/task.ts';
import { nameFromPrompt } from '../tasks/task-name.ts';
import type { NewTask } from '../tasks/tasks.ts';
import { EXIT } from '../service/exit.ts';
import { readAtMost } from '../service/http.ts';
import { CliError } from './exit.ts';
import type { CliText } from './text/index.ts';
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { taskFromMessage, type Route } from '../shared/chat.ts';

/** Options of a request besides the prompt. */
export interface RequestOptions {
  name?: string;
  model?: string;
  system?: string;
  attach?: string[];
  thinking?: string;
  temperature?: number;
  maxTokens?: number;
  jsonSchema?: string;
}

/** Options of both `dispatch` and `run`. */
export interface TaskOptions extends RequestOptions {
  timeout?: number;
  priority?: Priority;
  resendUnknown?: true;
  route?: Route;
}

/**
 * Reads a task from the sources that the options name.
 *
 * @throws {CliError} if something is missing or cannot be read.
 */
export async function readTask(prompt: PromptOptions, options: TaskOptions, say: CliText): Promise<NewTask> {
  const asked = await readPrompt(prompt, say);
  const attached = await Promise.all((options.attach ?? []).map(async (file) => await readAttachment(file, say)));
  const images = attached.flatMap((attachment) => ('image' in attachment ? [attachment.image] : []));
  const texts = attached.flatMap((attachment) => ('text' in attachment ? [attachment.text] : []));
  const request: TaskRequest = {
    ...(options.system !== undefined && { system: await readSystem(options.system, say) }),
    ...(options.temperature !== undefined && { temperature: options.temperature }),
    ...(options.maxTokens !== undefined && { max_tokens: options.maxTokens }),
    ...(options.thinking !== undefined && { thinking: options.thinking }),
    ...(images.length > 0 && { images }),
    ...(options.jsonSchema !== undefined && { json_schema: await readSchema(options.jsonSchema, say) }),
  };
  return {
    prompt: [asked, ...texts].join('\n\n'),
    // Of the prompt without what is attached to it.
    name: options.name ?? nameFromPrompt(asked),
    ...(options.model !== undefined && { model: options.model }),
    ...(Object.keys(request).length > 0 && { request }),
    ...(options.timeout !== undefined && { timeout_ms: options.timeout }),
    ...(options.priority && { priority: options.priority }),
    ...(options.resendUnknown && { resend_unknown: true }),
    ...(options.route && { route: options.route }),
    lang: langOf(),
  };
}

/** Kimi refuses an empty message. */
async function readSystem(file: string, say: CliText): Promise<string> {
  const content = await readTextFile(file, say);
  if (content.trim() === '') throw new CliError(EXIT.usage, say.usage.emptyFile(file));
  return content;
}

/** Picture types that Kimi accepts (Moonshot's guide to vision), by their first bytes. SVG is text. */
const IMAGE_TYPES: [type: string, begins: RegExp][] = [
  ['image/png', /^\x89PNG/],
  ['image/jpeg', /^\xFF\xD8\xFF/],
  ['image/gif', /^GIF8/],
  ['image/webp', /^RIFF[^]{4}WEBP/],
  ['image/bmp', /^BM/],
];

/** Text becomes part of the prompt, a picture an image of the request. */
async function readAttachment(file: string, say: CliText): Promise<{ text: string } | { image: string }> {
  const bytes = await readBytes(file, say);
  if (isText(bytes))
    return { text: `<attachment name=${JSON.stringify(basename(file))}>\n${bytes.toString('utf8')}\n</attachment>` };
  const start = bytes.toString('latin1', 0, 16);
  const type = IMAGE_TYPES.find(([, begins]) => begins.test(start))?.[0];
  if (type === undefined) throw new CliError(EXIT.usage, say.usage.notAttachable(file));
  return { image: `data:${type};base64,${bytes.toString('base64')}` };
}

/** Keywords of JSON Schema (up to draft 2020-12) that constrain a value, unlike `title`. */
const SCHEMA_KEYWORD =
  /^(?:\$ref|allOf|anyOf|oneOf|not|if|enum|const|properties|patternProperties|additionalProperties|required|items|prefixItems)$/;

const SCHEMA_TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];

/** Every JSON object is a valid schema. One without a constraint is likely the wrong file; a package.json has a `type` too. */
function isSchema(json: unknown): json is Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return false;
  const types = [(json as { type?: unknown }).type].flat();
  const isTyped = types.every((type) => SCHEMA_TYPES.includes(type as string));
  return isTyped || Object.keys(json).some((keyword) => SCHEMA_KEYWORD.test(keyword));
}

async function readSchema(file: string, say: CliText): Promise<Record<string, unknown>> {
  const content = await readTextFile(file, say);
  try {
    const schema: unknown = JSON.parse(content);
    if (isSchema(schema)) return schema;
  } catch {
    // Reported below.
  }
  throw new CliError(EXIT.usage, say.usage.notSchema(file));
}

export interface PromptOptions {
  /** The positional argument. */
  argument?: string | undefined;
  prompt?: string | undefined;
  file?: string | undefined;
  message?: string | undefined;
}

/**
 * Reads the prompt from the source that the options name.
 *
 * @throws {CliError} if there is no source, or more than one.
 */
async function readPrompt({ argument, file, message, ...options }: PromptOptions, say: CliText): Promise<string> {
  const prompt = options.prompt ?? argument;
  if ([argument, options.prompt, file, message].filter((option) => option !== undefined).length > 1) {
    throw new CliError(EXIT.usage, say.usage.onePrompt);
  }
  let content = prompt;
  if (prompt === '-') content = textOf(await bytesOf(process.stdin, say.usage.standardInput, say), '-', say);
  if (file !== undefined) content = await readTextFile(file, say);
  if (message !== undefined) {
    content = taskFromMessage(message);
    if (content === undefined) throw new CliError(EXIT.usage, say.usage.noTrigger);
  }
  if (content === undefined || content.trim() === '') throw new CliError(EXIT.usage, say.usage.noPrompt);
  return content;
}

/** @throws {CliError} if the file is missing or holds no text. */
async function readTextFile(file: string, say: CliText): Promise<string> {
  return textOf(await readBytes(file, say), file, say);
}

/** @throws {CliError} if the file is missing or too large. */
async function readBytes(file: string, say: CliText): Promise<Buffer> {
  try {
    return await bytesOf(createReadStream(file), file, say);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(EXIT.usage, say.usage.unreadable(file, String((error as NodeJS.ErrnoException).code)));
  }
}

/** Reads up to the limit: some files, and standard input, have no end. */
async function bytesOf(source: Readable, name: string, say: CliText): Promise<Buffer> {
  const bytes = await readAtMost(source, MAX_PROMPT_BYTES);
  if (!bytes) throw new CliError(EXIT.usage, say.usage.inputTooLong(name, MAX_PROMPT_BYTES));
  return bytes;
}

function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

function textOf(bytes: Buffer, name: string, say: CliText): string {
  if (!isText(bytes)) throw new CliError(EXIT.usage, say.usage.notText(name));
  return bytes.toString('utf8');
}
