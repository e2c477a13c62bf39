import { basename } from 'node:path';
import { langOf } from '../config/early.ts';
import {
  MAX_FILE_BYTES,
  MAX_FILES,
  MAX_FILES_BYTES,
  MAX_PROMPT_BYTES,
  type Priority,
  type TaskFile,
  type TaskRequest,
  type Tool,
} from '../shared/task.ts';
import { nameFromPrompt } from '../tasks/task-name.ts';
import type { Attachment, NewTask, Tasks } from '../tasks/tasks.ts';
import { EXIT } from '../service/exit.ts';
import { readAtMost } from '../service/http.ts';
import { CliError } from './exit.ts';
import { namedTask } from './named-task.ts';
import type { CliText } from './text/index.ts';
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { field } from '../shared/format.ts';
import { taskFromMessage, type Route } from '../shared/chat.ts';
import { SCHEMA_TYPES } from '../shared/json-schema.ts';

/** Options of a request besides the prompt. */
export interface RequestOptions {
  name?: string;
  model?: string;
  system?: string;
  attach?: string[];
  continue?: string;
  thinking?: string;
  temperature?: number;
  maxTokens?: number;
  jsonSchema?: string;
  search?: true;
  tools?: Tool[];
  batch?: true;
}

/** Options of both `dispatch` and `run`. */
export interface TaskOptions extends RequestOptions {
  timeout?: number;
  budget?: number;
  priority?: Priority;
  resendUnknown?: true;
  notify?: string;
  route?: Route;
}

/**
 * Reads a task from the sources that the options name.
 *
 * @throws {CliError} if something is missing or cannot be read.
 */
export async function readTask(prompt: PromptOptions, options: TaskOptions, say: CliText): Promise<NewTask> {
  const asked = await readPrompt(prompt, say);
  const tools = [...new Set([...(options.search ? ['search' as const] : []), ...(options.tools ?? [])])];
  const request: TaskRequest = {
    ...(options.system !== undefined && { system: await readFilledFile(options.system, say) }),
    ...(options.temperature !== undefined && { temperature: options.temperature }),
    ...(options.maxTokens !== undefined && { max_tokens: options.maxTokens }),
    ...(options.thinking !== undefined && { thinking: options.thinking }),
    ...(options.jsonSchema !== undefined && { json_schema: await readSchema(options.jsonSchema, say) }),
    ...(tools.length > 0 && { tools }),
    ...(options.batch && { batch: true }),
  };
  return {
    prompt: asked,
    // A task that continues another one has its name.
    ...(options.continue === undefined
      ? { name: options.name ?? nameFromPrompt(asked) }
      : options.name !== undefined && { name: options.name }),
    ...(options.model !== undefined && { model: options.model }),
    ...(Object.keys(request).length > 0 && { request }),
    ...(options.timeout !== undefined && { timeout_ms: options.timeout }),
    ...(options.budget !== undefined && { budget: options.budget }),
    ...(options.priority && { priority: options.priority }),
    ...(options.resendUnknown && { resend_unknown: true }),
    ...(options.notify !== undefined && { notify: { url: options.notify } }),
    ...(options.route && { route: options.route }),
    lang: langOf(),
  };
}

/** Kimi refuses an empty message. */
async function readFilledFile(file: string, say: CliText): Promise<string> {
  const content = await readTextFile(file, say);
  if (content.trim() === '') throw new CliError(EXIT.usage, say.usage.emptyFile(file));
  return content;
}

/** @returns the task that is continued, which may be named in any way. */
export async function conversationOf(
  options: TaskOptions,
  open: () => Promise<Tasks>,
  say: CliText,
): Promise<Pick<NewTask, 'continue'>> {
  if (options.continue === undefined) return {};
  return { continue: (await namedTask(options.continue, await open(), say, { route: options.route })).task_id };
}

/**
 * Reads the files that are attached, and stores them for the task.
 *
 * @param keep see {@link Tasks.keep}
 * @throws {CliError} if one is missing, or is no file that can be read
 */
export async function keepFiles(
  { attach = [] }: RequestOptions,
  keep: Tasks['keep'],
  say: CliText,
): Promise<Pick<NewTask, 'files'>> {
  // All are looked at before the first is stored.
  const sizes = await Promise.all(attach.map(async (path) => await sizeOfFile(path, say)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (attach.length > MAX_FILES) throw new CliError(EXIT.usage, say.usage.tooManyFiles(attach.length, MAX_FILES));
  if (total > MAX_FILES_BYTES) throw new CliError(EXIT.usage, say.usage.filesTooLarge(total, MAX_FILES_BYTES));
  const files: TaskFile[] = [];
  for (const path of attach) {
    const file = await keep(await readAttachment(path, say));
    files.push(file);
    if (file.encoding !== undefined) console.error(say.maps.readAs(field(file.name), file.encoding));
  }
  return files.length > 0 ? { files } : {};
}

/** Devices and pipes may have no end, or no beginning. */
async function sizeOfFile(path: string, say: CliText): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error, say);
  });
  if (found.isDirectory()) throw new CliError(EXIT.usage, say.usage.unusableFile(path, 'folder'));
  if (!found.isFile()) throw new CliError(EXIT.usage, say.usage.unusableFile(path, 'no_file'));
  if (found.size > MAX_FILE_BYTES) {
    throw new CliError(EXIT.usage, say.usage.unusableFile(path, 'too_large', MAX_FILE_BYTES));
  }
  return found.size;
}

async function readAttachment(path: string, say: CliText): Promise<Attachment> {
  try {
    const content = await readAtMost(createReadStream(path), MAX_FILE_BYTES);
    if (!content) throw new CliError(EXIT.usage, say.usage.unusableFile(path, 'too_large', MAX_FILE_BYTES));
    return { name: basename(path), content };
  } catch (error) {
    throw unreadable(path, error, say);
  }
}

/** Keywords of JSON Schema (up to draft 2020-12) that constrain a value, unlike `title`. */
const SCHEMA_KEYWORD =
  /^(?:\$ref|allOf|anyOf|oneOf|not|if|enum|const|properties|patternProperties|additionalProperties|required|items|prefixItems)$/;

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
  if (prompt === '-') content = textOf(await bytesOf(process.stdin, undefined, say), '-', say);
  if (file !== undefined) content = await readFilledFile(file, say);
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
    throw unreadable(file, error, say);
  }
}

function unreadable(file: string, error: unknown, say: CliText): CliError {
  if (error instanceof CliError) return error;
  return new CliError(
    EXIT.usage,
    say.usage.unreadable(file === '' ? "''" : file, String((error as NodeJS.ErrnoException).code)),
  );
}

/** Reads up to the limit: some files, and standard input, have no end. */
async function bytesOf(source: Readable, name: string | undefined, say: CliText): Promise<Buffer> {
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
