import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { isTaskName, nameFromPrompt } from '../naming.ts';
import { taskFromMessage } from '../trigger.ts';
import { EXIT } from '../exit.ts';
import { CliError } from './exit.ts';
import type { CliText } from './text/index.ts';

export interface PromptOptions {
  prompt?: string | undefined;
  file?: string | undefined;
  message?: string | undefined;
}

/**
 * Reads the prompt from where the options say it is.
 *
 * @throws {CliError} where there is none, or more than one.
 */
export async function readPrompt({ prompt, file, message }: PromptOptions, say: CliText): Promise<string> {
  if ([prompt, file, message].filter((option) => option !== undefined).length > 1) {
    throw new CliError(EXIT.usage, say.usage.onePrompt);
  }
  let content = prompt;
  if (prompt === '-') content = textOf(await buffer(process.stdin), '-', say);
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

/** @throws {CliError} where there is no such file. */
export async function readBytes(file: string, say: CliText): Promise<Buffer> {
  return await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(EXIT.usage, say.usage.unreadable(file, String(error.code)));
  });
}

export function isText(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

function textOf(bytes: Buffer, name: string, say: CliText): string {
  if (!isText(bytes)) throw new CliError(EXIT.usage, say.usage.notText(name));
  return bytes.toString('utf8');
}
