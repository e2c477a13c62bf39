import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { taskFromMessage } from '../shared/chat.ts';
import { MAX_PROMPT_BYTES } from '../shared/task.ts';
import { isTaskName, nameFromPrompt } from './task-name.ts';
import { EXIT } from '../service/exit.ts';
import { CliError } from './exit.ts';
import type { CliText } from './text/index.ts';

export interface PromptOptions {
  /** The positional one. */
  argument?: string | undefined;
  prompt?: string | undefined;
  file?: string | undefined;
  message?: string | undefined;
}

/**
 * Reads the prompt from where the options say it is.
 *
 * @throws {CliError} where there is none, or more than one.
 */
export async function readPrompt(
  { argument, file, message, ...options }: PromptOptions,
  say: CliText,
): Promise<string> {
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

/** @returns the given name, checked, or one made from the prompt. */
export function chooseName(name: string | undefined, prompt: string, say: CliText): string {
  if (name === undefined) return nameFromPrompt(prompt);
  if (!isTaskName(name)) throw new CliError(EXIT.usage, say.usage.badName);
  return name;
}

/** @throws {CliError} where there is no such file, or no text in it. */
export async function readTextFile(file: string, say: CliText): Promise<string> {
  return textOf(await readBytes(file, say), file, say);
}

/** @throws {CliError} where there is no such file, or more in it than may be handed over. */
export async function readBytes(file: string, say: CliText): Promise<Buffer> {
  try {
    return await bytesOf(createReadStream(file), file, say);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(EXIT.usage, say.usage.unreadable(file, String((error as NodeJS.ErrnoException).code)));
  }
}

/** Some files, and what others write to standard input, have no end. */
async function bytesOf(source: Readable, name: string, say: CliText): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_PROMPT_BYTES) throw new CliError(EXIT.usage, say.usage.inputTooLong(name, MAX_PROMPT_BYTES));
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

function textOf(bytes: Buffer, name: string, say: CliText): string {
  if (!isText(bytes)) throw new CliError(EXIT.usage, say.usage.notText(name));
  return bytes.toString('utf8');
}
