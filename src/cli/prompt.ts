import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { MAX_PROMPT_BYTES } from '../contract.ts';
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
 * @throws {CliError} where there is none, more than one, or one too long.
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
  const bytes = Buffer.byteLength(content);
  if (bytes > MAX_PROMPT_BYTES) throw new CliError(EXIT.usage, say.usage.tooLong(bytes, MAX_PROMPT_BYTES));
  return content;
}

/** @returns the given name, checked, or one made from the prompt. */
export function chooseName(name: string | undefined, prompt: string, say: CliText): string {
  if (name === undefined) return nameFromPrompt(prompt);
  if (!isTaskName(name)) throw new CliError(EXIT.usage, say.usage.badName);
  return name;
}

async function readTextFile(file: string, say: CliText): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CliError(EXIT.usage, say.usage.unreadable(file, String(error.code)));
  });
  return textOf(bytes, file, say);
}

function textOf(bytes: Buffer, name: string, say: CliText): string {
  if (!isUtf8(bytes) || bytes.includes(0)) throw new CliError(EXIT.usage, say.usage.notText(name));
  return bytes.toString('utf8');
}
